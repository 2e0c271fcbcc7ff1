"""Changes that a store's volumes do not survive: NATS from or to a single server, a smaller size. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..engine.errors import ApiError
from . import quantity
from .problems import Problems

_VARIABLE = "platform_stores.nats.replicas"
_REMEDY = "move the streams by a backup: docs/guide/storage.md#between-one-nats-server-and-three"


class Cluster(Protocol):
    """The one call of the engine's cluster that is used here."""

    def get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        """GET a path."""


def check_nats(cluster: Cluster, namespace: str, replicas: int, problems: Problems) -> None:
    """Refuse a cluster around data that one server wrote alone, and one server on data of a cluster.

    Seen with nats-server 2.15: the former deletes its streams half a minute after it has started ("Detected orphaned
    stream, will cleanup"), the latter does not load those with several copies.
    """
    live = _servers(cluster, namespace)
    if live == 1 < replicas:
        problems.add(
            _VARIABLE,
            replicas,
            "makes a cluster of a server that has run alone: NATS then deletes its streams",
            f"Set 1, or {_REMEDY}",
        )
    elif replicas == 1 < live:
        problems.add(
            _VARIABLE,
            replicas,
            f"is one server, and {live} run as a cluster: a single one does not load its streams",
            f"Set {live}, or {_REMEDY}",
        )


def check_sizes(cluster: Cluster, namespace: str, sizes: Mapping[str, str], problems: Problems) -> None:
    """Refuse sizes of stores that are below what their claims ask for. ``sizes``: store -> size of each volume."""
    query = {"labelSelector": f"app in ({','.join(sorted(sizes))})"}
    claims = _ask(cluster, f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", query)
    for claim in claims.get("items") or []:
        store, name = claim["metadata"]["labels"]["app"], claim["metadata"]["name"]
        has = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
        if has and quantity.parse(sizes[store]) < quantity.parse(has):
            problems.add(
                f"platform_stores.{store}.storage.size",
                sizes[store],
                f"is less than {has} of volume {name}, which cannot shrink",
                f"Set {has} or more. To move to a smaller volume: back up, remove the volume, deploy, restore",
            )


def _servers(cluster: Cluster, namespace: str) -> int:
    """How many wrote the data, by the live StatefulSet, else by its claims, which outlive it. 0 if neither is seen."""
    if live := _ask(cluster, f"/apis/apps/v1/namespaces/{namespace}/statefulsets/nats"):
        return int(live["spec"].get("replicas", 1))
    claims = _ask(cluster, f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", {"labelSelector": "app=nats"})
    return len(claims.get("items") or [])


def _ask(cluster: Cluster, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
    """Empty for what is not there or may not be seen."""
    try:
        return cluster.get(path, query)
    except ApiError as error:
        if error.status in (403, 404):
            return {}
        raise
