"""Fields that other managers have in objects of ours, that are not declared and stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine import handover
from ..engine.applier import CONFIGURED, UNCHANGED, Outcome
from ..engine.cluster import Cluster
from ..engine.errors import ApiError
from ..engine.fieldsets import Path, at, outermost, without
from ..engine.manifests import describe
from .fields import readable

Object = Mapping[str, Any]
_MOST = 6


@dataclass(frozen=True)
class Leftover:
    """What one manager has in one object. Names only: a value may be a secret."""

    obj: Object
    manager: str
    fields: list[str]

    def line(self) -> str:
        """For people."""
        more = f" and {len(self.fields) - _MOST} more" if len(self.fields) > _MOST else ""
        verb = "is" if len(self.fields) == 1 else "are"
        has = ", ".join(self.fields[:_MOST])
        return f"{describe(self.obj)}: manager {self.manager} has {has}{more}, which {verb} not declared (kept)"

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kind": self.obj["kind"],
            "name": self.obj["metadata"]["name"],
            "manager": self.manager,
            "fields": self.fields,
        }


def find(cluster: Cluster, outcomes: Iterable[Outcome]) -> list[Leftover]:
    """What stays of others in the objects of ``outcomes``. One dry run for each object that has any."""
    return [
        Leftover(outcome.desired, manager, [readable(path) for path in fields])
        for outcome in outcomes
        if outcome.action in {CONFIGURED, UNCHANGED} and outcome.before and outcome.after
        for manager, fields in _left(cluster, outcome.before, outcome.after).items()
    ]


def _left(cluster: Cluster, before: Object, after: dict[str, Any]) -> dict[str, list[Path]]:
    found = {manager: outermost(fields) for manager, fields in handover.left(after).items()}
    every = [path for fields in found.values() for path in fields]
    kind = cluster.kinds.find(after["apiVersion"], after["kind"])
    if not every or kind is None:
        return {}
    target = without(after, every)
    try:
        bare: Object = handover.preview(cluster, kind, before, target)
    except ApiError:
        bare = target  # some of it cannot be removed: none of it is known to be a default
    # A manager that wrote the whole object owns the server's defaults too; they come back by themselves.
    kept = {manager: [p for p in fields if at(bare, p) != at(after, p)] for manager, fields in found.items()}
    return {manager: fields for manager, fields in kept.items() if fields}
