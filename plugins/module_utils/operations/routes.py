"""Where users reach a part from outside: hosts of its Ingress or HTTPRoute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..engine.kinds import Kind

ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", True)


def addresses(routes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Service -> URL. The scheme of an HTTPRoute is its Gateway's to say: https is assumed for a listener so named."""
    found: dict[str, str] = {}
    for route in routes:
        spec = route.get("spec") or {}
        if route["kind"] == "Ingress":
            secure = {host for tls in spec.get("tls") or [] for host in tls.get("hosts") or []}
            for rule in spec.get("rules") or []:
                host = rule.get("host", "")
                for path in (rule.get("http") or {}).get("paths") or []:
                    service = (path["backend"].get("service") or {}).get("name")
                    if service and host:
                        found[service] = f"{'https' if host in secure else 'http'}://{host}"
        else:
            sections = [str(parent.get("sectionName", "")) for parent in spec.get("parentRefs") or []]
            scheme = "https" if any("https" in section for section in sections) else "http"
            for rule in spec.get("rules") or []:
                for backend in rule.get("backendRefs") or []:
                    for host in spec.get("hostnames") or []:
                        found[backend["name"]] = f"{scheme}://{host}"
    return found
