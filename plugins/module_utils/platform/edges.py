"""Who reaches whom: an edge is written once, in ``calls`` or ``uses`` of the part it starts from; both sides follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .services import Entry

Peer = dict[str, Any]  # {name, object, port}: the other side, and the port that the edge arrives at

# Ports of the stores by name; the first is the one that parts use.
STORE_PORTS: dict[str, dict[str, int]] = {
    "postgres": {"postgres": 5432},
    "qdrant": {"http": 6333, "grpc": 6334, "p2p": 6335},
    "nats": {"client": 4222, "cluster": 6222, "monitor": 8222},
}


@dataclass(slots=True)
class Edges:
    """The edges seen from either side, each list sorted by name. ingress also has the stores."""

    egress: dict[str, list[Peer]] = field(default_factory=dict)
    ingress: dict[str, list[Peer]] = field(default_factory=dict)


def store_port(store: str) -> int:
    """The port on which parts reach a store."""
    return next(iter(STORE_PORTS[store].values()))


def derive(entries: Iterable[Entry]) -> Edges:
    """Both sides of every edge; linear in parts and edges, given entries sorted by name."""
    by_name = {entry.name: entry for entry in entries}
    edges = Edges({name: [] for name in by_name}, {name: [] for name in (*by_name, *STORE_PORTS)})
    for name, entry in by_name.items():
        for callee in sorted(entry.calls):
            target = by_name[callee]
            edges.egress[name].append({"name": callee, "object": target.object, "port": target.port})
            edges.ingress[callee].append({"name": name, "object": entry.object, "port": target.port})
        for store in sorted(entry.uses):
            port = store_port(store)
            edges.egress[name].append({"name": store, "object": store, "port": port})
            edges.ingress[store].append({"name": name, "object": entry.object, "port": port})
        edges.egress[name].sort(key=_name)
    return edges


def _name(peer: Peer) -> str:
    return str(peer["name"])
