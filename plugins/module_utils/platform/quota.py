"""The ResourceQuota that the platform fits in with every HPA at its maximum while everything rolls out at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import quantity
from .resources import NATIVE, Resources
from .services import Entry

SURGE = 1  # rollingUpdate.maxSurge of every Deployment
MIGRATION = 1  # the Job of a part that has one
PROOF = 1  # the pod that proves a store's new version next to those that serve


def derive(
    entries: Iterable[Entry],
    stores: Iterable[Mapping[str, Any]],
    headroom: Mapping[str, Any],
    volumes: Iterable[str] = (),
) -> dict[str, str]:
    """Hard limits as canonical quantities, sorted by name.

    stores: {replicas, resources, storage: {size}} each.
    headroom: {pods, resources} for jobs and other pods beside the platform.
    volumes: sizes of the claims beside those of the stores.
    """
    pods = 0
    claims = 0
    storage = quantity.ZERO
    sums = {(side, name): quantity.ZERO for side in ("requests", "limits") for name in NATIVE}

    def count(times: int, amounts: Resources) -> None:
        nonlocal pods
        pods += times
        for key in sums:
            amount = amounts[key[0]].get(key[1])
            if amount is not None:
                sums[key] += quantity.parse(amount) * times

    for entry in entries:
        count(entry.scaling["max_replicas"] + SURGE + (MIGRATION if entry.migration else 0), entry.resources)
    for store in stores:
        count(store["replicas"] + PROOF, store["resources"])
        claims += store["replicas"]
        storage += quantity.parse(store["storage"]["size"]) * store["replicas"]
    for size in volumes:
        claims += 1
        storage += quantity.parse(size)
    if headroom:
        count(headroom["pods"], headroom["resources"])
    hard = {f"{side}.{name}": str(total) for (side, name), total in sums.items()}
    hard |= {"pods": str(pods), "persistentvolumeclaims": str(claims), "requests.storage": str(storage)}
    return dict(sorted(hard.items()))
