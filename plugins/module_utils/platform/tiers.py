"""Checks of the tiers' own settings: what a type alone does not say, and what only shows between two of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from . import backup, duration, names, resources
from .problems import Problems

_SIZES = ("services_scratch_size", "frontend_scratch_size", "frontend_cache_size")
_CONTAINERS = ("namespace_container_defaults", "datastores_postgres_roles_resources")
_CIDR_LISTS = (
    "netpol_dns_cidrs",
    "netpol_ingress_cidrs",
    "netpol_qdrant_clients",
    "datastores_qdrant_external_source_ranges",
)
_SYNC_INTERVAL = re.compile(r"always|[1-9][0-9]*(ms|s|m|h)")
_MOST_PAYLOAD = 64 << 20  # max_payload of the NATS server, https://docs.nats.io/running-a-nats-service/configuration


def check(values: Mapping[str, Any], problems: Problems) -> None:
    """Check values that are cast; those that are absent were found faulty before and are passed over."""
    for name in _SIZES:
        if values.get(name) is not None:
            resources.check_amount("storage", values[name], name, problems)
    for name in _CONTAINERS:
        if values.get(name) is not None:
            resources.read(values[name], name, problems)
    for name in _CIDR_LISTS:
        for index, cidr in enumerate(values.get(name) or ()):
            _check_cidr(cidr, f"{name}[{index}]", problems)
    for index, block in enumerate(values.get("netpol_internet_blocks") or ()):
        _check_block(block, f"netpol_internet_blocks[{index}]", problems)
    _check_payload(values.get("nats_max_payload"), problems)
    interval = values.get("nats_sync_interval")
    if interval is not None and not _SYNC_INTERVAL.fullmatch(str(interval)):
        problems.add(
            "nats_sync_interval",
            interval,
            "is neither always nor an interval",
            "Write always, or a number and ms, s, m or h, such as 10s",
        )
    _check_edge(values, problems)
    _check_timeouts(values, problems)
    backup.check(values, problems)


def _check_cidr(value: Any, path: str, problems: Problems) -> bool:
    try:
        ipaddress.ip_network(str(value))
    except ValueError:
        problems.add(
            path, value, "is no CIDR", "Write the network's own address and its length, such as 203.0.113.0/24"
        )
        return False
    return True


def _check_block(block: Any, path: str, problems: Problems) -> None:
    """A NetworkPolicy ipBlock: what is left out must lie inside."""
    if not isinstance(block, Mapping) or not _check_cidr(block.get("cidr"), f"{path}.cidr", problems):
        return
    network = ipaddress.ip_network(str(block["cidr"]))
    for index, cidr in enumerate(block.get("except") or ()):
        at = f"{path}.except[{index}]"
        if _check_cidr(cidr, at, problems):
            inner = ipaddress.ip_network(str(cidr))
            inside = inner.version == network.version and inner.prefixlen > network.prefixlen
            if not inside or not network.supernet_of(inner):  # type: ignore[arg-type]
                problems.add(at, cidr, f"is not inside {network}", "Name a smaller network of the same block")


def _check_payload(value: Any, problems: Problems) -> None:
    if value is None:
        return
    match = re.fullmatch(r"([0-9]+)(K|Ki|M|Mi)", str(value))
    size = int(match[1]) * {"K": 1000, "Ki": 1 << 10, "M": 10**6, "Mi": 1 << 20}[match[2]] if match else 0
    if not 0 < size <= _MOST_PAYLOAD:
        problems.add(
            "nats_max_payload", value, "is no size of a message", "Write a number and K, Ki, M or Mi, at most 64Mi"
        )


def _check_edge(values: Mapping[str, Any], problems: Problems) -> None:
    kind = values.get("ingress_kind")
    if kind == "HTTPRoute" and not values.get("ingress_parents"):
        problems.add(
            "ingress_parents",
            "[]",
            "names no Gateway, and ingress_kind is HTTPRoute",
            "Give the Gateway's name: [{name: public}]",
        )
    if kind == "Ingress":
        for name in ("ingress_parents", "ingress_redirect_parents"):
            if values.get(name):
                problems.add(
                    name, None, "is set, and ingress_kind is Ingress", "Set ingress_kind to HTTPRoute, or remove it"
                )
    secret, issuer = values.get("ingress_tls_secret"), values.get("ingress_issuer")
    if secret:
        names.check_object(secret, "ingress_tls_secret", problems)
    if isinstance(issuer, Mapping) and not any(issuer.values()):
        issuer = None  # an empty dictionary arrives with every key of its spec, all None
    if issuer and not secret:
        problems.add(
            "ingress_issuer", issuer, "has no Secret to fill", "Set ingress_tls_secret, such as multi-agent-tls"
        )
    if issuer and isinstance(issuer, Mapping) and not issuer.get("name"):
        problems.add("ingress_issuer.name", None, "is missing", "Name the Issuer or ClusterIssuer")


def _check_timeouts(values: Mapping[str, Any], problems: Problems) -> None:
    total, idle = values.get("ingress_request_timeout"), values.get("ingress_idle_timeout")
    if total is not None and duration.milliseconds(total) is None:
        problems.add("ingress_request_timeout", total, "is not a duration", f"{duration.FORMAT}; 0s for no limit")
    elif total and duration.milliseconds(total) and values.get("ingress_kind") == "Ingress":
        problems.add(
            "ingress_request_timeout",
            total,
            "is set, and an Ingress has no field for it",
            "Set it in ingress_annotations as your controller names it, and leave this 0s",
        )
    if not idle:
        return
    if values.get("ingress_kind") == "HTTPRoute":
        problems.add(
            "ingress_idle_timeout",
            idle,
            "is set, and an HTTPRoute has no field for it",
            "Set the limit at the Gateway (docs/guide/edge.md), and leave this empty",
        )
    elif not duration.milliseconds(idle):
        problems.add(
            "ingress_idle_timeout",
            idle,
            "is not a duration above 0",
            f"{duration.FORMAT}; leave it empty for the controller's own limit",
        )
