"""What the cluster has of tiers before a run: one LIST a kind, for all tiers of the run together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .applyset import ID, PART_OF, ApplySet, GroupKind, additional_namespaces, group_kinds
from .cluster import Cluster
from .errors import ApiError, EngineError
from .kinds import BUILT_IN, Kind
from .manifests import Identity, identity
from .ownership import ours

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


def take(cluster: Cluster, namespace: str, desired: Mapping[ApplySet, Iterable[Object]]) -> dict[ApplySet, Snapshot]:
    """What is there of each set of ``namespace``: where it declares anything, and where its last run had anything.

    Raises EngineError where the namespace is on its way out.
    """
    places: dict[Kind, set[str]] = {}
    for obj in (obj for objects in desired.values() for obj in objects):
        kind = cluster.kinds.find(obj["apiVersion"], obj["kind"])
        if kind:
            places.setdefault(kind, {namespace}).add(str(obj["metadata"].get("namespace") or namespace))
    by_id = {applyset.id: applyset for applyset in desired}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="look") as pool:
        parents = pool.submit(_parents, cluster, namespace, by_id)
        exists = pool.submit(_exists, cluster, namespace)

        def ask(kind: Kind, namespaces: set[str]) -> None:
            for scope in sorted(namespaces) if kind.namespaced else [None]:
                if (kind, scope) not in found:
                    found[kind, scope] = pool.submit(_members, cluster, kind, scope, by_id)

        found: dict[tuple[Kind, str | None], Future[list[Object]]] = {}
        for kind, namespaces in places.items():
            ask(kind, namespaces)
        result = {
            applyset: Snapshot(parent=parents.result().get(applyset.id), namespace_exists=exists.result())
            for applyset in desired
        }
        # Where only the last run had anything, what is left is no longer declared.
        kinds = {(kind.group, kind.kind): kind for kind in places}
        for parent in (snapshot.parent for snapshot in result.values()):
            for group_kind in group_kinds(parent):
                if kind := kinds.get(group_kind) or cluster.kinds.served(*group_kind):
                    kinds[group_kind] = kind
                    ask(kind, {namespace, *additional_namespaces(parent)})
        for (kind, scope), listed in found.items():
            try:
                members = listed.result()
            except ApiError as error:
                if error.status != 403 or scope in {None, namespace} or scope in places.get(kind, ()):
                    raise
                _note_unread(result.values(), (kind.group, kind.kind), str(scope))
                continue
            for obj in members:
                result[by_id[obj["metadata"]["labels"][PART_OF]]].members[identity(obj)] = obj
    return result


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
    """The record of fields is much of an object's size; only our own entry is of use here."""
    obj["metadata"]["managedFields"] = ours(obj["metadata"].get("managedFields"))


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
