"""What the last release declares, and what of it the cluster has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..engine import halted, snapshot
from ..engine.applyset import ApplySet
from ..engine.cluster import Cluster
from ..engine.errors import ApiError, EngineError
from ..engine.manifests import Identity, identity
from . import releases
from .cluster_view import at_once

Object = dict[str, Any]


@dataclass(frozen=True)
class Missing:
    """A declared object that the cluster does not have. ``deleting``: it is still there, and being deleted."""

    tier: str
    obj: Object
    deleting: bool = False

    def data(self) -> dict[str, Any]:
        """As a result of a task."""
        return {
            "tier": self.tier,
            "kind": self.obj["kind"],
            "name": self.obj["metadata"]["name"],
            "deleting": self.deleting,
        }


@dataclass
class Declared:
    """Tier by tier, the objects of ``release`` (Secrets hold references) and the live ones."""

    release: releases.Release | None = None
    objects: dict[str, list[Object]] = field(default_factory=dict)
    live: dict[str, snapshot.Snapshot] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    # Tier -> why its manifests cannot be read.
    unreadable: dict[str, EngineError] = field(default_factory=dict)
    # Objects that this user may not look at.
    unseen: list[Object] = field(default_factory=list)

    def minimums(self) -> dict[halted.Target, int]:
        """The least number of pods of each workload that an autoscaler scales."""
        return halted.minimums(self.every())

    def every(self) -> Iterator[Object]:
        """All declared objects."""
        for objects in self.objects.values():
            yield from objects

    def find(self, kind: str, name: str) -> Object | None:
        """The declared object of a kind and name."""
        return next((o for o in self.every() if (o["kind"], o["metadata"]["name"]) == (kind, name)), None)

    def pairs(self, kind: str) -> Iterator[tuple[Object, Object]]:
        """Declared and live object of each of a kind that the cluster has."""
        for tier, objects in self.objects.items():
            for obj in objects:
                live = self.live[tier].members.get(identity(obj))
                if obj["kind"] == kind and live is not None:
                    yield obj, live


def read(cluster: Cluster, namespace: str) -> Declared:
    """Compare the cluster with its last release; empty if none is recorded. Raises EngineError."""
    every = releases.load(cluster, namespace)
    return of(cluster, namespace, every[-1]) if every else Declared()


def of(cluster: Cluster, namespace: str, release: releases.Release) -> Declared:
    """Compare the cluster with ``release``. Raises EngineError."""
    result = Declared(release)

    def manifests(tier: str) -> Callable[[], list[Object] | EngineError]:
        return lambda: _manifests(cluster, namespace, release, tier)

    for tier, found in at_once({tier: manifests(tier) for tier in release.tiers}).items():
        if isinstance(found, EngineError):
            result.unreadable[tier] = found
        else:
            result.objects[tier] = found
    sets = {ApplySet(tier, namespace): objects for tier, objects in result.objects.items()}
    taken = snapshot.take(cluster, namespace, sets, lenient=True)
    result.live = {applyset.tier: seen for applyset, seen in taken.items()}
    _examine(cluster, result)
    return result


def _manifests(cluster: Cluster, namespace: str, release: releases.Release, tier: str) -> list[Object] | EngineError:
    try:
        return releases.manifests(cluster, namespace, release, tier)
    except ApiError as error:
        if error.status == 403:
            return error
        raise
    except EngineError as error:
        return error


def _examine(cluster: Cluster, result: Declared) -> None:
    """Look for the objects that bear no label of their tier by name, and sort out those that are not there."""
    members = {key: live for seen in result.live.values() for key, live in seen.members.items()}
    lost = [obj for obj in result.every() if identity(obj) not in members]
    by_name = _by_name(cluster, lost)
    for tier, objects in result.objects.items():
        for obj in objects:
            key = identity(obj)
            found = members.get(key) or by_name.get(key)
            if isinstance(found, ApiError):
                result.unseen.append(obj)
            elif found is None:
                if not _ends_by_itself(obj):
                    result.missing.append(Missing(tier, obj))
            else:
                result.live[tier].members.setdefault(key, found)
                if found["metadata"].get("deletionTimestamp"):
                    result.missing.append(Missing(tier, obj, deleting=True))


def _by_name(cluster: Cluster, objects: Iterable[Object]) -> dict[Identity, Object | ApiError | None]:
    """Identity -> the object, None if it does not exist, the error if this user may not see it."""

    def look(obj: Object) -> Callable[[], Object | ApiError | None]:
        def find() -> Object | ApiError | None:
            kind = cluster.kinds.find(obj["apiVersion"], obj["kind"])
            try:
                return cluster.find(kind, obj["metadata"].get("namespace"), obj["metadata"]["name"]) if kind else None
            except ApiError as error:
                if error.status == 403:
                    return error
                raise

        return find

    keys = {"/".join(identity(obj)): obj for obj in objects}
    found = at_once({key: look(obj) for key, obj in keys.items()})
    return {identity(keys[key]): live for key, live in found.items()}


def _ends_by_itself(obj: Object) -> bool:
    """Whether ``obj`` is a Job that the server deletes some time after it has ended."""
    return obj["kind"] == "Job" and "ttlSecondsAfterFinished" in (obj.get("spec") or {})
