"""Fields of other managers that become ours: of the tools that this project replaces, and, if forced, of any other.

A field that a tool still owns stays in the object when it is no longer declared. So before an object is applied, the
tool's entries in ``managedFields`` are moved to our own, and the apply removes the fields that are not declared.
kubectl does the same when it moves from client-side to server-side apply:
https://kubernetes.io/docs/reference/using-api/server-side-apply/#migration-between-client-side-and-server-side-apply
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .cluster import FIELD_MANAGER, Cluster
from .compare import INPUT_HASH
from .conflicts import CONTROLLERS, REPLACED, SCALED
from .errors import ApiError
from .fieldsets import Path, ancestors, fields_v1, paths
from .kinds import Kind
from .ownership import ours

Object = Mapping[str, Any]

# Replaced on a conflict only. They write what a user wants beside the manifest: labels and annotations. The values of
# a rotation are declared by the next run; what scale, restart and restore write is undone by restart and restore.
_NOT_MOVED = frozenset(
    ("kubectl-label", "kubectl-annotate", *(f"{FIELD_MANAGER}-{of}" for of in ("rotation", "operator", "replicas")))
)
MOVED = REPLACED - _NOT_MOVED

_WRITER = "handover"
_RESTARTED = "f:kubectl.kubernetes.io/restartedAt"
# Kinds whose labels and annotations are an administrator's, or say what a claim is bound to.
_MARKED = frozenset({"Namespace", "PersistentVolumeClaim", "PersistentVolume"})
# Fields that cannot be removed from a live object.
_FIXED: Mapping[str, tuple[Path, ...]] = {
    **dict.fromkeys(("PersistentVolumeClaim", "PersistentVolume", "Job", "Pod"), (("f:spec",),)),
    "StatefulSet": tuple(
        ("f:spec", f"f:{name}") for name in ("serviceName", "podManagementPolicy", "volumeClaimTemplates")
    ),
}


@dataclass(frozen=True)
class Handover:
    """``entries``: the object's managedFields as they are to be. ``removed``: what the apply removes, as it is not
    declared; ``staying``: every field that still has an owner. ``forced``: whether another manager than a
    replaced tool loses a field.
    """

    entries: list[dict[str, Any]]
    removed: frozenset[Path]
    staying: frozenset[Path]
    forced: bool


def involved(obj: Object, force: bool) -> bool:
    """Whether another manager has an entry in ``obj`` that may have to be handed over."""
    return any(
        entry.get("manager") in MOVED or (force and is_foreign(entry))
        for entry in obj["metadata"].get("managedFields") or []
        if not entry.get("subresource")
    )


def due(live: Object, force: bool) -> bool:
    """Whether ``live``, which is as declared, has fields of replaced tools that are not; ``force``: or shared ones.

    Without a record of ours, only the server can tell: it was made again, with our annotations.
    """
    if not involved(live, force):
        return False
    found = hand_over(live, live, force)
    return bool(found.removed or found.forced) if found else not ours(live["metadata"].get("managedFields"))


def is_foreign(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of ``managedFields`` is of a manager that neither belongs to this project nor is replaced."""
    manager = str(entry.get("manager"))
    own = manager == FIELD_MANAGER or manager.startswith(f"{FIELD_MANAGER}-")
    return not (own or entry.get("subresource") or manager in REPLACED or manager in CONTROLLERS)


def hand_over(live: Object, after: Object, force: bool = False) -> Handover | None:
    """How the record of ``live`` has to change, given what our apply leaves (``after``, of a dry run).

    None if nothing is to be handed over, or if our own entries are not of the same apiVersion.
    """
    before, records = ours(live["metadata"].get("managedFields")), ours(after["metadata"].get("managedFields"))
    if not records or any(entry.get("apiVersion") != records[0].get("apiVersion") for entry in before):
        return None
    declared = _owned(records)
    shared = declared | _owned(before)
    inner = ancestors(declared)
    entries: list[dict[str, Any]] = []
    moved: set[Path] = set()
    staying = set(declared)
    changed = forced = False
    for entry in live["metadata"].get("managedFields") or []:
        whole = _owned([entry])
        taken: frozenset[Path] = frozenset()
        if entry.get("apiVersion") == records[0].get("apiVersion") and not entry.get("subresource"):
            if entry.get("manager") in MOVED:
                taken = frozenset(path for path in whole if path in shared or not _is_theirs(live["kind"], path))
                moved |= taken
            elif force and is_foreign(entry):
                taken = whole & declared
                forced = forced or bool(taken)
        changed = changed or bool(taken - inner)
        rest = whole - taken - (inner if taken else frozenset())
        if entry not in before:
            staying |= rest
        if rest:
            entries.append({**entry, "fieldsV1": fields_v1(rest)} if taken else entry)
    if not changed:
        return None
    removed = frozenset(moved - staying - ancestors(staying))
    if removed or not before:
        entries = _with_ours(entries, records[0], removed)
    return Handover(entries, removed, frozenset(staying), forced)


def left(obj: Object) -> dict[str, frozenset[Path]]:
    """Manager -> what it has in ``obj`` beside what we declare, of others than controllers and ourselves.

    Not: labels and annotations of the object, replicas, and what cannot be removed.
    """
    declared = _owned(ours(obj["metadata"].get("managedFields")))
    inner = ancestors(declared)
    found: dict[str, frozenset[Path]] = {}
    for entry in obj["metadata"].get("managedFields") or []:
        manager = str(entry.get("manager"))
        if is_foreign(entry) or (manager in MOVED and not entry.get("subresource")):
            fields = (path for path in _owned([entry]) - declared - inner if not _is_never_ours(obj["kind"], path))
            found[manager] = found.get(manager, frozenset()) | frozenset(fields)
    return {manager: fields for manager, fields in found.items() if fields}


def preview(
    cluster: Cluster, kind: Kind, live: Object, target: Object, entries: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """What the server makes of ``live`` as ``target`` (and with the record ``entries``), defaults filled in: a dry run.

    Raises ApiError.
    """
    body = _merge_patch(_declarable(live), _declarable(target))
    if entries is not None:
        body.setdefault("metadata", {})["managedFields"] = entries
    metadata = live["metadata"]
    return cluster.patch(kind, metadata.get("namespace"), metadata["name"], body, _WRITER, dry_run=True)


def record(cluster: Cluster, kind: Kind, live: Object, change: Handover) -> bool:
    """Write the record of ``change``; false if ``live`` was changed in between. Raises ApiError.

    The digest of our input goes with it, so that a run that is killed now is continued by the next one.
    """
    metadata = live["metadata"]
    body: dict[str, Any] = {"resourceVersion": metadata["resourceVersion"], "managedFields": change.entries}
    if INPUT_HASH in (metadata.get("annotations") or {}):
        body["annotations"] = {INPUT_HASH: None}
    try:
        cluster.patch(kind, metadata.get("namespace"), metadata["name"], {"metadata": body}, _WRITER)
    except ApiError as error:
        if error.status != 409:
            raise
        return False
    return True


def _declarable(obj: Object) -> dict[str, Any]:
    """The fields that a tool may have left: not the status, nor what identifies the object."""
    metadata = {key: value for key, value in obj["metadata"].items() if key in {"labels", "annotations"}}
    fields = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata", "status"}}
    return {**fields, "metadata": metadata}


def _merge_patch(before: Object, after: Object) -> dict[str, Any]:
    """What makes ``after`` of ``before`` (RFC 7396)."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if below := _merge_patch(old, value):
                patch[key] = below
        elif value != old:
            patch[key] = value
    return patch


def _with_ours(entries: list[dict[str, Any]], record: dict[str, Any], more: frozenset[Path]) -> list[dict[str, Any]]:
    """``entries`` with ``more`` in our own.

    If there is none, it is ``record``: of an object without any record, an apply makes one of before-first-apply.
    """
    mine = ours(entries)
    entry = mine[0] if mine else record
    merged = {**entry, "fieldsV1": fields_v1(_owned([entry]) | more)}
    return [*(other for other in entries if other not in mine), merged]


def _owned(entries: list[dict[str, Any]]) -> frozenset[Path]:
    return frozenset().union(*(paths(entry.get("fieldsV1")) for entry in entries))


def _is_theirs(kind: str, path: Path) -> bool:
    """Whether a field that is not declared stays with the tool that wrote it."""
    if path[0] == "f:metadata":
        # A user's marks of this project stay, such as the one that keeps an object.
        listed = path[1:2] in {("f:labels",), ("f:annotations",)} and kind not in _MARKED
        return len(path) > 1 and (not listed or path[-1].startswith("f:multi-agent.platform/"))
    if kind == "Secret" and path[0] == "f:data":
        return len(path) > 1  # a value that may be nowhere else
    return _is_never_ours(kind, path)


def _is_never_ours(kind: str, path: Path) -> bool:
    """Whether a field that is not declared is nothing that could be removed."""
    if path[0] == "f:metadata" or path[-1] == _RESTARTED or (kind in SCALED and path == ("f:spec", "f:replicas")):
        return True  # to remove the second would restart pods; an autoscaler sets the third
    return any(path[: len(fixed)] == fixed for fixed in _FIXED.get(kind, ()))
