"""The cluster that is measured against, and what it holds."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tools.cluster.paths import ClusterPaths
from tools.cluster.processes import end_processes_below

from .inventory import ROOT

Object = dict[str, Any]
Identity = tuple[str, str, str]  # kind, namespace, name

_PODS_A_NODE = 250
_SETTLE_SECONDS = 900.0
_LOOK_SECONDS = 1.0


class BenchCluster:
    """An embedded cluster of this run's own, with room for ``pods`` pods."""

    def __init__(self, name: str, kubectl: str, pods: int, *, autoscale: bool) -> None:
        self._name = name
        self._kubectl = kubectl
        self._pods = pods
        self._autoscale = autoscale
        self._paths = ClusterPaths(name)
        self.kubeconfig = self._paths.kubeconfig

    def __enter__(self) -> BenchCluster:
        self._tool("delete")  # what a killed run left
        try:
            self._tool("create")
            if not self._autoscale:
                self._without_autoscaler()
            self._make_room()
        except BaseException:
            self._tool("delete")
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._tool("delete")

    def _tool(self, verb: str) -> None:
        command = [sys.executable, "-m", "tools.cluster", verb, "--name", self._name]
        provider = ["--provider", "embedded"] if verb == "create" else []
        subprocess.run([*command, *provider], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    def _without_autoscaler(self) -> None:
        """There is no metrics API, so autoscalers would only fail, thousands of them every 3 seconds, on our cores."""
        configuration = self._paths.runtime / "kwok.yaml"
        text, changed = re.subn(
            r"(horizontal-pod-autoscaler-sync-period=|key: horizontal-pod-autoscaler-sync-period\n\s*value: )3s",
            r"\g<1>24h",
            configuration.read_text(),
        )
        if not changed:
            raise RuntimeError(
                f"{configuration} does not set the autoscaler's period any more: adapt tests/bench/cluster.py"
            )
        end_processes_below(self._paths.runtime)
        configuration.write_text(text)
        self._tool("create")

    def _make_room(self) -> None:
        nodes = [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": f"bench-node-{number}",
                    "labels": {
                        "kubernetes.io/hostname": f"bench-node-{number}",
                        "kubernetes.io/os": "linux",
                        "topology.kubernetes.io/zone": f"local-{'abc'[number % 3]}",
                    },
                    "annotations": {"alpha.kubernetes.io/provided-node-ip": f"10.251.0.{number + 10}"},
                },
            }
            for number in range(self._pods // _PODS_A_NODE)
        ]
        # The default range has 254 addresses.
        addresses = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "ServiceCIDR",
            "metadata": {"name": "bench"},
            "spec": {"cidrs": ["10.64.0.0/16"]},
        }
        self._run("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all([addresses, *nodes]))
        self._run("wait", "--for=condition=Ready", "servicecidr/bench", "--timeout=60s")

    # --- what is there ------------------------------------------------------------------------------------------------

    def fingerprints(self, namespace: str, expected: list[Object]) -> dict[Identity, str]:
        """A digest of what each of the expected objects declares; absent ones are left out."""
        kinds = sorted({_resource(obj) for obj in expected})
        wanted = {_identity(obj) for obj in expected}
        items: list[Object] = json.loads(self._run("get", ",".join(kinds), "-n", namespace, "-o", "json"))["items"]
        return {key: _digest(obj) for obj in items if (key := _identity(obj)) in wanted}

    def deployed_variant(self, namespace: str, deployment: str) -> str:
        """Which variant the changed service's Deployment holds."""
        obj = json.loads(self._run("get", "deployment", deployment, "-n", namespace, "-o", "json"))
        env = obj["spec"]["template"]["spec"]["containers"][0]["env"]
        return next((str(item["value"]) for item in env if item["name"] == "TUNING"), "")

    def settle(self, namespace: str) -> None:
        """Wait until controllers have nothing left to do in ``namespace``, so that they disturb no measurement.

        Raises TimeoutError where pods do not become ready.
        """
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            path = f"/apis/apps/v1/namespaces/{namespace}"
            workloads = [
                *json.loads(self._run("get", "--raw", f"{path}/deployments"))["items"],
                *json.loads(self._run("get", "--raw", f"{path}/statefulsets"))["items"],
            ]
            if all(_settled(obj) for obj in workloads):
                return
            time.sleep(_LOOK_SECONDS)
        raise TimeoutError(f"the pods of namespace {namespace} are not ready after {_SETTLE_SECONDS:.0f} s")

    def clear(self, namespace: str) -> None:
        """Remove a platform: its namespace, the cluster's objects that carry its name, and Helm's record of it."""
        self._run("delete", "namespace", namespace, "--ignore-not-found", "--wait=true")
        classes = [f"{namespace}-services", f"{namespace}-data"]
        self._run("delete", "priorityclass", *classes, "--ignore-not-found")
        self._run("delete", "secret", "-n", "default", "-l", f"owner=helm,name={namespace}", "--ignore-not-found")

    def _run(self, *arguments: str, text: str | None = None) -> str:
        command = [self._kubectl, "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments[:3])}: {done.stderr.strip()[-500:]}")
        return done.stdout

    @contextmanager
    def at_distance(self, milliseconds: float, folder: Path) -> Iterator[Path]:
        """A kubeconfig of this cluster with ``milliseconds`` of round trip added (0: as it is)."""
        if not milliseconds:
            yield self.kubeconfig
            return
        config = yaml.safe_load(self.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        port = cluster["server"].rpartition(":")[2]
        proxy = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.delay", port, str(milliseconds)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert proxy.stdout is not None
            cluster["server"] = f"https://127.0.0.1:{int(proxy.stdout.readline())}"
            file = folder / f"kubeconfig-{milliseconds:g}"
            file.touch(0o600)
            file.write_text(yaml.safe_dump(config))
            yield file
        finally:
            proxy.terminate()
            proxy.wait()


def environment(kubeconfig: Path, folder: Path) -> Mapping[str, str]:
    """What every tool gets: the cluster, and caches of its own that stay warm through the run."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "K8S_AUTH_", "HELM_", "KUBE"))
    }
    return kept | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "K8S_AUTH_KUBECONFIG": str(kubeconfig),
        "KUBECONFIG": str(kubeconfig),
        "KUBECACHEDIR": str(folder / "kubectl-cache"),
        "HELM_CACHE_HOME": str(folder / "helm-cache"),
        "HELM_CONFIG_HOME": str(folder / "helm-config"),
        "HELM_DATA_HOME": str(folder / "helm-data"),
    }


def _identity(obj: Object) -> Identity:
    metadata = obj["metadata"]
    name = str(metadata["name"])
    if obj["kind"] == "Job":
        # It carries a digest of what it reads, and where manifests are rendered its credentials are references.
        name = re.sub(r"-[0-9a-f]{8,}$", "", name)
    return obj["kind"], metadata.get("namespace", ""), name


def _resource(obj: Object) -> str:
    """``Kind.version.group``, as kubectl takes it without doubt."""
    group, _, version = obj["apiVersion"].rpartition("/")
    return f"{obj['kind']}.{version}.{group}" if group else str(obj["kind"])


def _digest(obj: Object) -> str:
    """Over what is declared, not what controllers report."""
    metadata = obj["metadata"]
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(("multi-agent.platform/", "meta.helm.sh/"))
    }
    kept = {key: value for key, value in obj.items() if key not in ("metadata", "status", "secrets")}
    text = json.dumps([kept, metadata.get("labels"), annotations], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _settled(workload: Object) -> bool:
    spec, status = workload["spec"], workload.get("status") or {}
    replicas = spec.get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == replicas == status.get("readyReplicas", 0) == status.get("replicas", 0)
    )
