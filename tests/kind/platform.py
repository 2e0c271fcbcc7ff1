"""The platform on the session's kind cluster, as its users work with it: playbooks, kubectl, requests from inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / ".artifacts" / "kind"
NAMESPACE = "multi-agent"
MONITORING = "monitoring"  # netpol_monitoring_namespace_labels
# Where load goes.
GATEWAY, FRONTEND = f"http://gateway-service.{NAMESPACE}:3000", f"http://frontend.{NAMESPACE}:3001"
PARTS = (
    "agent-service",
    "execution-service",
    "frontend",
    "gateway-service",
    "model-service",
    "orchestration-service",
    "tool-service",
    "vector-service",
)
STORES = ("postgres", "qdrant", "nats")


@dataclass(frozen=True)
class Run:
    """A playbook that has ended."""

    code: int
    output: str
    seconds: float

    @property
    def recap(self) -> dict[str, int]:
        """changed, failed ... of the only host."""
        words = self.output.rsplit("PLAY RECAP", 1)[-1].split()
        return {key: int(value) for key, _, value in (word.partition("=") for word in words) if value.isdecimal()}


@dataclass(frozen=True)
class Platform:
    """One cluster, by its kubeconfig, and the checkout whose playbooks work on it."""

    name: str
    kubeconfig: Path
    checkout: Path = ROOT

    # --- playbooks ----------------------------------------------------------------------------------------------------

    def command(self, playbook: str, *options: str, **variables: Any) -> tuple[list[str], dict[str, str]]:
        """Arguments and environment of ansible-playbook on this cluster."""
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "--inventory=inventories/local",
            "--inventory=inventories/kind",
            playbook,
            *options,
        ]
        if variables:
            command.append(f"--extra-vars={json.dumps(variables)}")
        return command, os.environ | {"K8S_AUTH_KUBECONFIG": str(self.kubeconfig), "CLUSTER_NAME": self.name}

    def play(self, playbook: str, *options: str, fails: bool = False, **variables: Any) -> Run:
        """Run a playbook; fails the test where it does not end as expected."""
        command, environment = self.command(playbook, *options, **variables)
        begin = time.monotonic()
        done = subprocess.run(command, cwd=self.checkout, env=environment, capture_output=True, text=True, check=False)
        run = Run(done.returncode, done.stdout + done.stderr, time.monotonic() - begin)
        if (run.code != 0) != fails:
            pytest.fail(f"{playbook} {variables} ended with {run.code}:\n{run.output[-6000:]}")
        print(f"{playbook}: exit code {run.code} after {run.seconds:.0f} s")
        return run

    def site(self, *, fails: bool = False, **variables: Any) -> Run:
        return self.play("site.yml", fails=fails, **variables)

    def verify(self, name: str = "verify", *, fails: bool = False, **variables: Any) -> dict[str, str]:
        """Outcome of every check (passed, failed, skipped) by ``group: name``, read from the JUnit file ``name``.

        The default is for the platform as it should be: what is broken on purpose must not be taken for it.
        """
        report = ARTIFACTS / f"{name}.xml"
        self.play("playbooks/verify.yml", fails=fails, verify_junit=str(report), **variables)
        outcomes = {}
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
            outcome = next((e.tag for e in case if e.tag in {"failure", "skipped"}), "passed")
            group = case.attrib["classname"].partition(".")[2]
            outcomes[f"{group}: {case.attrib['name']}"] = {"failure": "failed"}.get(outcome, outcome)
        return outcomes

    # --- cluster ------------------------------------------------------------------------------------------------------

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True, namespace: str = NAMESPACE) -> str:
        """The standard output of kubectl. Fails the test with kubectl's own words."""
        done = subprocess.run(
            ["kubectl", f"--kubeconfig={self.kubeconfig}", f"--namespace={namespace}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def sql(self, statement: str, namespace: str = NAMESPACE, check: bool = True) -> str:
        """What the database answers its superuser."""
        command = ("psql", "-U", "postgres", "-d", "multi_agent", "-tAc", statement)
        return self.kubectl("exec", "postgres-0", "--", *command, check=check, namespace=namespace).strip()

    def get(self, *arguments: str, namespace: str = NAMESPACE) -> Any:
        """What `kubectl get` answers, as data."""
        return json.loads(self.kubectl("get", *arguments, "--output=json", namespace=namespace))

    def pods(self, app: str) -> list[dict[str, Any]]:
        """The pods of an object that are not being deleted."""
        items = self.get("pods", f"--selector=app={app}")["items"]
        return [pod for pod in items if not pod["metadata"].get("deletionTimestamp")]

    def images(self) -> dict[str, str]:
        """The image of every part and store, by the catalogue's name."""
        return {
            workload["metadata"]["name"].removesuffix("-service"): container["image"]
            for workload in self.get("deployments,statefulsets")["items"]
            for container in workload["spec"]["template"]["spec"]["containers"][:1]
        }

    def restarts(self) -> dict[str, int]:
        """How often containers of each pod were restarted."""
        return {
            pod["metadata"]["name"]: sum(s["restartCount"] for s in pod["status"].get("containerStatuses", ()))
            for pod in self.get("pods", "--selector=app")["items"]
        }

    def rolled_out(self, seconds: int = 300) -> None:
        """Return when every workload has all its pods ready."""
        for kind, names in (("deployment", PARTS), ("statefulset", STORES)):
            for name in names:
                self.kubectl("rollout", "status", f"{kind}/{name}", f"--timeout={seconds}s")

    def forget(self) -> None:
        """Remove the platform with all its data."""
        self.kubectl("delete", "namespace", NAMESPACE, "--timeout=300s")

    def dump(self, folder: Path) -> None:
        """Write what may explain a failure: objects, events, logs. No Secret."""
        folder.mkdir(parents=True, exist_ok=True)
        objects = (
            "pods,deployments,statefulsets,jobs,horizontalpodautoscalers,poddisruptionbudgets,persistentvolumeclaims"
        )
        for file, command in {
            "pods.txt": ("get", "pods", "--output=wide"),
            "events.txt": ("get", "events", "--sort-by=.lastTimestamp"),
            "objects.yaml": ("get", objects, "--output=yaml"),
            "logs.txt": (
                "logs",
                "--selector=app",
                "--all-containers",
                "--prefix",
                "--tail=300",
                "--max-log-requests=50",
            ),
        }.items():
            (folder / file).write_text(self.kubectl("--request-timeout=30s", *command, check=False))

    # --- requests from inside -----------------------------------------------------------------------------------------

    def gateway(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer of the gateway, asked by itself: no policy lets a test in."""
        code = (
            "import json,sys,urllib.request,urllib.error\n"
            "r=urllib.request.Request('http://127.0.0.1:3000'+sys.argv[2],method=sys.argv[1],"
            "data=sys.argv[3].encode() or None,headers={'content-type':'application/json'})\n"
            "try: a=urllib.request.urlopen(r,timeout=30)\n"
            "except urllib.error.HTTPError as e: a=e\n"
            "print(json.dumps([a.status,json.loads(a.read() or b'null')]))"
        )
        text = json.dumps(body) if body is not None else ""
        answer = self.kubectl("exec", "deployment/gateway-service", "--", "python", "-c", code, method, path, text)
        status, data = json.loads(answer)
        return status, data

    def round_trip(self, tries: int = 4) -> str:
        """Run one through the whole graph; its id. Tried again: on a busy machine one may run into its deadlines."""
        for number in range(1, tries + 1):
            status, answer = self.gateway("POST", "/run", {"prompt": "what stays"})
            if status == 200:
                return str(answer["run_id"])
            print(f"round trip {number}: {answer['errors']}")
        pytest.fail(f"no round trip of {tries} succeeded: {answer}")

    @contextmanager
    def load(
        self,
        name: str,
        path: str,
        rate: float,
        tries: int = 1,
        method: str = "GET",
        *,
        url: str = GATEWAY,
        namespace: str = NAMESPACE,
    ) -> Iterator[Callable[[], dict[str, Any]]]:
        """Requests to ``url`` at ``rate`` a second, from a pod in ``namespace`` that policies take for the frontend.

        Gives a function that ends the load and returns the client's report (see load.py).
        """
        order = {"url": f"{url}{path}", "rate": rate, "tries": tries, "method": method}
        pod = _load_pod(name, order, self.pods("frontend")[0]["spec"]["containers"][0]["image"])
        if namespace != NAMESPACE:
            there = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.kubectl("apply", "--filename=-", stdin=json.dumps(there))
        self.kubectl("delete", "pod", name, "--ignore-not-found", "--now", namespace=namespace)
        self.kubectl("apply", "--filename=-", stdin=json.dumps(pod), namespace=namespace)
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s", namespace=namespace)
        time.sleep(5)  # some requests from before whatever comes
        try:
            yield lambda: self._report(name, namespace)
        finally:
            self.kubectl("delete", "pod", name, "--now", "--ignore-not-found", namespace=namespace)

    def _report(self, name: str, namespace: str) -> dict[str, Any]:
        time.sleep(5)  # and some from after
        self.kubectl("exec", name, "--", "touch", "/tmp/stop", namespace=namespace)
        ended = "--for=jsonpath={.status.phase}=Succeeded"
        self.kubectl("wait", ended, f"pod/{name}", "--timeout=180s", namespace=namespace)
        report: dict[str, Any] = json.loads(self.kubectl("logs", name, namespace=namespace).splitlines()[-1])
        print(f"{name}: {json.dumps(report)}")
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        (ARTIFACTS / f"{name}.json").write_text(json.dumps(report, indent=2))
        return report


def _load_pod(name: str, order: dict[str, Any], image: str) -> dict[str, Any]:
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/instance": "frontend"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "load",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-c", Path(__file__).with_name("load.py").read_text()],
                    "env": [{"name": "LOAD", "value": json.dumps(order)}],
                    "securityContext": restricted,
                }
            ],
        },
    }
