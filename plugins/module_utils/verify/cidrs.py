"""Doors that policies open to CIDRs: whether the pod in another namespace has an address among them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_QDRANT_PORTS = ("http", "grpc")


@dataclass(frozen=True)
class Opened:
    """Variables of the role netpol: networks that reach what is exposed, and those that reach Qdrant."""

    ingress: tuple[str, ...] = ()
    qdrant: tuple[str, ...] = ()

    def covering(self, catalogue: Mapping[str, Any], address: str) -> dict[tuple[str, int], str]:
        """(object, port) of each door that is open to ``address`` by a CIDR, with the variable and the CIDR."""
        found: dict[tuple[str, int], str] = {}
        if cidr := _first(self.ingress, address):
            for name in (catalogue.get("exposed") or {}).values():
                part = catalogue["by_name"][name]
                found[part["object"], int(part["port"])] = f"netpol_ingress_cidrs has {cidr}"
        if cidr := _first(self.qdrant, address):
            store = catalogue["stores"]["qdrant"]
            for port in _QDRANT_PORTS:
                found[store["object"], int(store["ports"][port])] = f"netpol_qdrant_clients has {cidr}"
        return found


def _first(cidrs: Iterable[str], address: str) -> str:
    if not address:
        return ""
    own = ipaddress.ip_address(address)
    return next((cidr for cidr in cidrs if own in ipaddress.ip_network(cidr)), "")
