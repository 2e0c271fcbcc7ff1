"""The three stores: their sizes as ``platform_stores`` says, checked and cast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import object_metadata, placement, quantity, replication, resources
from .edges import STORE_PORTS
from .problems import Problems
from .reader import Reader

VARIABLE = "platform_stores"
COMPONENTS = {"postgres": "database", "qdrant": "vector-store", "nats": "messaging"}
_LEAST_STORAGE = quantity.parse("1Gi")
_KEYS = ("replicas", "resources", "storage", "placement", "annotations", "labels")
_OWN_KEYS = {"qdrant": ("replication_factor",)}
_STORAGE_KEYS = ("size", "storage_class")


def read(value: Any, problems: Problems) -> dict[str, dict[str, Any]]:
    """{name: {replicas, resources, storage: {size, storage_class}}} of every store; Qdrant's two factors too."""
    outer = Reader(value, VARIABLE, problems, STORE_PORTS)
    return {name: _store(name, outer, problems) for name in STORE_PORTS}


def _store(name: str, outer: Reader, problems: Problems) -> dict[str, Any]:
    reader = outer.nested(name, (*_KEYS, *_OWN_KEYS.get(name, ())))
    replicas = reader.integer("replicas", 1, 9, 1)
    if name == "postgres" and replicas != 1:
        problems.add(reader.at("replicas"), replicas, "is not 1: this Postgres has no replication", "Set 1")
    elif name != "postgres" and replicas == 2:
        problems.add(
            reader.at("replicas"),
            replicas,
            "is no quorum: losing either of two stops both",
            "Set 1, or 3 for high availability",
        )
    elif name == "nats" and replicas % 2 == 0:
        problems.add(
            reader.at("replicas"),
            replicas,
            "is even, which adds a server and no safety to the quorum",
            f"Set {replicas - 1} or {replicas + 1}",
        )
    storage = reader.nested("storage", _STORAGE_KEYS)
    size = storage.raw("size", "10Gi")
    if resources.check_amount("storage", size, storage.at("size"), problems) and quantity.parse(size) < _LEAST_STORAGE:
        problems.add(storage.at("size"), size, "is too small a volume", "Give at least 1Gi")
    storage_class = storage.text(
        "storage_class",
        "",
        r"|[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
        "Name a StorageClass, or leave it empty for the cluster's default",
    )
    return {
        "replicas": replicas,
        "resources": resources.read(reader.raw("resources"), reader.at("resources"), problems),
        "storage": {"size": str(size), "storage_class": storage_class},
        "placement": placement.read(reader),
        **object_metadata.read(reader, object_metadata.STORE_KINDS),
        **(_factors(reader, replicas) if name == "qdrant" else {}),
    }


def _factors(reader: Reader, replicas: int) -> dict[str, int]:
    factor = reader.integer(
        "replication_factor",
        1,
        replicas,
        replication.replication_factor(replicas),
        f"Qdrant has {replicas} replica{'s' if replicas > 1 else ''}: raise {reader.at('replicas')}, or lower it",
    )
    return {
        "replication_factor": factor,
        "write_consistency_factor": replication.write_consistency_factor(factor),
    }


def read_headroom(value: Any, problems: Problems) -> Mapping[str, Any]:
    """{pods, resources} kept free in the quota; empty where it is not wanted."""
    if not value:
        return {}
    reader = Reader(value, "platform_quota_headroom", problems, ("pods", "resources"))
    pods = reader.integer("pods", 0, 10000, 0)
    if not pods:
        return {}
    return {"pods": pods, "resources": resources.read(reader.raw("resources"), reader.at("resources"), problems)}
