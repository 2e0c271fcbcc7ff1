"""Growing the volumes of a StatefulSet with its data in place.

The API lets nobody change ``volumeClaimTemplates``. So the claims are grown first, and waited for. Then the tier that
declares the StatefulSet replaces it around its running pods, deleted without them and created at once (``grow_volumes``
of apply). Until the claims have grown nothing is deleted, and a run that was killed is finished by the next one.
https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..engine.kinds import BUILT_IN
from ..platform.quantity import parse
from . import releases
from .fields import differences, shown
from .plan import Item

Object = dict[str, Any]

STATEFUL_SET = BUILT_IN["apps/v1", "StatefulSet"]
CLAIM = BUILT_IN["v1", "PersistentVolumeClaim"]
CLASS = BUILT_IN["storage.k8s.io/v1", "StorageClass"]
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Growth:
    """A StatefulSet whose volumes are smaller than wanted."""

    name: str
    size: str
    # Claims that ask for less; claims whose volume is smaller, whatever they ask for.
    claims: tuple[Object, ...]
    smaller: tuple[Object, ...]
    # Whether new replicas would get smaller volumes, so that the StatefulSet has to be replaced.
    template: bool

    def lines(self) -> list[str]:
        """What is done, a line each, for people."""
        lines = [f"{_requested(c)} -> {self.size}: claim {c['metadata']['name']}" for c in self.claims]
        return lines + ([f"StatefulSet {self.name} is then replaced around its running pods"] if self.template else [])


@dataclass(frozen=True)
class Now:
    """The stores as they are before anything grows."""

    # StatefulSet -> size of its volumes; without those that are not there and on no record.
    sizes: dict[str, str]
    # StatefulSets that are gone while their claims are there -> as the last release recorded them, or None.
    gone: dict[str, Object | None]

    def others(self, found: Iterable[tuple[str, Item]]) -> list[tuple[str, Item]]:
        """``found`` without the StatefulSets that are gone and only come back as they were."""
        return [entry for tier, item in found for entry in self._other(tier, item)]

    def _other(self, tier: str, item: Item) -> list[tuple[str, Item]]:
        name = item.obj["metadata"]["name"]
        if item.obj["kind"] != "StatefulSet" or item.action != "created" or name not in self.gone:
            return [(tier, item)]
        recorded = self.gone[name] or item.obj
        changed = [
            f"{field.path}: {shown(field.wanted)} -> {shown(field.found)}"
            for field in differences(recorded["spec"], item.obj["spec"], "spec")
        ]
        return [(tier, replace(item, details=changed))] if changed else []


def now(cluster: Cluster, namespace: str, names: Iterable[str]) -> Now:
    """What the StatefulSets ``names`` have. Raises EngineError."""
    found = Now({}, {})
    claims: list[Object] | None = None
    for name in names:
        owner = cluster.find(STATEFUL_SET, namespace, name)
        if owner is None:
            claims = cluster.list(CLAIM, namespace)[0] if claims is None else claims
            if not any(_belongs(claim, name) for claim in claims):
                continue
            owner = found.gone[name] = _recorded(cluster, namespace, name)
        if owner and (templates := _templates(owner)):
            found.sizes[name] = _requested(templates[0])
    return found


def _recorded(cluster: Cluster, namespace: str, name: str) -> Object | None:
    """The StatefulSet as the last release that is on record has it."""
    for release in releases.load(cluster, namespace)[-1:]:
        for tier in release.tiers:
            for obj in releases.manifests(cluster, namespace, release, tier):
                if (obj["kind"], obj["metadata"]["name"]) == ("StatefulSet", name):
                    return obj
    return None


def plan(cluster: Cluster, namespace: str, wanted: Mapping[str, str]) -> list[Growth]:
    """What has to grow to the sizes ``wanted`` (StatefulSet -> quantity).

    Raises EngineError, before anything is written, where a volume would shrink or its StorageClass forbids growth.
    """
    claims = cluster.list(CLAIM, namespace)[0]
    growths = []
    for name, size in sorted(wanted.items()):
        owner = cluster.find(STATEFUL_SET, namespace, name)
        mine = [claim for claim in claims if _belongs(claim, name)]
        for claim in mine:
            _refuse_shrinking(claim, size, name)
        small = tuple(claim for claim in mine if _less(_requested(claim), size))
        for claim in small:
            _refuse_fixed(cluster, claim)
        smaller = tuple(claim for claim in mine if _capacity(claim) and _less(_capacity(claim), size))
        stale = bool(owner) and any(_less(_requested(template), size) for template in _templates(owner or {}))
        if small or smaller or stale:
            growths.append(Growth(name, size, small, smaller, stale))
    return growths


def execute(cluster: Cluster, namespace: str, growth: Growth) -> None:
    """Let the claims ask for the new size."""
    for claim in growth.claims:
        body = {"spec": {"resources": {"requests": {"storage": growth.size}}}}
        cluster.patch(CLAIM, namespace, claim["metadata"]["name"], body, "operator")


def wait(cluster: Cluster, namespace: str, growths: list[Growth], seconds: float) -> list[str]:
    """Until every volume has its new size; names of claims that grow only when their pod restarts.

    Raises EngineError naming what is not grown in time.
    """
    deadline = time.monotonic() + seconds
    waiting = {claim["metadata"]["name"]: growth.size for growth in growths for claim in growth.smaller}
    restart = []
    while waiting:
        has = {}
        for name, size in list(waiting.items()):
            claim = cluster.find(CLAIM, namespace, name) or {}
            conditions = {c.get("type") for c in (claim.get("status") or {}).get("conditions") or []}
            has[name] = _capacity(claim) or "0"
            if not _less(has[name], size):
                del waiting[name]
            elif "FileSystemResizePending" in conditions:
                restart.append(name)
                del waiting[name]
        if waiting and time.monotonic() > deadline:
            late = ", ".join(f"{name} (has {has[name]} of {size})" for name, size in sorted(waiting.items()))
            raise EngineError(
                f"Not grown after {seconds:.0f} s: {late}. The claims ask for their new size; no StatefulSet was "
                "touched, and none is replaced until they have it.",
                f"See why (kubectl describe pvc -n {namespace} {' '.join(sorted(waiting))}), then run "
                "`make expand-storage` again.",
            )
        if waiting:
            cluster.interruption.sleep(_POLL_SECONDS)
    return sorted(restart)


def _belongs(claim: Object, name: str) -> bool:
    """Claims of a StatefulSet are named ``<template>-<set>-<ordinal>``, and carry the set's selector as labels."""
    stem, _, ordinal = claim["metadata"]["name"].rpartition("-")
    labels = claim["metadata"].get("labels") or {}
    return ordinal.isdigit() and stem.endswith(f"-{name}") and labels.get("app") == name


def _templates(owner: Object) -> list[Object]:
    return owner["spec"].get("volumeClaimTemplates") or []


def _requested(claim: Object) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _capacity(claim: Object) -> str:
    """What a claim has; empty while it has no volume."""
    return str(((claim.get("status") or {}).get("capacity") or {}).get("storage", ""))


def _less(one: str, other: str) -> bool:
    return parse(one).amount < parse(other).amount


def _refuse_shrinking(claim: Object, size: str, name: str) -> None:
    if _less(size, _requested(claim)):
        raise EngineError(
            f"Claim {claim['metadata']['name']} asks for {_requested(claim)}, the inventory for {size}: "
            "a volume cannot shrink.",
            f"Set platform_stores_overrides.{name}.storage.size to {_requested(claim)} or more.",
        )


def _refuse_fixed(cluster: Cluster, claim: Object) -> None:
    name = claim["spec"].get("storageClassName") or ""
    found = cluster.find(CLASS, None, name) if name else None
    if not (found or {}).get("allowVolumeExpansion"):
        raise EngineError(
            f"Claim {claim['metadata']['name']}: StorageClass {name or '(none)'} does not let volumes grow.",
            "Set allowVolumeExpansion: true on it where its provisioner can, else restore a backup to larger volumes.",
        )
