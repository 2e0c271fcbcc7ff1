"""Why an object is not ready, and whether it still can be: its pods, their events and their last log lines.

kstatus looks at the object alone; a crash loop or a missing image shows only below it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .cluster import Cluster
from .errors import EngineError
from .kinds import BUILT_IN
from .manifests import describe
from .transport import Disconnected, Untrusted

Object = dict[str, Any]

POD = BUILT_IN["v1", "Pod"]
EVENT = BUILT_IN["v1", "Event"]
REPLICA_SET = BUILT_IN["apps/v1", "ReplicaSet"]

LOG_LINES = 10
EVENTS = 5

# Seconds that a finding must last before it is final. Some states cure themselves: a registry that hiccups, a Secret
# that another controller is about to make, a node that an autoscaler is about to bring.
_PATIENCE: Mapping[str, float] = {
    "InvalidImageName": 0,
    "ErrImageNeverPull": 0,
    "ErrImagePull": 30,
    "ImagePullBackOff": 30,
    "CreateContainerConfigError": 20,
    "CreateContainerError": 20,
    "RunContainerError": 20,
    "CrashLoopBackOff": 10,
    "Unschedulable": 60,
    "FailedCreate": 20,
}
# A container that crashed this often and is still not up will not come up by itself; one that waits for a dependency
# is expected to wait, not to exit.
_CRASHES = 3


@dataclass
class Finding:
    """One thing that keeps an object from being ready."""

    where: str
    reason: str
    message: str
    pod: Object | None = None
    container: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}: {self.message}".rstrip(": ")


@dataclass
class Diagnosis:
    """Looks below objects that are not ready, again and again during a wait, and remembers since when it saw what."""

    cluster: Cluster
    clock: Any = time.monotonic
    # Object -> where and reason of a finding -> when it was first seen.
    _since: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)

    def fatal(self, obj: Object) -> list[Finding]:
        """What makes waiting for ``obj`` pointless, empty while it may still succeed. Never raises."""
        try:
            findings = self.findings(obj)
        except EngineError:
            return []
        now = self.clock()
        final = []
        self._forget(obj, findings)
        for finding in findings:
            patience = _PATIENCE.get(finding.reason)
            if patience is None:
                continue
            first = self._since.setdefault(describe(obj), {}).setdefault((finding.where, finding.reason), now)
            if now - first >= patience and not (finding.reason == "CrashLoopBackOff" and _restarts(finding) < _CRASHES):
                final.append(finding)
        return final

    def _forget(self, obj: Object, findings: Iterable[Finding]) -> None:
        """What has passed is borne anew, should it come back."""
        still = {(finding.where, finding.reason) for finding in findings}
        known = self._since.get(describe(obj), {})
        self._since[describe(obj)] = {key: since for key, since in known.items() if key in still}

    def findings(self, obj: Object) -> list[Finding]:
        """What is wrong with the pods of ``obj`` or with making them."""
        namespace = obj["metadata"].get("namespace")
        found = [*_conditions(obj)]
        for pod in self._pods(obj, namespace):
            found.extend(_pod_findings(pod))
        return found

    def report(self, obj: Object, message: str) -> list[str]:
        """Lines for people: the object, what is wrong below it, the last events and log lines."""
        lines = [f"{describe(obj)}: {message}"]
        namespace = obj["metadata"].get("namespace")
        try:
            pods = self._pods(obj, namespace)
            findings = [*_conditions(obj), *(f for pod in pods for f in _pod_findings(pod))]
            seen: set[str] = set()
            for finding in findings:
                if (text := f"  {finding}") not in seen:
                    seen.add(text)
                    lines.append(text)
            lines.extend(self._events(obj, pods, namespace))
            lines.extend(self._logs(findings, namespace))
        except EngineError as error:
            lines.append(f"  (its pods and events cannot be read: {error.message})")
        return lines

    def _pods(self, obj: Object, namespace: str | None) -> list[Object]:
        if obj["kind"] == "Pod":
            return [obj]
        selector = ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels")
        if not selector or obj["kind"] in {"PersistentVolumeClaim", "Service"}:
            return []
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
        pods = [pod for pod in self.cluster.list(POD, namespace, labels=labels)[0] if not _ready(pod)]
        return sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)

    def _events(self, obj: Object, pods: Iterable[Object], namespace: str | None) -> list[str]:
        names = {obj["metadata"]["name"], *(pod["metadata"]["name"] for pod in pods)}
        prefix = obj["metadata"]["name"] + "-"
        events = [
            event
            for event in self.cluster.list(EVENT, namespace, fields="type=Warning")[0]
            if event["involvedObject"].get("name") in names
            or (
                event["involvedObject"].get("kind") == "ReplicaSet"
                and event["involvedObject"]["name"].startswith(prefix)
            )
        ]
        events.sort(key=_when)
        latest = {(event.get("reason"), event.get("message")): event for event in events}
        return [
            f"  event {_when(event)} {event['involvedObject'].get('kind')} {event['involvedObject'].get('name')}: "
            f"{event.get('reason')}: {str(event.get('message')).strip()}"
            for event in list(latest.values())[-EVENTS:]
        ]

    def _logs(self, findings: Iterable[Finding], namespace: str | None) -> list[str]:
        for finding in findings:
            if finding.pod and finding.container and finding.reason in {"CrashLoopBackOff", "Error", "NotReady"}:
                text = self._log(finding, namespace)
                if text:
                    name = finding.pod["metadata"]["name"]
                    return [f"  last log of {name}/{finding.container}:", *(f"    {line}" for line in text)]
        return []

    def _log(self, finding: Finding, namespace: str | None) -> list[str]:
        assert finding.pod is not None  # noqa: S101
        path = POD.path(namespace, finding.pod["metadata"]["name"]) + "/log"
        for previous in ("true", "false") if finding.reason == "CrashLoopBackOff" else ("false",):
            query = {"container": finding.container, "tailLines": LOG_LINES, "previous": previous}
            try:
                response = self.cluster.transport.request("GET", path, query)
            except (Disconnected, Untrusted):
                return []
            if response.status == 200 and response.data.strip():
                return response.data.decode("utf-8", "replace").strip().splitlines()[-LOG_LINES:]
        return []


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def _restarts(finding: Finding) -> int:
    statuses = ((finding.pod or {}).get("status") or {}).get("containerStatuses") or []
    return max((s.get("restartCount", 0) for s in statuses if s.get("name") == finding.container), default=_CRASHES)


def _ready(pod: Object) -> bool:
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return True
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or [])


def _conditions(obj: Object) -> list[Finding]:
    """What a workload's own conditions say of pods that cannot be made (quota, admission)."""
    return [
        Finding(describe(obj), str(condition.get("reason", "")), str(condition.get("message", "")))
        for condition in (obj.get("status") or {}).get("conditions") or []
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True"
    ]


def _pod_findings(pod: Object) -> list[Finding]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    found = []
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            reason = str(condition.get("reason", "Unschedulable"))
            found.append(Finding(f"Pod {name}", reason, str(condition.get("message", "")), pod))
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        where = f"Pod {name}, container {container['name']}"
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason") not in {"PodInitializing", "ContainerCreating"}:
            message = str(waiting.get("message", "")) or _last(container)
            found.append(Finding(where, str(waiting.get("reason", "")), message, pod, container["name"]))
        elif terminated and terminated.get("exitCode"):
            message = f"exit code {terminated['exitCode']}"
            found.append(Finding(where, str(terminated.get("reason", "Error")), message, pod, container["name"]))
        elif state.get("running") and not container.get("ready"):
            found.append(
                Finding(where, "NotReady", "runs, but its readiness probe does not pass", pod, container["name"])
            )
    return found


def _last(container: Object) -> str:
    last = (container.get("lastState") or {}).get("terminated") or {}
    return f"last exit code {last['exitCode']}" if "exitCode" in last else ""
