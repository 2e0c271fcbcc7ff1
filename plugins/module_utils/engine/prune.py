"""What left the inventory leaves the cluster: which members of a tier go, which stay, and the deletes themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from . import gates
from .cluster import Cluster
from .errors import EngineError
from .interruption import Interrupted
from .kinds import Kind
from .manifests import Identity, describe

Object = dict[str, Any]

# An object that says this of itself is treated as data.
KEEP = "multi-agent.platform/keep"
# A tier of fewer members than this may lose most of them: that is no accident of a wrong inventory.
FEW = 4
_GONE_POLL_SECONDS = 0.5
_HAS_VOLUMES = "has volumes"


def holds_data(obj: Mapping[str, Any]) -> str:
    """Why deleting ``obj`` may lose data, empty where it cannot."""
    kind = obj["kind"]
    if kind in {"PersistentVolumeClaim", "PersistentVolume"}:
        return "is a volume"
    if kind == "Namespace":
        return "takes everything in it along"
    if kind == "CustomResourceDefinition":
        return "takes all its objects along"
    if (obj["metadata"].get("annotations") or {}).get(KEEP) == "true":
        return f"is annotated {KEEP}"
    spec = obj.get("spec") or {}
    if kind == "StatefulSet" and spec.get("volumeClaimTemplates"):
        retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
        return "takes its claims along" if retention.get("whenDeleted") == "Delete" else _HAS_VOLUMES
    return ""


@dataclass(frozen=True)
class Policy:
    """What may go. ``data``: objects that hold data and may go all the same, as ``name`` spells them. ``keep``: objects
    that stay though nobody declares them.

    ``namespace``: the platform's own; empty: names are not told apart by theirs. ``most``: allow that more than half of
    a tier goes. ``sets``: allow that StatefulSets with volumes go whose claims stay (teardown).
    """

    data: frozenset[str] = frozenset()
    most: bool = False
    sets: bool = False
    namespace: str = ""
    keep: frozenset[str] = frozenset()

    def name(self, obj: Mapping[str, Any]) -> str:
        """``Kind/name``, and of an object in another namespace than the platform's ``Kind/namespace/name``."""
        own = {"", self.namespace or obj["metadata"].get("namespace", "")}
        namespace = obj["metadata"].get("namespace") or ""
        return "/".join([obj["kind"], *([] if namespace in own else [namespace]), obj["metadata"]["name"]])

    def keeps(self, obj: Mapping[str, Any]) -> str:
        """Why ``obj`` stays and what lets it go, empty if it may go."""
        name = self.name(obj)
        if name in self.keep:
            return f"is named in platform_prune_keep (take {name} out of it to let it go)"
        if name in self.data:
            return ""
        reason = holds_data(obj)
        if not reason or (self.sets and reason == _HAS_VOLUMES):
            return ""
        return f"{reason} (platform_prune_data: [{name}] lets it go)"


@dataclass
class Plan:
    """The members that go, in the order of their deletion, and those that stay though nobody declares them.

    ``kept``: with the reason and the way out. ``records``: gates that were passed; nobody has to hear of them.
    """

    going: list[Object] = field(default_factory=list)
    kept: list[tuple[Object, str]] = field(default_factory=list)
    records: list[Object] = field(default_factory=list)

    @property
    def staying(self) -> list[Object]:
        return [*(obj for obj, _ in self.kept), *self.records]


def plan(
    members: Mapping[Identity, Object], declared: set[Identity], elsewhere: Callable[[], set[Identity]], policy: Policy
) -> Plan:
    """What to prune of ``members``, given what this tier and (asked only when needed) other tiers declare.

    Raises EngineError where most of the tier would go and the policy does not allow it.
    """
    stale = {key: obj for key, obj in members.items() if key not in declared}
    if not stale:
        return Plan()
    moved = elsewhere()
    passed = gates.history(stale.values(), declared)
    result = Plan()
    for key, obj in stale.items():
        if key in moved or obj["metadata"].get("deletionTimestamp"):
            continue  # the other tier takes it over, or it is on its way already
        if gates.workload_of(obj) and obj["metadata"]["name"] in passed:
            result.records.append(obj)
            continue
        reason = policy.keeps(obj)
        if reason:
            result.kept.append((obj, reason))
        else:
            result.going.append(obj)
    if len(members) >= FEW and len(result.going) * 2 > len(members) and not policy.most:
        names = ", ".join(sorted(describe(obj) for obj in result.going))
        raise EngineError(
            f"{len(result.going)} of {len(members)} objects of this tier are no longer declared and would be deleted: "
            f"{names}.",
            "If that is meant, run again with platform_prune_most=true; else check the inventory.",
        )
    # Against the order of creation: what refers to others goes first.
    result.going.sort(key=lambda obj: -gates.wave(obj))
    return result


def execute(
    cluster: Cluster, going: list[Object], *, check: bool, wait_seconds: float, progress: Callable[[Object], None]
) -> list[Object]:
    """Delete what is planned, wave by wave; returns what was there to delete. Waits until it is gone."""
    deleted: list[Object] = []
    with ThreadPoolExecutor(8, thread_name_prefix="prune") as pool:
        for number in sorted({gates.wave(obj) for obj in going}, reverse=True):
            members = [obj for obj in going if gates.wave(obj) == number]
            for obj, there in zip(members, pool.map(lambda o: _delete(cluster, o, check), members), strict=True):
                if there:
                    deleted.append(obj)
                    progress(obj)
    if deleted and wait_seconds and not check:
        _until_gone(cluster, deleted, wait_seconds)
    return deleted


def _kind(cluster: Cluster, obj: Object) -> Kind:
    kind = cluster.kinds.find(obj["apiVersion"], obj["kind"])
    if kind is None:
        raise EngineError(f"{describe(obj)}: its kind is no longer served.", "Delete it by hand, if it is still there.")
    return kind


def _delete(cluster: Cluster, obj: Object, check: bool) -> bool:
    metadata = obj["metadata"]
    # The uid makes sure that what goes is what was seen, not a namesake made meanwhile.
    return cluster.delete(
        _kind(cluster, obj), metadata.get("namespace"), metadata["name"], uid=metadata.get("uid", ""), dry_run=check
    )


def _until_gone(cluster: Cluster, deleted: Iterable[Object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    left = list(deleted)
    while left:
        try:
            left = [obj for obj in left if _still_there(cluster, obj)]
            if not left:
                return
            if time.monotonic() > deadline:
                raise EngineError(
                    f"not gone after {seconds:.0f} s: {_holding(left)}.",
                    "Deletion goes on in the cluster; see what holds the objects, then run again.",
                )
            cluster.interruption.sleep(_GONE_POLL_SECONDS)
        except Interrupted as stop:
            raise Interrupted(stop.reason, f"Deleted, but not gone yet: {_holding(left)}.") from None


def _holding(left: Iterable[Object]) -> str:
    held = {describe(obj): obj["metadata"].get("finalizers") for obj in left}
    return "; ".join(f"{name} (finalizers: {', '.join(f) if f else 'none'})" for name, f in held.items())


def _still_there(cluster: Cluster, obj: Object) -> bool:
    metadata = obj["metadata"]
    live = cluster.find(_kind(cluster, obj), metadata.get("namespace"), metadata["name"])
    return live is not None and live["metadata"].get("uid") == metadata.get("uid", live["metadata"].get("uid"))
