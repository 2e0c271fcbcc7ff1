"""Proves the new version of a workload that keeps data on a pod of its own, before any of its pods is replaced.

A StatefulSet stops a pod before it starts the next version, so a version that cannot start is an outage. Here it starts
next to the pods that serve: its image is pulled, its requests fit a node, its program runs with the new configuration.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import proof_pod
from .cluster import Cluster
from .diagnosis import Diagnosis, Finding
from .errors import ApiError, EngineError, WaitFailed
from .kinds import BUILT_IN
from .manifests import describe
from .proof_pod import LABEL, Place
from .readiness import State, readiness

Object = dict[str, Any]

JOB, POD = BUILT_IN["batch/v1", "Job"], BUILT_IN["v1", "Pod"]
CLAIM, VOLUME = BUILT_IN["v1", "PersistentVolumeClaim"], BUILT_IN["v1", "PersistentVolume"]
# Where a run does not wait, a proof has a time of its own.
SECONDS = 600.0
# A container without a readiness probe counts as up when it has run for so long.
SETTLED_SECONDS = 5.0
_POLL_SECONDS = 1.0
_GONE_SECONDS = 30.0
# What says nothing of the version: there is no room for one more pod.
_NO_ROOM = frozenset({"Unschedulable", "FailedCreate"})
_LATE = "not up after"
WITHOUT = "To replace the pods without a proof, rerun with -e platform_prove=false."
_NEVER_STARTED = frozenset({"StartError", "ContainerCannotRun"})


@dataclass(frozen=True)
class Change:
    """A workload as it is, and as the server would have it."""

    live: Object
    after: Object

    @property
    def name(self) -> str:
        return describe(self.after)


@dataclass
class Proof:
    """One workload on its way to being proven."""

    change: Change
    # Whether any of its pods serves: one more reason to refuse what cannot be proven.
    serves: bool
    # Where it may run, the best first.
    places: list[Place]
    # Volumes that could not be read, so that no other node was tried.
    unread: str = ""
    job: Object = field(default_factory=dict)
    began: float = 0.0
    # Since when every container without a readiness probe has run.
    running: float = 0.0


class Prover:
    """Proves workloads side by side. ``owner`` is what the proofs are made for: a tier, whose Lease is held."""

    def __init__(
        self,
        cluster: Cluster,
        owner: str,
        seconds: float,
        say: Callable[[str], None],
        progress: Callable[[int, int, dict[str, str]], None] = lambda _done, _total, _waiting: None,
    ) -> None:
        self._cluster = cluster
        self._owner = owner
        self._seconds = seconds or SECONDS
        self._say = say
        self._progress = progress
        self._diagnosis = Diagnosis(cluster)

    def prove(self, changes: Iterable[Change], declared: Iterable[Object] = ()) -> None:
        """Return when every new version has proven itself. ``declared``: what is about to be written with them.

        Raises WaitFailed with a report if one does not, EngineError if it cannot be tried. Leaves nothing behind.
        """
        every = [proof for change in changes if (proof := self._look(change))]
        if not every:
            return
        self._clear({proof.change.after["metadata"]["namespace"] for proof in every})
        objects = list(declared)
        try:
            started = [proof for proof in every if self._begin(proof, objects)]
            self._follow(started, objects)
            self._remove(every)
            self._await_room(every)
        finally:
            with self._cluster.interruption.shielded():
                self._remove(every)

    # --- before -------------------------------------------------------------------------------------------------------

    def _look(self, change: Change) -> Proof | None:
        """The proof of a change; None if no pod exists that would be replaced."""
        namespace, labels = change.live["metadata"]["namespace"], _selector(change.live["spec"]["selector"])
        pods = [pod for pod in self._cluster.list(POD, namespace, labels=labels)[0] if _there(pod)]
        if not pods:
            return None
        # A StatefulSet replaces its last pod first, and goes on only when that one is ready.
        first = max(pods, key=_ordinal)
        places, unread = [], ""
        if node := first["spec"].get("nodeName", ""):
            places.append(Place(node, first))
        try:
            places.append(Place(terms=self._terms(first)))
        except ApiError as error:
            if error.status != 403:
                raise
            unread = error.server_message
            places = places or [Place()]
        return Proof(change, any(readiness(pod).ready for pod in pods), places, unread)

    def _terms(self, pod: Object) -> tuple[Object, ...]:
        """Node selector terms of the volumes of ``pod``; of several volumes that are bound, those of the first."""
        namespace = pod["metadata"]["namespace"]
        claims = [volume.get("persistentVolumeClaim") for volume in pod["spec"].get("volumes") or []]
        for name in [claim["claimName"] for claim in claims if claim]:
            claim = self._cluster.find(CLAIM, namespace, name) or {}
            if not (volume := (claim.get("spec") or {}).get("volumeName")):
                continue
            found = self._cluster.find(VOLUME, None, volume) or {}
            affinity = (found.get("spec") or {}).get("nodeAffinity") or {}
            if terms := (affinity.get("required") or {}).get("nodeSelectorTerms"):
                return tuple(terms)
        return ()

    def _clear(self, namespaces: Iterable[str]) -> None:
        """Remove what a killed run left."""
        for namespace in namespaces:
            for job in self._cluster.list(JOB, namespace, labels=self._labels)[0]:
                self._delete(job)

    @property
    def _labels(self) -> str:
        return f"{LABEL}={self._owner}"

    # --- running ------------------------------------------------------------------------------------------------------

    def _begin(self, proof: Proof, declared: list[Object]) -> bool:
        """Whether the proof has begun. Raises EngineError if the server refuses it, unless no pod is ready."""
        self._say(f"proving {proof.change.name}: image {proof_pod.images(proof.change.after)} on a pod of its own")
        try:
            self._start(proof, declared)
        except ApiError as error:
            if proof.serves:
                raise EngineError(error.message, f"{error.remedy} {WITHOUT}".strip()) from error
            self._say_goes_on(proof, error.server_message)
            return False
        return True

    def _say_goes_on(self, proof: Proof, reason: str) -> None:
        self._say(f"{proof.change.name} is not proven ({reason}); none of its pods is ready, so the run goes on")

    def _start(self, proof: Proof, declared: list[Object]) -> None:
        """Make the Job in the next place, then what its pod mounts: that belongs to the Job, and goes with it."""
        after = proof.change.after
        name = f"{after['metadata']['name'][:40]}-proof-{secrets.token_hex(3)}"
        wanted = proof_pod.job(after, name, self._owner, proof.places.pop(0), self._seconds)
        here = [obj for obj in declared if obj["kind"] in {"ConfigMap", "Secret"}]
        copies = proof_pod.copies(wanted, here)
        proof_pod.without_account(wanted, self._new_accounts(wanted, declared))
        namespace, what = wanted["metadata"]["namespace"], f"the proof of {proof.change.name}"
        proof.job = self._cluster.create(JOB, wanted, what=what) or self._cluster.get(JOB.path(namespace, name))
        proof.began, proof.running = time.monotonic(), 0.0
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": proof.job["metadata"]["uid"]}
        for obj in copies:
            obj["metadata"]["ownerReferences"] = [owner]
            self._cluster.create(BUILT_IN["v1", obj["kind"]], obj, what=what)

    def _new_accounts(self, wanted: Object, declared: list[Object]) -> Mapping[str, Object]:
        """The account of a proof, if this run creates it and it does not exist yet."""
        name = wanted["spec"]["template"]["spec"].get("serviceAccountName", "")
        brought = {obj["metadata"]["name"]: obj for obj in declared if obj["kind"] == "ServiceAccount"}
        kind, namespace = BUILT_IN["v1", "ServiceAccount"], wanted["metadata"]["namespace"]
        if name in brought and not self._cluster.find(kind, namespace, name):
            return {name: brought[name]}
        return {}

    def _follow(self, every: list[Proof], declared: list[Object]) -> None:
        pending, failed = list(every), list[tuple[Proof, str]]()
        while pending:
            self._cluster.interruption.sleep(_POLL_SECONDS)
            pods, jobs = self._seen(pending)
            for proof in list(pending):
                job = jobs.get(proof.job["metadata"]["name"])
                outcome = self._outcome(proof, job, pods.get(proof.job["metadata"]["name"]))
                if outcome is None:
                    continue
                if outcome == "Unschedulable" and proof.places:
                    self._delete(proof.job)
                    self._start(proof, declared)
                    continue
                pending.remove(proof)
                if outcome == "":
                    took = time.monotonic() - proof.began
                    self._say(f"{proof.change.name} is proven: the new version starts on its own ({took:.0f} s)")
                elif outcome in _NO_ROOM and not proof.serves:
                    self._say_goes_on(proof, outcome)
                else:
                    failed.append((proof, outcome))
            waiting = {f"proof of {proof.change.name}": self._state(proof, pods) for proof in pending}
            self._progress(len(every) - len(pending), len(every), waiting)
        if failed:
            raise self._failure(failed)

    def _seen(self, pending: Iterable[Proof]) -> tuple[dict[str, Object], dict[str, Object]]:
        """Name of a Job -> its newest pod, and -> the Job as it is now."""
        pods: dict[str, Object] = {}
        jobs: dict[str, Object] = {}
        for namespace in {proof.job["metadata"]["namespace"] for proof in pending}:
            for pod in sorted(self._cluster.list(POD, namespace, labels=self._labels)[0], key=_created):
                pods[(pod["metadata"].get("labels") or {}).get("batch.kubernetes.io/job-name", "")] = pod
            for job in self._cluster.list(JOB, namespace, labels=self._labels)[0]:
                jobs[job["metadata"]["name"]] = job
        return pods, jobs

    def _outcome(self, proof: Proof, job: Object | None, pod: Object | None) -> str | None:
        """Empty if it is proven, the reason if it cannot be, None as long as neither is known."""
        if job is None:
            return "deleted by another user while it ran"
        proof.job = job
        if pod and self._proven(proof, pod):
            return ""
        if pod and (pod.get("status") or {}).get("phase") == "Succeeded":
            return "Completed"  # a server does not end by itself
        if pod and proof.places and _unschedulable(pod):
            return "Unschedulable"  # another node may have room
        if readiness(job).state is State.FAILED:
            return "Failed"
        for _, finding in self._diagnosis.fatal([job], every=True):
            return finding.reason
        if time.monotonic() - proof.began >= self._seconds:
            return f"{_LATE} {self._seconds:.0f} s"
        return None

    def _proven(self, proof: Proof, pod: Object) -> bool:
        statuses = _statuses(pod)
        # Injected containers are none of the version's.
        specs = proof.job["spec"]["template"]["spec"]["containers"]
        own = [statuses.get(spec["name"]) or {} for spec in specs]
        if proof_pod.mode(proof.change.after) == proof_pod.START and all(_has_started(status) for status in own):
            return True
        if not all(status.get("ready") for status in own):
            proof.running = 0.0
            return False
        proof.running = proof.running or time.monotonic()
        probed = all(spec.get("readinessProbe") for spec in specs)
        return probed or time.monotonic() - proof.running >= SETTLED_SECONDS

    def _state(self, proof: Proof, pods: Mapping[str, Object]) -> str:
        found = self._findings(proof)
        if found:
            return f"{found[0].reason}: {found[0].message}".strip(": ")
        return "starting" if proof.job["metadata"]["name"] in pods else "no pod yet"

    def _findings(self, proof: Proof) -> list[Finding]:
        try:
            return self._diagnosis.findings(proof.job)
        except EngineError:
            return []

    # --- after --------------------------------------------------------------------------------------------------------

    def _failure(self, failed: list[tuple[Proof, str]]) -> WaitFailed:
        names = ", ".join(proof.change.name for proof, _ in failed)
        report: list[str] = []
        for proof, outcome in failed:
            said = f"image {proof_pod.images(proof.change.after)}: {outcome}"
            lines = self._diagnosis.report(proof.job, said)
            report += [f"{proof.change.name}: {said}", *lines[1:]]
            if outcome == "Unschedulable" and proof.unread:
                report.append(
                    f"  only the node of its present pod was tried, as its volume cannot be read: {proof.unread}"
                )
        return WaitFailed(
            f"{names}: the new version does not start on a pod of its own, so no pod was replaced and nothing of this "
            "tier was written.",
            report,
            _remedy([outcome for _, outcome in failed], report),
        )

    def _remove(self, every: Iterable[Proof]) -> None:
        try:
            for proof in every:
                if proof.job:
                    self._delete(proof.job)
                proof.job = {}
        except EngineError as error:
            self._say(f"what a proof created could not be deleted ({error.message}); the cluster deletes it by itself")

    def _await_room(self, every: Iterable[Proof]) -> None:
        """Wait until the pods of the proofs no longer take the room that the pods to come need."""
        deadline = time.monotonic() + _GONE_SECONDS
        for namespace in {proof.change.after["metadata"]["namespace"] for proof in every}:
            while self._cluster.list(POD, namespace, labels=self._labels)[0] and time.monotonic() < deadline:
                self._cluster.interruption.sleep(_POLL_SECONDS / 2)

    def _delete(self, job: Object) -> None:
        metadata = job["metadata"]
        self._cluster.delete(JOB, metadata["namespace"], metadata["name"], uid=metadata["uid"])


def _remedy(outcomes: Iterable[str], report: Iterable[str]) -> str:
    if any("exceeded quota" in line for line in report):
        return (
            "Give the ResourceQuota room for one more pod of this size: run the tier namespace, which computes it, or "
            f"raise platform_quota_headroom. {WITHOUT}"
        )
    fix = "Fix the cause and rerun."
    # What does not start alone may start in its place: for want of room, or of others.
    perhaps = any(outcome in _NO_ROOM | {"NotReady"} or outcome.startswith(_LATE) for outcome in outcomes)
    return f"{fix} {WITHOUT}" if perhaps else fix


def _selector(selector: Object) -> str:
    """A label selector of a workload as a query has it."""
    forms = {
        "In": "{key} in ({values})",
        "NotIn": "{key} notin ({values})",
        "Exists": "{key}",
        "DoesNotExist": "!{key}",
    }
    labels = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for term in selector.get("matchExpressions") or []:
        labels.append(forms[term["operator"]].format(key=term["key"], values=",".join(term.get("values") or [])))
    return ",".join(labels)


def _there(pod: Object) -> bool:
    ended = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return not ended and not pod["metadata"].get("deletionTimestamp")


def _ordinal(pod: Object) -> tuple[int, str]:
    last = pod["metadata"]["name"].rpartition("-")[2]
    return (int(last) if last.isdigit() else -1), pod["metadata"]["name"]


def _created(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")


def _statuses(pod: Object) -> dict[str, Object]:
    return {status["name"]: status for status in (pod.get("status") or {}).get("containerStatuses") or []}


def _has_started(status: Object) -> bool:
    """Whether the container has run: what it does alone in the world is not asked."""
    state = status.get("state") or {}
    ended = state.get("terminated")
    return "running" in state or bool(ended and ended.get("reason") not in _NEVER_STARTED)


def _unschedulable(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "PodScheduled" and c.get("reason") == "Unschedulable" for c in conditions)
