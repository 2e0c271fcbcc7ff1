"""Whether an object is ready, from its own status: the rules of kstatus.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
Pure functions of one object; what they cannot see (pods, events, logs) is in ``diagnosis``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .manifests import identity

Object = Mapping[str, Any]


class State(Enum):
    """What kstatus calls Current, InProgress, Failed, Terminating."""

    CURRENT = "current"
    IN_PROGRESS = "in progress"
    FAILED = "failed"
    TERMINATING = "terminating"


@dataclass(frozen=True)
class Readiness:
    """A state, and in one line what it is waiting for or why it failed."""

    state: State
    message: str = ""

    @property
    def ready(self) -> bool:
        return self.state is State.CURRENT


CURRENT = Readiness(State.CURRENT)


def _waiting(message: str) -> Readiness:
    return Readiness(State.IN_PROGRESS, message)


def _failed(message: str) -> Readiness:
    return Readiness(State.FAILED, message)


def readiness(obj: Object) -> Readiness:
    """The state of any object: a rule of its kind, else what its conditions say, else current as soon as it exists."""
    if obj["metadata"].get("deletionTimestamp"):
        return Readiness(State.TERMINATING, "is being deleted")
    if behind(obj):
        return _waiting("its controller has not seen the change yet")
    status = obj.get("status") or {}
    rule = _RULES.get(identity(obj)[:2])
    return rule(obj, status) if rule else _by_conditions(status)


def behind(obj: Object) -> bool:
    """Whether the status is of an earlier generation. Some controllers of custom resources record a text instead."""
    generation, observed = obj["metadata"].get("generation"), (obj.get("status") or {}).get("observedGeneration")
    return isinstance(generation, int) and isinstance(observed, int) and observed < generation


def overdue(obj: Object) -> Object:
    """The condition that says that a Deployment's progress deadline has passed; empty where it has not.

    It stays as it is until there is progress, so the one of an earlier rollout says nothing of this one's chances.
    """
    progressing = _condition(obj.get("status") or {}, "Progressing")
    return progressing if progressing.get("reason") == "ProgressDeadlineExceeded" else {}


def _condition(status: Object, kind: str) -> Object:
    return next((c for c in status.get("conditions") or [] if c.get("type") == kind), {})


def _by_conditions(status: Object) -> Readiness:
    """Custom resources: the standard conditions Stalled, Reconciling and Ready, where they are there."""
    stalled, reconciling, ready = (_condition(status, kind) for kind in ("Stalled", "Reconciling", "Ready"))
    if stalled.get("status") == "True":
        return _failed(_say(stalled, "is stalled"))
    if reconciling.get("status") == "True":
        return _waiting(_say(reconciling, "is reconciling"))
    if ready and ready.get("status") != "True":
        return _waiting(_say(ready, "is not Ready"))
    return CURRENT


def _say(condition: Object, otherwise: str) -> str:
    reason, message = condition.get("reason", ""), condition.get("message", "")
    return f"{reason}: {message}".strip(": ") or otherwise


def _seen(obj: Object, status: Object) -> Readiness | None:
    if "observedGeneration" not in status and obj["metadata"].get("generation") is not None:
        return _waiting("its controller has not seen it yet")
    return None


def _deployment(obj: Object, status: Object) -> Readiness:
    if unseen := _seen(obj, status):
        return unseen
    if late := overdue(obj):
        return _failed(_say(late, "its progress deadline has passed"))
    failure = _condition(status, "ReplicaFailure")
    if failure.get("status") == "True":
        # Quota, admission and the like: the controller tries again, so it may pass.
        return _waiting(_say(failure, "its pods cannot be created"))
    spec = obj.get("spec", {})
    wanted = spec.get("replicas", 1)
    total, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    # Nothing of a new version comes before somebody resumes it.
    paused = "its rollout is paused (kubectl rollout resume): " if spec.get("paused") else ""
    if updated < wanted:
        return _waiting(f"{paused}{updated} of {wanted} pods are of the new version")
    if total > updated:
        return _waiting(f"{paused}{total - updated} pods of the old version are still there")
    available = status.get("availableReplicas", 0)
    if available < wanted:
        return _waiting(f"{available} of {wanted} pods are available")
    return CURRENT


def _stateful_set(obj: Object, status: Object) -> Readiness:
    if unseen := _seen(obj, status):
        return unseen
    spec = obj.get("spec", {})
    wanted = spec.get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    if ready < wanted:
        return _waiting(f"{ready} of {wanted} pods are ready")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return CURRENT
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    updated = status.get("updatedReplicas", 0)
    if updated < wanted - partition:
        return _waiting(f"{updated} of {wanted - partition} pods are of the new version")
    if not partition and status.get("currentRevision") != status.get("updateRevision"):
        return _waiting("its new revision is not current yet")
    if status.get("replicas", 0) > wanted:
        return _waiting(f"{status['replicas'] - wanted} pods too many are still there")
    return CURRENT


def _daemon_set(obj: Object, status: Object) -> Readiness:
    if unseen := _seen(obj, status):
        return unseen
    wanted = status.get("desiredNumberScheduled", 0)
    on_delete = ((obj.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete"
    updated = wanted if on_delete else status.get("updatedNumberScheduled", 0)
    if updated < wanted:
        return _waiting(f"{updated} of {wanted} pods are of the new version")
    available = status.get("numberAvailable", 0)
    return CURRENT if available >= wanted else _waiting(f"{available} of {wanted} pods are available")


def _replica_set(obj: Object, status: Object) -> Readiness:
    if unseen := _seen(obj, status):
        return unseen
    wanted = (obj.get("spec") or {}).get("replicas", 1)
    available = status.get("availableReplicas", 0)
    return CURRENT if available >= wanted else _waiting(f"{available} of {wanted} pods are available")


def _job(obj: Object, status: Object) -> Readiness:
    """Complete, not merely started or suspended (kstatus takes both for current): what follows relies on its work."""
    failed = _condition(status, "Failed")
    if failed.get("status") == "True":
        return _failed(_say(failed, "has failed"))
    if _condition(status, "Complete").get("status") == "True":
        return CURRENT
    if (obj.get("spec") or {}).get("suspend"):
        return _waiting("is suspended")
    return _waiting(f"{status.get('active', 0)} pods run, {status.get('failed', 0)} have failed")


def _pod(_obj: Object, status: Object) -> Readiness:
    phase = status.get("phase")
    if phase == "Succeeded":
        return CURRENT
    if phase == "Failed":
        return _failed(_say(status, "has failed"))
    if _condition(status, "Ready").get("status") == "True":
        return CURRENT
    return _waiting(_say(_condition(status, "Ready"), f"is {phase or 'not started'}"))


def _claim(_obj: Object, status: Object) -> Readiness:
    phase = status.get("phase")
    if phase == "Lost":
        return _failed("its volume is lost")
    # A claim that waits for its first consumer becomes bound with the pod, which is waited for itself.
    return CURRENT if phase in {"Bound", "Pending"} else _waiting(f"is {phase or 'new'}")


def _service(obj: Object, status: Object) -> Readiness:
    if (obj.get("spec") or {}).get("type") == "LoadBalancer" and not (status.get("loadBalancer") or {}).get("ingress"):
        return _waiting("no load balancer has given it an address yet")
    return CURRENT


def _definition(_obj: Object, status: Object) -> Readiness:
    names = _condition(status, "NamesAccepted")
    if names.get("status") == "False":
        return _failed(_say(names, "its names are taken"))
    established = _condition(status, "Established")
    return CURRENT if established.get("status") == "True" else _waiting("is not established yet")


def _namespace(_obj: Object, status: Object) -> Readiness:
    return CURRENT if status.get("phase", "Active") == "Active" else Readiness(State.TERMINATING, "is being deleted")


def _always(_obj: Object, _status: Object) -> Readiness:
    return CURRENT


# By group and kind: other groups have a Job or a Service of their own.
_RULES: dict[tuple[str, str], Callable[[Object, Object], Readiness]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("", "Namespace"): _namespace,
    # Their conditions tell of load, not of the object: an autoscaler without metrics yet, a budget at its limit.
    ("autoscaling", "HorizontalPodAutoscaler"): _always,
    ("policy", "PodDisruptionBudget"): _always,
}

# Built-in kinds whose readiness takes time: only these need a watch.
AWAITED = frozenset(key for key, rule in _RULES.items() if rule not in {_always, _namespace})
