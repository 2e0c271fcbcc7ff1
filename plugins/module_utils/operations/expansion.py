"""Growing the volumes of a StatefulSet with its data in place.

The API lets nobody change ``volumeClaimTemplates``. So: the claims are grown, the StatefulSet is deleted without its
pods (``orphan``), and the tier that declares it makes it anew with the larger template; it adopts the pods that run.
A run that is killed in between is finished by the next run of the site: the pods go on serving all the while.
https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..engine.kinds import BUILT_IN
from ..platform.quantity import parse

Object = dict[str, Any]

STATEFUL_SET = BUILT_IN["apps/v1", "StatefulSet"]
CLAIM = BUILT_IN["v1", "PersistentVolumeClaim"]
CLASS = BUILT_IN["storage.k8s.io/v1", "StorageClass"]
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Growth:
    """A StatefulSet whose volumes are smaller than wanted: claims to grow, and itself where its template has to."""

    name: str
    size: str
    claims: tuple[Object, ...]
    owner: Object | None

    def lines(self) -> list[str]:
        """What is done, a line each, for people."""
        lines = [f"{_requested(c)} -> {self.size}: claim {c['metadata']['name']}" for c in self.claims]
        return lines + ([f"StatefulSet {self.name} is made anew around its running pods"] if self.owner else [])


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
        stale = owner if owner and any(_less(_requested(t), size) for t in _templates(owner)) else None
        if small or stale:
            growths.append(Growth(name, size, small, stale))
    return growths


def execute(cluster: Cluster, namespace: str, growth: Growth) -> None:
    """Grow the claims, then let go of the StatefulSet; its pods and volumes stay."""
    for claim in growth.claims:
        body = {"spec": {"resources": {"requests": {"storage": growth.size}}}}
        cluster.patch(CLAIM, namespace, claim["metadata"]["name"], body, "operator")
    if growth.owner:
        uid = growth.owner["metadata"]["uid"]
        cluster.delete(STATEFUL_SET, namespace, growth.name, uid=uid, propagation="Orphan")
        while (live := cluster.find(STATEFUL_SET, namespace, growth.name)) and live["metadata"]["uid"] == uid:
            cluster.interruption.sleep(_POLL_SECONDS)


def wait(cluster: Cluster, namespace: str, growths: list[Growth], seconds: float) -> list[str]:
    """Until every volume has its new size; names of claims that grow only when their pod restarts.

    Raises EngineError naming what is not grown in time.
    """
    deadline = time.monotonic() + seconds
    waiting = {claim["metadata"]["name"]: growth.size for growth in growths for claim in growth.claims}
    restart = []
    while waiting:
        for name, size in list(waiting.items()):
            status = (cluster.find(CLAIM, namespace, name) or {}).get("status") or {}
            conditions = {c.get("type") for c in status.get("conditions") or []}
            if not _less((status.get("capacity") or {}).get("storage", "0"), size):
                del waiting[name]
            elif "FileSystemResizePending" in conditions:
                restart.append(name)
                del waiting[name]
        if waiting and time.monotonic() > deadline:
            raise EngineError(
                f"Not grown after {seconds:.0f} s: {', '.join(sorted(waiting))}.",
                "The request stands and nothing is lost; see the claim's events (kubectl describe pvc).",
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
