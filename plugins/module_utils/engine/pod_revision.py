"""Which pods of a workload are of an earlier revision than the one that is rolled out, and what that revision cures.

A StatefulSet controller does not replace a pod of an earlier revision that is not ready, so such a pod says nothing
about the new revision (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .readiness import behind

Object = dict[str, Any]

# Kinds whose controllers record the generation that they have seen; a Job's does not.
_OBSERVING = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})
_HASH = "controller-revision-hash"
# A DaemonSet has no revision in its status; these two are equal for pods of its current template.
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_POD_GENERATION = "pod-template-generation"

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
# What places a pod. Its tolerations are compared without those that admission adds.
_PLACEMENT = (
    "affinity",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "topologySpreadConstraints",
)
_ADMITTED = "node.kubernetes.io/"
# Pods that are on their way are not broken.
_NOT_BROKEN = frozenset({"Initializing", "Starting", "Terminating"})


def observed(owner: Object) -> bool:
    """Whether the controller of ``owner`` has seen its current spec, so that its status names the new revision."""
    if owner["kind"] not in _OBSERVING:
        return True
    unseen = "observedGeneration" not in (owner.get("status") or {}) and "generation" in owner["metadata"]
    return not unseen and not behind(owner)


def outdated(owner: Object, pod: Object) -> bool:
    """Whether ``pod`` is of an earlier revision of ``owner`` and its update strategy replaces it.

    False below a partition and under OnDelete, where an earlier revision is what is declared.
    """
    labels = pod["metadata"].get("labels") or {}
    if owner["kind"] == "DaemonSet":
        current = (owner["metadata"].get("annotations") or {}).get(_TEMPLATE_GENERATION)
        return None not in {current, labels.get(_POD_GENERATION)} and labels[_POD_GENERATION] != current
    wanted, revision = (owner.get("status") or {}).get("updateRevision"), labels.get(_HASH)
    return bool(wanted and revision) and revision != wanted and replaceable(owner, pod)


def replaceable(owner: Object, pod: Object) -> bool:
    """Whether the update strategy of the StatefulSet ``owner`` brings ``pod`` to a new revision."""
    spec = owner.get("spec") or {}
    strategy = spec.get("updateStrategy") or {}
    if owner["kind"] != "StatefulSet" or strategy.get("type") == "OnDelete":
        return False
    ordinal = pod["metadata"]["name"].rpartition("-")[2]
    if not ordinal.isdigit():
        return False
    index = int(ordinal) - ((spec.get("ordinals") or {}).get("start") or 0)
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    return bool(partition <= index < spec.get("replicas", 1))


def controlled(owner: Object, pod: Object) -> bool:
    """Whether ``owner`` is the controller of ``pod``, not a namesake."""
    references = pod["metadata"].get("ownerReferences") or []
    uid = owner["metadata"].get("uid")
    return any(ref.get("controller") and ref.get("uid") == uid for ref in references)


def cured(reason: str, container: str, pod: Object, template: Object) -> bool:
    """Whether a pod of ``template`` lacks the cause of what is wrong with ``pod``.

    An image that cannot be pulled: the container has another image, pull policy or pull secrets. No node: something
    that places the pod differs. Else (crash, configuration, volumes, probes): any other revision counts, as checksums
    of configuration and Secrets are annotations of the template.
    """
    if reason in _NOT_BROKEN:
        return False
    had, has = pod.get("spec") or {}, template.get("spec") or {}
    if reason in _PULL:
        before, after = _containers(had).get(container, {}), _containers(has).get(container, {})
        return _differ(before, after, ("image", "imagePullPolicy")) or _differ(
            had, has, ("imagePullSecrets", "serviceAccountName")
        )
    if reason in {"Unschedulable", "SchedulingGated"}:
        return (
            _differ(had, has, _PLACEMENT)
            or _tolerations(had) != _tolerations(has)
            or _resources(had) != _resources(has)
        )
    return True


def _containers(spec: Mapping[str, Any]) -> dict[str, Object]:
    return {c["name"]: c for c in (*(spec.get("initContainers") or []), *(spec.get("containers") or []))}


def _differ(had: Mapping[str, Any], has: Mapping[str, Any], fields: Iterable[str]) -> bool:
    return any((had.get(field) or None) != (has.get(field) or None) for field in fields)


def _tolerations(spec: Mapping[str, Any]) -> list[Object]:
    return [t for t in spec.get("tolerations") or [] if not str(t.get("key", "")).startswith(_ADMITTED)]


def _resources(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: container.get("resources") or {} for name, container in _containers(spec).items()}
