"""What somebody changed behind our back: the cluster against the manifests of the last release.

Not against the inventory, which may be ahead of the cluster on purpose; that is what plan tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..engine.applier import CREATED, RECREATED, Applier, Outcome
from ..engine.applyset import ApplySet
from ..engine.cluster import Cluster
from ..engine.compare import INPUT_HASH
from ..engine.conflicts import CONTROLLERS
from ..engine.diff import MASK, clean
from ..engine.errors import ApiError, EngineError
from ..engine.manifests import describe, identity, secret_values
from . import declared, releases
from .cluster_view import SECRET, at_once
from .fields import Field, Writer, differences, latest, shown, writer_of, writers
from .screen import age

Object = dict[str, Any]

_LOGIN = re.compile(r"(?:postgres|nats)_user_(.+)")
# What `kubectl scale` and autoscalers write leaves no owner: who wrote last did something else.
_REPLICAS = "spec.replicas"


@dataclass(frozen=True)
class Change:
    """One field that is not as declared, and who wrote it, where the server knows."""

    field: Field
    writer: Writer | None

    def line(self) -> str:
        """For people: path, both values, who and when."""
        # What is written through a subresource has no time.
        when = f", {age(self.writer.time)} ago" if self.writer and self.writer.time else ""
        who = f" ({self.writer.manager}{when})" if self.writer else ""
        if not who and self.field.path == _REPLICAS:
            who = " (by the subresource scale, which records no manager)"
        return f"{self.field.path}: declared {shown(self.field.wanted)}, is {shown(self.field.found)}{who}"

    def data(self) -> dict[str, Any]:
        """As a result of a task."""
        return {
            "path": self.field.path,
            "declared": self.field.wanted,
            "found": self.field.found,
            "manager": self.writer.manager if self.writer else "",
            "time": self.writer.time if self.writer else "",
        }


@dataclass
class Drifted:
    """One object that is not as declared; ``deleted`` where it is gone."""

    tier: str
    obj: Object
    deleted: bool = False
    changes: list[Change] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        head = f"{self.tier}: {describe(self.obj)}"
        if self.deleted:
            return [f"{head} was deleted"]
        return [head, *(f"    {change.line()}" for change in self.changes)]

    def data(self) -> dict[str, Any]:
        """As a result of a task."""
        return {
            "tier": self.tier,
            "kind": self.obj["kind"],
            "name": self.obj["metadata"]["name"],
            "deleted": self.deleted,
            "changes": [change.data() for change in self.changes],
        }


def credentials(cluster: Cluster, namespace: str, secret: str) -> Callable[[str], str]:
    """Looks credentials up in the live Secret, read once; KeyError where it has none of that name."""
    values = secret_values(cluster.find(SECRET, namespace, secret))

    def look_up(name: str) -> str:
        # A login that was never rotated is not on record: it is named like its part.
        login = _LOGIN.fullmatch(name)
        return values.get(name) or login[1] if login else values[name]

    return look_up


def compare(
    cluster: Cluster, namespace: str, known: declared.Declared, credential: Callable[[str], str]
) -> list[Drifted]:
    """Everything that is not as the last release left it. Writes nothing (dry run).

    Objects that this user may not see are left out. Raises EngineError.
    """
    for error in known.unreadable.values():
        raise error

    def job(tier: str) -> Callable[[], list[Drifted]]:
        return lambda: _tier(cluster, ApplySet(tier, namespace), known, credential)

    found = at_once({tier: job(tier) for tier in known.objects})
    return [drifted for tier in known.objects for drifted in found[tier]]


def _tier(
    cluster: Cluster, applyset: ApplySet, known: declared.Declared, credential: Callable[[str], str]
) -> list[Drifted]:
    seen = known.live[applyset.tier]
    hidden = {identity(obj) for obj in known.unseen}
    objects = [obj for obj in known.objects[applyset.tier] if identity(obj) not in hidden]
    completed, _ = releases.with_credentials(objects, credential)
    applier = Applier(cluster, applyset, check=True, seen=seen)
    try:
        outcomes = applier.run(completed)
    except ApiError as error:
        if error.status == 403:
            raise EngineError(f"Drift cannot be told: {error.message}", "It takes a dry run of patch.") from error
        raise
    found = [(_drifted(cluster, applyset.tier, outcome), outcome) for outcome in outcomes if outcome.changed]
    # A Job that failed would be made anew, though nobody changed it.
    return [drifted for drifted, outcome in found if drifted.deleted or drifted.changes or outcome.action != RECREATED]


def _drifted(cluster: Cluster, tier: str, outcome: Outcome) -> Drifted:
    desired = outcome.desired
    if outcome.action == CREATED:
        return Drifted(tier, desired, deleted=True)
    kind = cluster.kinds.find(desired["apiVersion"], desired["kind"])
    metadata = desired["metadata"]
    live = cluster.find(kind, metadata.get("namespace"), metadata["name"]) if kind else None
    if live is None:
        return Drifted(tier, desired, deleted=True)
    known = writers(live)
    result = Drifted(tier, desired)
    for difference in differences(comparable(outcome.after or desired), comparable(live)):
        who = writer_of(difference.path, known)
        if who is None and difference.path != _REPLICAS:
            who = latest(known, CONTROLLERS)  # a removed field has no owner any more
        result.changes.append(Change(_masked(difference, desired["kind"]), who))
    return result


def comparable(obj: Object) -> Object:
    """What somebody declared of an object, without book-keeping: fit for comparing."""
    cleaned = clean(obj)
    annotations = (cleaned["metadata"].get("annotations") or {}).copy()
    annotations.pop(INPUT_HASH, None)
    return {**cleaned, "metadata": {**cleaned["metadata"], "annotations": annotations}}


def _masked(difference: Field, kind: str) -> Field:
    if kind != "Secret" or not difference.path.startswith(("data", "stringData")):
        return difference
    return Field(difference.path, _hidden(difference.wanted), _hidden(difference.found))


def _hidden(value: Any) -> Any:
    return None if value is None else MASK
