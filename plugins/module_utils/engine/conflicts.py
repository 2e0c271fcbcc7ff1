"""Fields that another manager owns: whose they are, and whether we may take them.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .cluster import Cluster
from .errors import ApiError, EngineError
from .kinds import BUILT_IN
from .replicas import MANAGER as HANDED_OVER

# People's and tools' managers that this project takes over from: what they wrote is what the inventory says now.
# Controllers (an autoscaler, an operator) are not among them: their fields are theirs.
REPLACED = frozenset(
    [
        "kubectl",
        "kubectl-client-side-apply",
        "kubectl-create",
        "kubectl-edit",
        "kubectl-patch",
        "kubectl-replace",
        "kubectl-set",
        "kubectl-label",
        "kubectl-annotate",
        "kubectl-rollout",
        "kubectl-last-applied",
        "before-first-apply",
        "skaffold",
        "helm",
        "OpenAPI-Generator",
        "Swagger-Codegen",
        # This project's own commands: rotate; scale, restart, restore.
        "multi-agent-platform-rotation",
        "multi-agent-platform-operator",
    ]
)
_AUTOSCALER = BUILT_IN["autoscaling/v2", "HorizontalPodAutoscaler"]
_SCALED = frozenset({"Deployment", "StatefulSet", "ReplicaSet"})
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


def may_take(error: ApiError) -> bool:
    """Whether all the fields in conflict belong to managers that we replace."""
    owners = managers(error)
    return bool(owners) and all(owner in REPLACED or owner == HANDED_OVER for owner in owners)


def explain(error: ApiError, what: str, live: dict[str, Any] | None) -> FieldConflict:
    """The failure with who owns which field since when, and the two ways out."""
    entries = ((live or {}).get("metadata") or {}).get("managedFields") or []
    lines = []
    for owner, fields in managers(error).items():
        if owner in REPLACED or owner == HANDED_OVER:
            continue
        times = {field: _since(entries, owner, field) for field in fields}
        for when in sorted(set(times.values())):
            owns = ", ".join(field for field in fields if times[field] == when)
            lines.append(f"  {owner} owns{f' since {when}' if when else ''}: {owns}")
    return FieldConflict(
        "\n".join([f"{what}: another manager owns fields that the inventory declares.", *lines]),
        "Leave the field to it (take it out of the inventory), or take it over once with force_conflicts=true.",
    )


def declares_replicas(desired: dict[str, Any]) -> bool:
    """Whether ``desired`` says how many pods there are of what an autoscaler may scale."""
    return desired["kind"] in _SCALED and (desired.get("spec") or {}).get("replicas") is not None


def _since(entries: Iterable[Mapping[str, Any]], manager: str, field: str) -> str:
    """When ``manager`` last wrote with the entry that holds ``field``: it may have others, of the status say."""
    holding = (e for e in entries if e.get("manager") == manager and field in _paths(e.get("fieldsV1") or {}))
    return max((str(entry.get("time", "")) for entry in holding), default="")


def _paths(fields: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The paths of FieldsV1 as the server spells them in a conflict: ``.spec.ports[port=80].name``."""
    found = {prefix}
    for name, below in fields.items():
        if name != ".":
            found |= _paths(below, prefix + _element(name))
    return found


def _element(name: str) -> str:
    """https://pkg.go.dev/sigs.k8s.io/structured-merge-diff/v6/fieldpath#PathElement"""
    sort, _, value = name.partition(":")
    if sort == "f":
        return f".{value}"
    if sort == "k":
        keys = sorted(json.loads(value).items())
        return f"[{','.join(f'{key}={json.dumps(of, ensure_ascii=False)}' for key, of in keys)}]"
    return f"[={value}]" if sort == "v" else f"[{value}]"


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
