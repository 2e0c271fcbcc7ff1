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
from .manifests import Identity, describe, identity
from .pod_revision import cured, observed, outdated
from .transport import Disconnected, Untrusted

Object = dict[str, Any]

POD = BUILT_IN["v1", "Pod"]
EVENT = BUILT_IN["v1", "Event"]
REPLICA_SET = BUILT_IN["apps/v1", "ReplicaSet"]

# https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#checking-rollout-history-of-a-deployment
_REVISION = "deployment.kubernetes.io/revision"
LOG_LINES = 10
EVENTS = 5

# Seconds that a finding must last before it is final. Some states cure themselves: a registry that hiccups, a Secret
# that another controller is about to make, a node that an autoscaler is about to bring.
# A probe that does not pass has a deadline of its own: see `patience`.
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
    "FailedMount": 30,
}
# States between which a failure goes to and fro: its time counts from the first of them.
_SAME: Mapping[str, str] = {"ErrImagePull": "ImagePullBackOff"}
# A pod that runs is borne this long at least until it is ready: others may have to come up first.
NOT_READY_SECONDS = 120.0
# Events are read once for all objects of a look.
_EVENTS_SECONDS = 1.0
# What a volume says that waits for a Secret or ConfigMap which does not exist; other failures to mount may pass.
_MISSING = ("not found", "non-existent")
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
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

    @property
    def key(self) -> tuple[str, str]:
        """Equal for findings that are one failure, looked at twice."""
        return self.where, _SAME.get(self.reason, self.reason)

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}: {self.message}".rstrip(": ")


@dataclass
class Diagnosis:
    """Looks below objects that are not ready, again and again during a wait, and remembers since when it saw what."""

    cluster: Cluster
    clock: Any = time.monotonic
    log_lines: int = LOG_LINES
    # Object -> key of a finding -> when it was first seen.
    _since: dict[Identity, dict[tuple[str, str], float]] = field(default_factory=dict)
    # Namespace -> its warnings, and when they were read.
    _warnings: dict[str | None, tuple[float, list[Object]]] = field(default_factory=dict)

    def fatal(self, objects: Iterable[Object], *, every: bool = False) -> list[tuple[Object, Finding]]:
        """What makes waiting for some of ``objects`` pointless, empty while all may still succeed. Never raises.

        ``every``: nothing else is awaited. Only then a pod that runs without becoming ready can be final: it may wait
        for another that is still to come up. So all have to run, none to be ready, past the deadlines of their probes.
        """
        final: list[tuple[Object, Finding]] = []
        stuck: list[tuple[Object, Finding]] = []
        stalled = every
        for obj in objects:
            try:
                findings = self.findings(obj)
            except EngineError:
                return []
            lasting = self._lasting(obj, findings)
            final += [(obj, finding) for finding in lasting if finding.reason != "NotReady"]
            stuck += [(obj, finding) for finding in lasting if finding.reason == "NotReady"]
            stalled = stalled and bool(findings) and len(lasting) == len(findings)
        return final or (stuck if stalled else [])

    def _lasting(self, obj: Object, findings: Iterable[Finding]) -> list[Finding]:
        """Those of ``findings`` that have lasted longer than is borne."""
        now = self.clock()
        lasting = []
        self._forget(obj, findings)
        for finding in findings:
            first = self._since[identity(obj)].setdefault(finding.key, now)
            least = patience(finding)
            if least is not None and now - first >= least:
                lasting.append(finding)
        return lasting

    def _forget(self, obj: Object, findings: Iterable[Finding]) -> None:
        """What has passed is borne anew, should it come back."""
        still = {finding.key for finding in findings}
        known = self._since.get(identity(obj), {})
        self._since[identity(obj)] = {key: since for key, since in known.items() if key in still}

    def findings(self, obj: Object) -> list[Finding]:
        """What is wrong with the pods of ``obj`` or with making them."""
        return self._below(obj)[0]

    def _below(self, obj: Object) -> tuple[list[Finding], list[Object]]:
        """The findings, and the pods of the version that is being rolled out which are not ready."""
        namespace = obj["metadata"].get("namespace")
        pods = self._pods(obj, namespace)
        waiting = [pod for pod in pods if not pod_ready(pod)]
        found = _conditions(obj)
        for pod in waiting:
            found.extend(self._of_pod(obj, pod))
        if obj["kind"] not in {"Deployment", "Pod"} and _lacks_pods(obj):
            found.extend(self._refused(obj, pods, namespace))
        return found, waiting

    def pod_findings(self, pod: Object) -> list[Finding]:
        """What keeps ``pod`` from being ready, empty if it is on its way. Raises EngineError."""
        return _pod_findings(pod) or self._mounts(pod, pod["metadata"].get("namespace"))

    def _of_pod(self, obj: Object, pod: Object) -> list[Finding]:
        """Of a pod of an earlier revision only what the new one has too: that is final for both."""
        findings = self.pod_findings(pod)
        if not outdated(obj, pod):
            return findings or [_on_its_way(pod)]
        template = obj["spec"]["template"]
        shared = [f for f in findings if f.reason != "NotReady" and not cured(f.reason, f.container, pod, template)]
        return shared or [_earlier(pod, findings)]

    def _refused(self, obj: Object, pods: Iterable[Object], namespace: str | None) -> list[Finding]:
        """Pods that quota or admission does not let a controller make. Only a Deployment has a condition for it."""
        events = [event for event in self._events_of(obj, namespace) if event.get("reason") == "FailedCreate"]
        made = max((pod["metadata"].get("creationTimestamp") or "" for pod in pods), default="")
        if not events or _when(events[-1])[:19] < made[:19]:
            return []  # by now it was let
        return [Finding(describe(obj), "FailedCreate", str(events[-1].get("message", "")).strip())]

    def _mounts(self, pod: Object, namespace: str | None) -> list[Finding]:
        """What keeps the volumes of a pod that is being made from being mounted: only events tell."""
        states = [c.get("state") or {} for c in (pod.get("status") or {}).get("containerStatuses") or []]
        if not any((state.get("waiting") or {}).get("reason") in _STARTING for state in states):
            return []
        events = [event for event in self._events_of(pod, namespace) if event.get("reason") == "FailedMount"]
        if not events:
            return []
        where = f"Pod {pod['metadata']['name']}"
        return [Finding(where, "FailedMount", str(events[-1].get("message", "")).strip(), pod)]

    def _events_of(self, obj: Object, namespace: str | None) -> list[Object]:
        """The warnings about ``obj``, oldest first."""
        uid, name = obj["metadata"].get("uid"), obj["metadata"]["name"]
        about = [event for event in self._warned(namespace) if event["involvedObject"].get("name") == name]
        return [e for e in about if e["involvedObject"].get("uid") in {None, uid} and _is_kind(e, obj)]

    def _warned(self, namespace: str | None) -> list[Object]:
        read, events = self._warnings.get(namespace, (float("-inf"), []))
        if self.clock() - read >= _EVENTS_SECONDS:
            events = sorted(self.cluster.list(EVENT, namespace, fields="type=Warning")[0], key=_when)
            self._warnings[namespace] = (self.clock(), events)
        return events

    def report(self, obj: Object, message: str) -> list[str]:
        """Lines for people: the object, what is wrong below it, the last events and log lines."""
        lines = [f"{describe(obj)}: {message}"]
        namespace = obj["metadata"].get("namespace")
        try:
            findings, pods = self._below(obj)
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
        pods = self._current(obj, self.cluster.list(POD, namespace, labels=labels)[0], namespace, labels)
        return sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)

    def _current(self, obj: Object, pods: list[Object], namespace: str | None, labels: str) -> list[Object]:
        """Pods that tell of the new version. Those of the last may be broken: to mend that is what a run is for.

        A StatefulSet does not always replace those by itself (see ``stuck_pods``), so they are named all the same.
        """
        if not observed(obj):
            return []  # the new version is not there yet
        if obj["kind"] == "DaemonSet":
            return [pod for pod in pods if not outdated(obj, pod)]
        revision = (obj["metadata"].get("annotations") or {}).get(_REVISION)
        if obj["kind"] != "Deployment" or revision is None or all(pod_ready(pod) for pod in pods):
            return pods
        sets = {
            owner["metadata"].get("uid")
            for owner in self.cluster.list(REPLICA_SET, namespace, labels=labels)[0]
            if (owner["metadata"].get("annotations") or {}).get(_REVISION) == revision
        }
        return [pod for pod in pods if any(o.get("uid") in sets for o in pod["metadata"].get("ownerReferences") or [])]

    def _events(self, obj: Object, pods: Iterable[Object], namespace: str | None) -> list[str]:
        # By kind too: an autoscaler has its workload's name, and complaints of its own.
        about = {(obj["kind"], obj["metadata"]["name"]), *(("Pod", pod["metadata"]["name"]) for pod in pods)}
        prefix = obj["metadata"]["name"] + "-"
        events = [
            event
            for event in self._warned(namespace)
            if (event["involvedObject"].get("kind"), event["involvedObject"].get("name")) in about
            or (
                event["involvedObject"].get("kind") == "ReplicaSet"
                and event["involvedObject"]["name"].startswith(prefix)
            )
        ]
        latest = {(event.get("reason"), event.get("message")): event for event in events}
        return [
            f"  event {_when(event)} {event['involvedObject'].get('kind')} {event['involvedObject'].get('name')}: "
            f"{event.get('reason')}: {str(event.get('message')).strip()}"
            for event in list(latest.values())[-EVENTS:]
        ]

    def _logs(self, findings: Iterable[Finding], namespace: str | None) -> list[str]:
        for finding in findings:
            # A container that has never run has none, and the server says so.
            if finding.pod and finding.container:
                text = self._log(finding, namespace)
                if text:
                    name = finding.pod["metadata"]["name"]
                    return [f"  last log of {name}/{finding.container}:", *(f"    {line}" for line in text)]
        return []

    def _log(self, finding: Finding, namespace: str | None) -> list[str]:
        assert finding.pod is not None  # noqa: S101
        path = POD.path(namespace, finding.pod["metadata"]["name"]) + "/log"
        for previous in ("true", "false") if _restarts(finding) else ("false",):
            query = {"container": finding.container, "tailLines": self.log_lines, "previous": previous}
            try:
                response = self.cluster.transport.request("GET", path, query)
            except (Disconnected, Untrusted):
                return []
            if response.status == 200 and response.data.strip():
                return response.data.decode("utf-8", "replace").strip().splitlines()[-self.log_lines :]
        return []


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def _restarts(finding: Finding) -> int:
    statuses = ((finding.pod or {}).get("status") or {}).get("containerStatuses") or []
    return max((s.get("restartCount", 0) for s in statuses if s.get("name") == finding.container), default=_CRASHES)


def patience(finding: Finding) -> float | None:
    """Seconds that ``finding`` must last before it is final; None where it never is."""
    if finding.reason == "CrashLoopBackOff" and _restarts(finding) < _CRASHES:
        return None
    if finding.reason == "FailedMount" and not any(words in finding.message for words in _MISSING):
        return None
    if finding.reason == "NotReady":
        return max(NOT_READY_SECONDS, _probing(finding))
    return _PATIENCE.get(finding.reason)


def _probing(finding: Finding) -> float:
    """Seconds that the probes of a container allow until it is ready: what its template itself says of a start."""
    specs = ((finding.pod or {}).get("spec") or {}).get("containers") or []
    own: Iterable[Object] = (spec for spec in specs if spec["name"] == finding.container)
    probes: list[Object] = [spec[name] for spec in own for name in ("startupProbe", "readinessProbe") if spec.get(name)]
    return float(
        sum(
            probe.get("initialDelaySeconds", 0) + probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
            for probe in probes
        )
    )


def _lacks_pods(obj: Object) -> bool:
    """Whether a controller has made fewer pods than it has to; a Job says only how many are at work."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if obj["kind"] == "DaemonSet":
        return bool(status.get("currentNumberScheduled", 0) < status.get("desiredNumberScheduled", 0))
    if obj["kind"] == "Job":
        return not (status.get("active") or status.get("succeeded"))
    return bool(status.get("replicas", 0) < spec.get("replicas", 0))


def _is_kind(event: Object, obj: Object) -> bool:
    return bool(event["involvedObject"].get("kind", obj["kind"]) == obj["kind"])


def pod_ready(pod: Object) -> bool:
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
    initial = {spec["name"] for spec in (pod.get("spec") or {}).get("initContainers") or []}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        where = f"Pod {name}, container {container['name']}"
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason") not in _STARTING:
            message = str(waiting.get("message", "")) or _last(container)
            found.append(Finding(where, str(waiting.get("reason", "")), message, pod, container["name"]))
        elif terminated and terminated.get("exitCode"):
            # A program that could not be started has no log: the runtime's words are all there is.
            words = str(terminated.get("message") or "").strip().splitlines()[:1]
            message = ": ".join([f"exit code {terminated['exitCode']}", *words])
            found.append(Finding(where, str(terminated.get("reason", "Error")), message, pod, container["name"]))
        elif "running" in state and not container.get("ready"):
            found.append(_unready(where, pod, container, container["name"] in initial))
    return found


def _on_its_way(pod: Object) -> Finding:
    leaving = pod["metadata"].get("deletionTimestamp")
    reason, message = ("Terminating", "is on its way out") if leaving else ("Starting", "is on its way up")
    return Finding(f"Pod {pod['metadata']['name']}", reason, message, pod)


def _earlier(pod: Object, findings: list[Finding]) -> Finding:
    """Never final: it says nothing of the version that is rolled out."""
    why = f" ({findings[0].reason})" if findings else ""
    return Finding(f"Pod {pod['metadata']['name']}", "EarlierRevision", f"is to be replaced{why}", pod)


def _unready(where: str, pod: Object, container: Object, initial: bool) -> Finding:
    if initial:
        return Finding(where, "Initializing", "still runs; the others start when it has ended", pod, container["name"])
    probe = "startup" if container.get("started") is False else "readiness"
    return Finding(where, "NotReady", f"runs, but its {probe} probe does not pass", pod, container["name"])


def _last(container: Object) -> str:
    last = (container.get("lastState") or {}).get("terminated") or {}
    return f"last exit code {last['exitCode']}" if "exitCode" in last else ""
