"""What leaves a tier in one run: reviewed before anything is written, deleted when what stays is ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import gates, prune, replicas
from .applyset import ApplySet
from .cluster import Cluster
from .manifests import Identity, identity
from .snapshot import PARENT, Snapshot

Object = dict[str, Any]


@dataclass
class Leaving:
    """``declared``: what the tier's manifests have. ``elsewhere``: as in ``prune.plan``. ``wait_seconds``: for the end
    of what is deleted; 0: do not wait. ``on_pruned`` is called with each object that went.
    """

    cluster: Cluster
    applyset: ApplySet
    declared: set[Identity]
    elsewhere: Callable[[], set[Identity]]
    policy: prune.Policy
    check: bool
    prunes: bool
    wait_seconds: float
    on_pruned: Callable[[Object], None]
    plan: prune.Plan = field(default_factory=prune.Plan)
    gone: list[Object] = field(default_factory=list)
    _first: list[Object] = field(default_factory=list)
    _unread: set[Identity] = field(default_factory=set)

    def review(self, snapshot: Snapshot) -> bool:
        """Whether anything has to be deleted, of what ``snapshot`` shows. Raises EngineError where it must not be."""
        self._unread = snapshot.unread
        if self.prunes:
            self.plan = prune.plan(snapshot.members, self.declared, self.elsewhere, self.policy)
        if not self.check:
            stale = (obj for key, obj in snapshot.members.items() if key not in self.declared)
            self._first = [*gates.stuck(stale, self.declared), *replicas.superseded(self.plan.going, self.declared)]
            self.plan.going = [obj for obj in self.plan.going if obj not in self._first]
        return bool(self.plan.going or self._first)

    def leaves(self, obj: Object) -> bool:
        """Whether ``obj`` is pruned by this run."""
        return any(identity(other) == identity(obj) for other in self.plan.going)

    def clear(self) -> None:
        """Delete what would be in the way of what comes: gates of earlier runs, autoscalers of a fixed number."""
        self._delete(self._first, gates.START_SECONDS)

    def finish(self) -> None:
        """Delete the rest, or in check mode ask whether it can be; the parent names what is left."""
        self._delete(self.plan.going, self.wait_seconds)
        if not self.check:
            self._settle()

    def notes(self) -> Iterator[str]:
        """What the user should know of places that could not be looked at."""
        for namespace in sorted({key[2] for key in self._unread}):
            kinds = ", ".join(sorted(kind for _, kind, where, _ in self._unread if where == namespace))
            yield f"An earlier run reached into namespace {namespace}; this user may not look for {kinds} there."

    def _delete(self, objects: list[Object], wait_seconds: float) -> None:
        self.gone += prune.execute(
            self.cluster, objects, check=self.check, wait_seconds=wait_seconds, progress=self.on_pruned
        )

    def _settle(self) -> None:
        """The parent names just the kinds and namespaces that are left; without any it goes too."""
        members = {*self.declared, *self._unread, *(identity(obj) for obj in self.plan.staying)}
        if members:
            parent = self.applyset.parent(members)
            self.cluster.apply(PARENT, parent, force=True, what=f"ConfigMap {self.applyset.name}")
        else:
            self.cluster.delete(PARENT, self.applyset.namespace, self.applyset.name)
