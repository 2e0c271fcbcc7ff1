"""Fields that another manager owns: whose they are, and whether we may take them.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .cluster import Cluster
from .compare import INPUT_HASH
from .errors import ApiError, EngineError
from .fieldsets import Path, ancestors, paths, spelled
from .kinds import BUILT_IN
from .meaning import same

# People's and tools' managers that this project takes over from: what they wrote is what the inventory says now.
# Controllers (an autoscaler, an operator) are not among them: their fields are theirs.
REPLACED = frozenset(
    (
        *("kubectl", "kubectl-client-side-apply", "kubectl-create", "kubectl-edit", "kubectl-patch", "kubectl-replace"),
        *("kubectl-set", "kubectl-label", "kubectl-annotate", "kubectl-rollout", "kubectl-last-applied"),
        *("kubectl-expose", "kubectl-run", "kubectl-autoscale"),
        *("before-first-apply", "skaffold", "helm", "Helm", "ansible", "OpenAPI-Generator", "Swagger-Codegen"),
        # This project's own: rotate; scale, restart, restore; the number of pods that the engine gave up.
        *("multi-agent-platform-rotation", "multi-agent-platform-operator", "multi-agent-platform-replicas"),
    )
)
# Controllers that write to objects all the time.
CONTROLLERS = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet", "kwok-controller", "kwok"})
_AUTOSCALER = BUILT_IN["autoscaling/v2", "HorizontalPodAutoscaler"]
# The manager of the autoscalers' controller.
_AUTOSCALERS = "kube-controller-manager"
SCALED = frozenset({"Deployment", "StatefulSet", "ReplicaSet"})
_MANAGER = re.compile(r'conflict with "([^"]+)"')


class FieldConflict(EngineError):
    """Fields that we declare are owned by managers that we do not replace."""


def managers(error: ApiError) -> dict[str, list[str]]:
    """Manager -> the fields it owns, of a 409; empty where the error is no field conflict."""
    found: dict[str, list[str]] = {}
    for cause in error.causes:
        if cause.get("reason") == "FieldManagerConflict":
            match = _MANAGER.search(cause.get("message", ""))
            found.setdefault(match.group(1) if match else "?", []).append(cause.get("field", "?"))
    return found


def may_take(error: ApiError, alike: frozenset[str] = frozenset()) -> bool:
    """Whether all the fields in conflict belong to managers that we replace, or are ``alike`` (see ``equal``)."""
    owners = managers(error)
    return bool(owners) and all(
        _replaced(owner, fields) or alike.issuperset(fields) for owner, fields in owners.items()
    )


def _replaced(owner: str, fields: list[str]) -> bool:
    """Whether we take these fields from ``owner``.

    Replicas are an autoscaler's no more when we declare them and ``check_autoscaled`` has found none.
    """
    return owner in REPLACED or (owner == _AUTOSCALERS and fields == [".spec.replicas"])


def equal(error: ApiError, live: Mapping[str, Any], forced: Mapping[str, Any]) -> frozenset[str]:
    """The fields in conflict that mean the same in ``live`` and after our apply (``forced``, a dry run).

    The digest that we keep of our own input is always among them.
    """
    owners = managers(error)
    entries = live["metadata"].get("managedFields") or []
    found = {f".metadata.annotations.{INPUT_HASH}"}
    for path in frozenset(path for entry in entries if entry.get("manager") in owners for path in _paths(entry)):
        if path and same(live, forced, path):
            found.add(spelled(path))
    return frozenset(found & {field for fields in owners.values() for field in fields})


def explain(
    error: ApiError, what: str, live: dict[str, Any] | None, alike: frozenset[str] = frozenset()
) -> FieldConflict:
    """The failure with who owns which field since when, and the two ways out. ``alike``: fields that are no matter."""
    entries = ((live or {}).get("metadata") or {}).get("managedFields") or []
    lines = []
    for owner, fields in managers(error).items():
        if _replaced(owner, fields):
            continue
        times = {field: _since(entries, owner, field) for field in fields if field not in alike}
        for when in sorted(set(times.values())):
            owns = ", ".join(field for field in times if times[field] == when)
            lines.append(f"  {owner} owns{f' since {when}' if when else ''}: {owns}")
    return FieldConflict(
        "\n".join([f"{what}: another manager owns fields that the inventory declares.", *lines]),
        "Remove the fields from the inventory to leave them to it, or take them over permanently: run once with "
        "-e platform_force_conflicts=true (make deploy ARGS='-e platform_force_conflicts=true'; force_conflicts: true "
        "in a task of multi_agent.platform.apply).",
    )


def declares_replicas(desired: dict[str, Any]) -> bool:
    """Whether ``desired`` says how many pods there are of what an autoscaler may scale."""
    return desired["kind"] in SCALED and (desired.get("spec") or {}).get("replicas") is not None


def _since(entries: Iterable[Mapping[str, Any]], manager: str, field: str) -> str:
    """When ``manager`` last wrote with the entry that holds ``field``: it may have others, of the status say."""
    holding = (e for e in entries if e.get("manager") == manager and field in map(spelled, _paths(e)))
    return max((str(entry.get("time", "")) for entry in holding), default="")


def _paths(entry: Mapping[str, Any]) -> frozenset[Path]:
    """The fields of an entry of ``managedFields`` and those around them."""
    owned = paths(entry.get("fieldsV1"))
    return owned | ancestors(owned)


def check_autoscaled(
    cluster: Cluster,
    desired: dict[str, Any],
    live: dict[str, Any],
    what: str,
    leaves: Callable[[dict[str, Any]], bool] = lambda _autoscaler: False,
) -> None:
    """Raises FieldConflict where ``desired`` declares replicas that an autoscaler has set to another number.

    What is written through the subresource ``scale`` leaves no manager that a server-side apply would conflict with, so
    that both would change the number in turns. Asks the server only if the numbers differ. ``leaves``: whether this run
    prunes an autoscaler, which then owns nothing any more.
    """
    wanted, current = (desired.get("spec") or {}).get("replicas"), (live.get("spec") or {}).get("replicas")
    if not declares_replicas(desired) or wanted == current:
        return
    metadata = desired["metadata"]
    try:
        autoscalers = cluster.list(_AUTOSCALER, metadata.get("namespace"))[0]
    except ApiError:
        return  # it may not be looked at, and so nothing of this run depends on one
    for autoscaler in autoscalers:
        target = autoscaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (desired["kind"], metadata["name"]) and not leaves(autoscaler):
            name = autoscaler["metadata"]["name"]
            raise FieldConflict(
                f"{what}: spec.replicas belongs to HorizontalPodAutoscaler {name}, which has set it to {current}; "
                f"the inventory declares {wanted}.",
                "Leave replicas out of the manifest, or delete the autoscaler.",
            )
