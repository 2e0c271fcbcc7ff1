"""What the cluster has of tiers before a run: one LIST a kind, for all tiers of the run together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .applyset import ID, PART_OF, ApplySet, GroupKind, additional_namespaces, group_kinds
from .cluster import Cluster
from .errors import ApiError, EngineError
from .kinds import BUILT_IN, Kind
from .manifests import Identity, identity

Object = dict[str, Any]

NAMESPACE = BUILT_IN["v1", "Namespace"]
PARENT = BUILT_IN["v1", "ConfigMap"]

# Questions asked at once. Each takes a connection of its own, and a TLS handshake costs both sides more than a LIST.
_AT_ONCE = 6


@dataclass
class Snapshot:
    """What the cluster has of one tier.

    ``unread``: where the last run had members and this user may not look; the name is empty.
    """

    members: dict[Identity, Object] = field(default_factory=dict)
    parent: Object | None = None
    namespace_exists: bool = True
    unread: set[Identity] = field(default_factory=set)


class Look:
    """A look at sets that begins before it is known what they are to hold, where their last runs had anything.

    So the server answers while manifests are rendered. Leaving the block drops what is still to be asked.
    ``lenient``: kinds that this user may not list are left out instead of failing the look.
    """

    def __init__(self, cluster: Cluster, namespace: str, sets: Iterable[ApplySet], *, lenient: bool = False) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._lenient = lenient
        self._by_id = {applyset.id: applyset for applyset in sets}
        self._found: dict[tuple[Kind, str | None], Future[list[Object]]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="look")
        self._parents = self._pool.submit(_parents, cluster, namespace, self._by_id)
        self._exists = self._pool.submit(_exists, cluster, namespace)
        self._began = self._pool.submit(self._ask_as_remembered, lambda key: cluster.kinds.served(*key))

    def __enter__(self) -> Look:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def end(self, desired: Mapping[ApplySet, Iterable[Object]]) -> dict[ApplySet, Snapshot]:
        """What is there of each set: where it declares anything, and where its last run had anything.

        Raises EngineError where the namespace is on its way out.
        """
        places: dict[Kind, set[str]] = {}
        for obj in (obj for objects in desired.values() for obj in objects):
            kind = self._cluster.kinds.find(obj["apiVersion"], obj["kind"])
            if kind:
                places.setdefault(kind, {self._namespace}).add(str(obj["metadata"].get("namespace") or self._namespace))
        for kind, namespaces in places.items():
            self._ask(kind, namespaces)
        parents, exists = self._parents.result(), self._exists.result()
        self._began.result()
        declared = {(kind.group, kind.kind): kind for kind in places}
        self._ask_as_remembered(declared.get)
        result = {key: Snapshot(parent=parents.get(key.id), namespace_exists=exists) for key in self._by_id.values()}
        for (kind, scope), listed in self._found.items():
            if declared.get((kind.group, kind.kind), kind) != kind:
                continue  # another version than the one that is declared
            try:
                members = listed.result()
            except ApiError as error:
                needed = scope in {None, self._namespace} or scope in places.get(kind, ())
                if error.status != 403 or (needed and not self._lenient):
                    raise
                _note_unread(result.values(), (kind.group, kind.kind), str(scope))
                continue
            for obj in members:
                result[self._by_id[obj["metadata"]["labels"][PART_OF]]].members[identity(obj)] = obj
        return result

    def _ask(self, kind: Kind, namespaces: Iterable[str]) -> None:
        for scope in sorted(namespaces) if kind.namespaced else [None]:
            with self._lock:
                if (kind, scope) not in self._found:
                    self._found[kind, scope] = self._pool.submit(_members, self._cluster, kind, scope, self._by_id)

    def _ask_as_remembered(self, kind_of: Callable[[GroupKind], Kind | None]) -> None:
        """Ask where the last run had anything: what is there and no longer declared is found here only."""
        for parent in self._parents.result().values():
            for group_kind in group_kinds(parent):
                if kind := kind_of(group_kind):
                    self._ask(kind, {self._namespace, *additional_namespaces(parent)})


def take(
    cluster: Cluster, namespace: str, desired: Mapping[ApplySet, Iterable[Object]], *, lenient: bool = False
) -> dict[ApplySet, Snapshot]:
    """What is there of each set of ``namespace``, where it is known what they are to hold. Raises as ``Look.end``."""
    with Look(cluster, namespace, desired, lenient=lenient) as look:
        return look.end(desired)


def _note_unread(snapshots: Iterable[Snapshot], group_kind: GroupKind, namespace: str) -> None:
    for snapshot in snapshots:
        if group_kind in group_kinds(snapshot.parent) and namespace in additional_namespaces(snapshot.parent):
            snapshot.unread.add((*group_kind, namespace, ""))


def _parents(cluster: Cluster, namespace: str, ids: Mapping[str, ApplySet]) -> dict[str, Object | None]:
    """Id -> parent. One that lost its label is still found by its name."""
    found: dict[str, Object | None] = {}
    for obj in cluster.list(PARENT, namespace, labels=_any_of(ID, ids))[0]:
        found[obj["metadata"]["labels"][ID]] = obj
    for key in ids.keys() - found:
        found[key] = cluster.find(PARENT, namespace, ids[key].name)
    return found


def _members(cluster: Cluster, kind: Kind, scope: str | None, ids: Iterable[str]) -> list[Object]:
    listed = cluster.list(kind, scope, labels=_any_of(PART_OF, ids), shorten=_shorten)[0]
    return [obj for obj in listed if not _controlled(obj)]


def _any_of(label: str, values: Iterable[str]) -> str:
    return f"{label} in ({','.join(values)})"


def _shorten(obj: Object) -> None:
    """The record of fields is much of an object's size; who wrote the status is of no use here."""
    entries = obj["metadata"].get("managedFields") or []
    obj["metadata"]["managedFields"] = [entry for entry in entries if not entry.get("subresource")]


def _controlled(obj: Object) -> bool:
    """Whether a controller made ``obj`` for another object, whose labels it copied (EndpointSlices of a Service).

    Such an object goes with its owner and is nobody else's to change or to prune.
    """
    return any(owner.get("controller") for owner in obj["metadata"].get("ownerReferences") or [])


def _exists(cluster: Cluster, name: str) -> bool:
    try:
        namespace = cluster.find(NAMESPACE, None, name)
    except ApiError as error:
        if error.status == 403:  # allowed to work in it, not to look at it
            return True
        raise
    if namespace and namespace["metadata"].get("deletionTimestamp"):
        raise EngineError(
            f"Namespace {name} is being deleted.", "Wait until it is gone (`kubectl get ns -w`), then run again."
        )
    return namespace is not None
