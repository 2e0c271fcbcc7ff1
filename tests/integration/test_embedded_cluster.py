"""The embedded cluster behaves as a real one where it matters, survives accidents, and leaves nothing behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.cluster.paths import ROOT, ClusterPaths
from tools.cluster.processes import processes_below

from .conftest import Cluster, tools_cluster

pytestmark = pytest.mark.cluster

_RESTRICTED = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _pod(tag: str = "1", **fields: Any) -> dict[str, Any]:
    return {
        "securityContext": _RESTRICTED,
        "containers": [{"name": "main", "image": f"example.test/app:{tag}", "securityContext": _CONTAINER}],
        **fields,
    }


def _object(kind: str, name: str, namespace: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **fields}


def _workload(kind: str, name: str, namespace: str, **fields: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": _pod()}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template, **fields}
    return _object(kind, name, namespace, "apps/v1", spec=spec)


def _claim() -> dict[str, Any]:
    size = {"requests": {"storage": "10Gi"}}
    return {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": size}}


def _eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.2)


def test_says_the_version_that_is_pinned(cluster: Cluster) -> None:
    versions = json.loads(cluster.kubectl("version", "--output=json"))
    assert f"k8s.io/kubernetes {versions['serverVersion']['gitVersion']} " in (ROOT / "tools/go.mod").read_text()
    assert versions["serverVersion"]["gitVersion"] == versions["clientVersion"]["gitVersion"]


def test_kubeconfig_is_private_and_complete_in_itself(kubeconfig: Path) -> None:
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    config = yaml.safe_load(kubeconfig.read_text())
    assert config["current-context"].startswith("embedded-test-")
    assert "certificate-authority-data" in config["clusters"][0]["cluster"]
    assert set(config["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}


def test_has_room_in_several_zones(cluster: Cluster) -> None:
    nodes = cluster.get("nodes")["items"]
    assert len({node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes}) == 3
    assert sum(int(node["status"]["allocatable"]["cpu"]) for node in nodes) >= 160
    assert sum(int(node["status"]["allocatable"]["pods"]) for node in nodes) >= 550


def test_runs_workloads_with_volumes(cluster: Cluster, namespace: str) -> None:
    job = _object("Job", "once", namespace, "batch/v1", spec={"template": {"spec": _pod(restartPolicy="Never")}})
    store = _workload(
        "StatefulSet", "store", namespace, serviceName="store", replicas=3, volumeClaimTemplates=[_claim()]
    )
    cluster.kubectl(
        "apply", "--filename=-", objects=[store, _workload("Deployment", "web", namespace, replicas=2), job]
    )
    for what in ("statefulset/store", "deployment/web"):
        cluster.kubectl("rollout", "status", what, f"--namespace={namespace}", "--timeout=60s")
    cluster.kubectl("wait", "job/once", "--for=condition=Complete", f"--namespace={namespace}", "--timeout=60s")
    claims = cluster.get("persistentvolumeclaims", f"--namespace={namespace}")["items"]
    bound = [(claim["status"]["phase"], claim["status"]["capacity"]["storage"]) for claim in claims]
    assert bound == [("Bound", "10Gi")] * 3


def test_gives_volumes_back(cluster: Cluster, namespace: str) -> None:
    store = _workload(
        "StatefulSet", "store", namespace, serviceName="store", replicas=1, volumeClaimTemplates=[_claim()]
    )
    cluster.kubectl("apply", "--filename=-", objects=[store])
    cluster.kubectl("rollout", "status", "statefulset/store", f"--namespace={namespace}", "--timeout=60s")
    volume = cluster.get("persistentvolumeclaim/data-store-0", f"--namespace={namespace}")["spec"]["volumeName"]
    cluster.kubectl("delete", "statefulset/store", "persistentvolumeclaim/data-store-0", f"--namespace={namespace}")
    _eventually(lambda: not cluster.kubectl("get", "persistentvolume", volume, "--ignore-not-found"))


@pytest.mark.parametrize(
    ("tag", "reason"),
    [("broken-image", "ImagePullBackOff"), ("broken-crash", "CrashLoopBackOff"), ("broken-ready", None)],
)
def test_shows_how_releases_fail(cluster: Cluster, namespace: str, tag: str, reason: str | None) -> None:
    cluster.kubectl("apply", "--filename=-", objects=[_object("Pod", "app", namespace, spec=_pod(tag))])
    _eventually(lambda: "containerStatuses" in cluster.get("pod/app", f"--namespace={namespace}")["status"])
    status = cluster.get("pod/app", f"--namespace={namespace}")["status"]
    assert status["containerStatuses"][0]["state"].get("waiting", {}).get("reason") == reason
    assert {"type": "Ready", "status": "False"}.items() <= next(
        c for c in status["conditions"] if c["type"] == "Ready"
    ).items()


def test_fails_jobs_that_crash(cluster: Cluster, namespace: str) -> None:
    template = {"spec": _pod("broken-crash", restartPolicy="Never")}
    job = _object("Job", "once", namespace, "batch/v1", spec={"backoffLimit": 0, "template": template})
    cluster.kubectl("apply", "--filename=-", objects=[job])
    cluster.kubectl("wait", "job/once", "--for=condition=Failed", f"--namespace={namespace}", "--timeout=60s")


def test_brings_a_deployment_to_the_minimum_of_its_autoscaler(cluster: Cluster, namespace: str) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    autoscaler = _object(
        "HorizontalPodAutoscaler",
        "web",
        namespace,
        "autoscaling/v2",
        spec={"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5},
    )
    cluster.kubectl("apply", "--filename=-", objects=[_workload("Deployment", "web", namespace), autoscaler])
    _eventually(lambda: cluster.get("deployment/web", f"--namespace={namespace}")["status"].get("readyReplicas") == 3)


def test_refuses_what_a_real_cluster_refuses(cluster: Cluster, namespace: str) -> None:
    """Admission and authorization are on: Pod Security, quotas, limits, priorities, RBAC."""
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    quota = _object("ResourceQuota", "few", namespace, spec={"hard": {"configmaps": "0"}})
    limits = {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "100m"}, "defaultRequest": {"cpu": "50m"}}
    cluster.kubectl(
        "apply", "--filename=-", objects=[quota, _object("LimitRange", "small", namespace, spec={"limits": [limits]})]
    )

    def refusal(item: dict[str, Any]) -> str:
        done = subprocess.run(
            [str(ClusterPaths(cluster.name).runtime / "bin/kubectl"), f"--kubeconfig={cluster.kubeconfig}",
             "create", "--filename=-"],
            input=json.dumps(item), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode != 0, f"{item['kind']} was accepted"
        return done.stderr

    assert "violates PodSecurity" in refusal(
        _object("Pod", "root", namespace, spec={"containers": [{"name": "a", "image": "a"}]})
    )
    large = _pod()
    large["containers"] = [large["containers"][0] | {"resources": {"limits": {"cpu": "2"}}}]
    assert "maximum cpu usage" in refusal(_object("Pod", "large", namespace, spec=large))
    assert "exceeded quota" in refusal(_object("ConfigMap", "many", namespace))
    assert "no PriorityClass" in refusal(_object("Pod", "urgent", namespace, spec=_pod(priorityClassName="none-such")))
    account = f"--as=system:serviceaccount:{namespace}:default"
    allowed = cluster.kubectl("auth", "can-i", "get", "secrets", account, check=False)
    assert allowed.strip() == "no"


def test_creating_again_changes_nothing(cluster: Cluster) -> None:
    before = processes_below(ClusterPaths(cluster.name).runtime)
    again = tools_cluster("create", "--name", cluster.name)
    assert "is running" in again.stderr
    assert processes_below(ClusterPaths(cluster.name).runtime) == before


def test_two_clusters_run_side_by_side_and_one_goes_without_a_trace(
    cluster: Cluster, make_cluster: Callable[[], Cluster], tmp_path: Path
) -> None:
    other = make_cluster()
    other.kubectl("create", "namespace", "only-here")
    assert not cluster.kubectl("get", "namespace", "only-here", "--ignore-not-found")
    paths = ClusterPaths(other.name)
    ports = [
        int(number)
        for number in yaml.safe_load((paths.home / "kwokctl.yaml").read_text())["options"].values()
        if isinstance(number, int)
    ]
    tools_cluster("delete", "--name", other.name)
    assert not processes_below(paths.home)
    assert not paths.home.exists()
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    assert cluster.get("nodes")["items"], "the other cluster goes on"


def test_keeps_its_data_when_its_processes_are_killed(make_cluster: Callable[[], Cluster]) -> None:
    """A reboot, or an impatient operator; the pid files then name processes of others."""
    cluster = make_cluster()
    cluster.kubectl("create", "configmap", "precious", "--from-literal=key=value")
    paths = ClusterPaths(cluster.name)
    for process in processes_below(paths.runtime):
        os.kill(process.pid, signal.SIGKILL)
    for file in (paths.runtime / "pids").iterdir():
        file.write_text(str(os.getpid()))
    assert "starting it with its data" in tools_cluster("create", "--name", cluster.name).stderr
    assert cluster.get("configmap/precious")["data"] == {"key": "value"}


@pytest.mark.parametrize("component", ["etcd", "kwok-controller"])
def test_heals_when_one_component_is_killed(make_cluster: Callable[[], Cluster], component: str) -> None:
    cluster = make_cluster()
    paths = ClusterPaths(cluster.name)
    victim = next(
        process
        for process in processes_below(paths.runtime)
        if process.command.startswith(f"{paths.runtime}/bin/{component} ")
    )
    os.kill(victim.pid, signal.SIGKILL)
    tools_cluster("create", "--name", cluster.name)
    cluster.kubectl("create", "deployment", "web", "--image=example.test/web:1")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")


@pytest.mark.parametrize("seconds", [0.4, 1.5, 3.0])
def test_a_killed_create_can_be_repeated(make_cluster: Callable[[], Cluster], seconds: float) -> None:
    cluster = make_cluster()  # reserves a name that is cleaned up whatever happens here
    tools_cluster("delete", "--name", cluster.name)
    command = [sys.executable, "-m", "tools.cluster", "create", "--name", cluster.name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as creating:
        time.sleep(seconds)
        creating.kill()
    tools_cluster("create", "--name", cluster.name)
    assert cluster.get("nodes")["items"]
    tools_cluster("delete", "--name", cluster.name)
    assert not processes_below(ClusterPaths(cluster.name).home)
