"""Probe pods: what they are made of, how they are run side by side, and that nothing of them stays.

Each is the pod of a Job. It has the label that policies select by (``app.kubernetes.io/instance``) and not the one that
Services, disruption budgets, workloads and, through these, autoscalers select by (``app``), so it is let through the
same doors as the part and takes none of its traffic. A Job whose maker is killed ends by its deadline and is removed by
its time to live.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import ApiError, EngineError
from ..engine.kinds import BUILT_IN
from ..engine.transport import Disconnected

Object = dict[str, Any]

JOB = BUILT_IN["batch/v1", "Job"]
POD = BUILT_IN["v1", "Pod"]
LABEL = "multi-agent.platform/verify"
INSTANCE = "app.kubernetes.io/instance"
SCRIPT = Path(__file__).with_name("probe.py").read_text()
# Seconds that a probe may take at most, and that it may lie around where nobody removes it.
DEADLINE = 150
TIME_TO_LIVE = 60
POLL = 0.7
# States of a container that will not pass within the time a probe has.
_HOPELESS = frozenset(
    {
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImagePullBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)


@dataclass(frozen=True)
class Image:
    """What probes run: any image with Python 3.10 or newer as ``python3``."""

    reference: str
    pull_policy: str
    pull_secrets: Sequence[str] = ()


@dataclass
class Probe:
    """One pod to be. ``instance`` is whose policies apply to it, empty for nobody's; ``order`` what it does."""

    source: str
    namespace: str
    instance: str
    order: dict[str, Any]
    secret: str = ""
    config_map: str = ""
    name: str = ""
    seen: dict[str, Any] | None = None
    trouble: str = ""
    address: str = ""

    @property
    def stays(self) -> bool:
        """Whether it goes on after it has reported."""
        return "listen" in self.order


@dataclass
class Probes:
    """The probes of one verification. Use as a context: leaving it removes them all."""

    cluster: Cluster
    image: Image
    token: str = field(default_factory=lambda: secrets.token_hex(3))
    _made: list[Probe] = field(default_factory=list)

    def __enter__(self) -> Probes:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self, probes: Sequence[Probe]) -> None:
        """Make the Jobs. One that is refused has its ``trouble`` said and is not waited for."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._start, probes))

    def _start(self, probe: Probe) -> None:
        slug = "".join(c for c in probe.source if c.isalnum() or c == "-").strip("-") or "probe"
        probe.name = f"verify-{self.token}-{slug}"
        self._made.append(probe)
        try:
            self.cluster.create(JOB, manifest(probe, self.image, self.token), what=f"Job {probe.name}")
        except EngineError as error:
            probe.trouble = error.message

    def addresses(self, probes: Sequence[Probe], seconds: float) -> None:
        """Wait until each of ``probes`` has an address and runs."""
        self._until(probes, seconds, lambda probe: bool(probe.address or probe.trouble))

    def results(self, seconds: float) -> None:
        """Wait until each probe has reported or cannot any more."""
        self._until(self._made, seconds, lambda probe: bool(probe.seen or probe.trouble))

    def _until(self, probes: Sequence[Probe], seconds: float, done: Callable[[Probe], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not all(done(probe) for probe in probes):
            for namespace in {probe.namespace for probe in probes}:
                self._look(namespace)
            if time.monotonic() > deadline:
                break
            time.sleep(POLL)
        for probe in probes:
            if not done(probe):
                probe.trouble = f"its pod did not report within {seconds:.0f} s"

    def _look(self, namespace: str) -> None:
        pods, _ = self.cluster.list(POD, namespace, labels=f"{LABEL}={self.token}")
        by_job = {pod["metadata"]["labels"].get("batch.kubernetes.io/job-name"): pod for pod in pods}
        for probe in self._made:
            pod = by_job.get(probe.name)
            if probe.namespace == namespace and pod and not probe.seen and not probe.trouble:
                self._read(probe, pod)

    def _read(self, probe: Probe, pod: Object) -> None:
        status = pod.get("status") or {}
        phase = status.get("phase")
        if phase == "Running":
            probe.address = status.get("podIP") or ""
        if phase in {"Succeeded", "Failed"} or (phase == "Running" and probe.stays):
            probe.seen = self._result(pod)
        if phase == "Failed" and not probe.seen:
            probe.trouble = f"its pod failed: {_cause(status)}"
        elif reason := _hopeless(status):
            probe.trouble = f"its pod cannot start: {reason}"

    def _result(self, pod: Object) -> dict[str, Any] | None:
        path = POD.path(pod["metadata"]["namespace"], pod["metadata"]["name"]) + "/log"
        try:
            response = self.cluster.transport.request("GET", path, {"tailLines": 1})
            seen = json.loads(response.data) if response.status == 200 else None
        except (Disconnected, ValueError):
            return None
        return seen if isinstance(seen, dict) and "doors" in seen else None

    def remove(self) -> None:
        """Delete every Job with its pod, and wait until the pods are gone."""
        made, self._made = self._made, []
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._remove, made))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and any(
            self.cluster.list(POD, namespace, labels=f"{LABEL}={self.token}")[0]
            for namespace in {probe.namespace for probe in made}
        ):
            time.sleep(POLL)

    def _remove(self, probe: Probe) -> None:
        try:
            self.cluster.delete(JOB, probe.namespace, probe.name)
        except ApiError as error:
            if error.status != 403:  # what could not be made need not be removed
                raise


def manifest(probe: Probe, image: Image, token: str) -> Object:
    """The Job of a probe: Pod Security "restricted", no token of the API, little of everything."""
    labels = {LABEL: token, "app.kubernetes.io/component": "probe"}
    if probe.instance:
        labels[INSTANCE] = probe.instance
    container: Object = {
        "name": "probe",
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        "command": ["python3", "-c", SCRIPT],
        "env": [{"name": "PROBE", "value": json.dumps(probe.order)}],
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi", "ephemeral-storage": "1Mi"},
            "limits": {"cpu": "500m", "memory": "128Mi", "ephemeral-storage": "16Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod: Object = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if image.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in image.pull_secrets]
    if probe.config_map:
        container["envFrom"] = [{"configMapRef": {"name": probe.config_map}}]
    if probe.secret:
        container["volumeMounts"] = [{"name": "credentials", "mountPath": "/run/secrets/platform", "readOnly": True}]
        pod["volumes"] = [{"name": "credentials", "secret": {"secretName": probe.secret, "defaultMode": 0o440}}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": probe.name, "namespace": probe.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE,
            "ttlSecondsAfterFinished": TIME_TO_LIVE,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _hopeless(status: Object) -> str:
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _HOPELESS:
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return ""


def _cause(status: Object) -> str:
    for container in status.get("containerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended:
            text = str(ended.get("message") or f"exit code {ended.get('exitCode')}").strip()
            return f"{ended.get('reason', 'Error')}: {text}"
    return str(status.get("message") or status.get("reason") or "no reason given")
