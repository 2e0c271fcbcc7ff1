"""Pods of StatefulSets that their controller leaves stuck on an earlier revision: deleted, so that it makes new ones.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
Their volumes are claims of their own, which stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from .cluster import Cluster
from .diagnosis import Diagnosis, Finding, patience, pod_ready
from .errors import ApiError, EngineError
from .kinds import BUILT_IN
from .manifests import Identity, identity
from .pod_revision import controlled, cured, observed, outdated, replaceable

Object = dict[str, Any]
# Called with a pod that was deleted, and why.
Replaced = Callable[[Object, str], None]

POD = BUILT_IN["v1", "Pod"]
STATEFUL_SET = BUILT_IN["apps/v1", "StatefulSet"]


class StuckPods:
    """Looks for stuck pods again and again during a wait, and deletes what the new revision cures."""

    def __init__(
        self, cluster: Cluster, diagnosis: Diagnosis, replaced: Replaced, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._diagnosis = diagnosis
        self._replaced = replaced
        self._clock = clock
        # Pod uid and finding -> when it was first seen.
        self._since: dict[tuple[str, tuple[str, str]], float] = {}

    def replace(self, objects: Iterable[Object]) -> dict[Identity, str]:
        """Delete stuck pods, one per StatefulSet and call; StatefulSets whose pods may not be deleted, with the reason.

        Never raises: whatever else fails is tried again by the next call.
        """
        refused = {}
        for obj in objects:
            if obj["kind"] != "StatefulSet" or not _rolling(obj):
                continue
            try:
                self._replace(obj)
            except ApiError as error:
                if error.status == 403:
                    refused[identity(obj)] = _not_allowed(error)
            except EngineError:
                continue
        return refused

    def _replace(self, obj: Object) -> None:
        namespace = obj["metadata"].get("namespace")
        pods = _pods(self._cluster, obj)
        for pod, finding in self._stuck(obj, pods):
            # The watch may be late: only what holds of the StatefulSet as it is now justifies a deletion.
            live = self._cluster.find(STATEFUL_SET, namespace, obj["metadata"]["name"])
            if not (live and observed(live) and controlled(live, pod) and outdated(live, pod)):
                return
            if not self._cured(live, pod, finding):
                return
            metadata = pod["metadata"]
            if self._cluster.delete(
                POD, namespace, metadata["name"], uid=metadata["uid"], version=metadata["resourceVersion"]
            ):
                self._replaced(pod, finding.reason)
            return

    def _stuck(self, obj: Object, pods: list[Object]) -> Iterable[tuple[Object, Finding]]:
        alone = all(pod_ready(pod) for pod in pods if not outdated(obj, pod))
        for pod in pods:
            if pod_ready(pod) or not outdated(obj, pod):
                continue
            for finding in self._diagnosis.pod_findings(pod):
                # Others may need a server that runs: it goes only if no other pod is on its way up.
                may_go = finding.reason != "NotReady" or alone
                if may_go and self._cured(obj, pod, finding) and self._lasts(pod, finding):
                    yield pod, finding
                    break

    def _cured(self, obj: Object, pod: Object, finding: Finding) -> bool:
        return cured(finding.reason, finding.container, pod, obj["spec"]["template"])

    def _lasts(self, pod: Object, finding: Finding) -> bool:
        """A pod that has never run has nothing to lose; one that ran may recover for as long as a wait bears it."""
        if _never_ran(pod):
            return True
        least = patience(finding)
        since = self._since.setdefault((pod["metadata"]["uid"], finding.key), self._clock())
        return least is not None and self._clock() - since >= least


def would_replace(cluster: Cluster, before: Object, after: Object) -> list[tuple[Object, str]]:
    """Pods that a run would delete: (pod, reason). ``after``: the StatefulSet ``before`` by a dry run, or the same.

    A pod that runs without becoming ready is left out: only time tells. Empty if pods may not be read.
    """
    if not _lacks_ready(before):
        return []
    try:
        return _would_replace(cluster, before, after)
    except ApiError as error:
        if error.status == 403:
            return []
        raise


def _would_replace(cluster: Cluster, before: Object, after: Object) -> list[tuple[Object, str]]:
    changes = before["spec"]["template"] != after["spec"]["template"]
    diagnosis = Diagnosis(cluster)
    found = []
    for pod in _pods(cluster, before):
        rolls = replaceable(after, pod) if changes else observed(before) and outdated(before, pod)
        if not rolls or pod_ready(pod):
            continue
        for finding in diagnosis.pod_findings(pod):
            broken = _never_ran(pod) or (finding.reason != "NotReady" and patience(finding) is not None)
            if broken and cured(finding.reason, finding.container, pod, after["spec"]["template"]):
                found.append((pod, finding.reason))
                break
    return found


def _pods(cluster: Cluster, owner: Object) -> list[Object]:
    """The pods of a StatefulSet that are not being deleted, lowest ordinal first: the others wait for it."""
    selector = owner["spec"]["selector"].get("matchLabels") or {}
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    pods = cluster.list(POD, owner["metadata"].get("namespace"), labels=labels)[0]
    mine = [pod for pod in pods if controlled(owner, pod) and not pod["metadata"].get("deletionTimestamp")]
    return sorted(mine, key=lambda pod: (len(pod["metadata"]["name"]), pod["metadata"]["name"]))


def _never_ran(pod: Object) -> bool:
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return not any(
        c.get("restartCount") or c.get("lastState") or {"running", "terminated"} & set(c.get("state") or {})
        for c in containers
    )


def _rolling(obj: Object) -> bool:
    """Whether the status says that pods are of an earlier revision."""
    status = obj.get("status") or {}
    return observed(obj) and status.get("updatedReplicas", 0) < obj["spec"].get("replicas", 1)


def _lacks_ready(obj: Object) -> bool:
    return bool((obj.get("status") or {}).get("readyReplicas", 0) < obj["spec"].get("replicas", 1))


def _not_allowed(error: ApiError) -> str:
    return (
        f"a pod of its earlier revision cannot start and keeps the new one from being rolled out, but this user may "
        f"not replace it: {error.server_message} (docs/guide/deployer-role.yaml has the permission)"
    )
