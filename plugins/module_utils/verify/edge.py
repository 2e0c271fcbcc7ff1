"""The edge: whether a controller takes the routes, whether both hosts answer, and the certificates that they show."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..engine.kinds import BUILT_IN
from . import certificates
from .checks import Check, failed, judge, passed, skipped

GROUP = "edge"
TIMEOUT = 10.0
# What an edge itself answers for a host or a path that it does not know, and while it has no one to send to.
_NOT_ROUTED = frozenset({404, 502, 503, 504})
Object = dict[str, Any]


@dataclass(frozen=True)
class Host:
    """A host of the platform, the route that leads there and a path that answers without a login."""

    name: str
    route: str
    path: str


@dataclass(frozen=True)
class Route:
    """How the edge is reached: ``addresses`` as host:port by scheme, from the inventory; found out where empty."""

    kind: str
    tls_secret: str
    addresses: Mapping[str, str]
    certificate_days: int


def check(cluster: Cluster, namespace: str, hosts: Sequence[Host], route: Route) -> list[Check]:
    """A line for the Secret, and for each host one for its route and one for its answer."""
    secret, checks = None, []
    if route.tls_secret:
        secret, line = _secret(cluster, namespace, [host.name for host in hosts], route)
        checks.append(line)
    for host in hosts:
        try:
            obj, why = _route(cluster, namespace, host, route.kind)
        except EngineError as error:
            obj, why = None, error.message
        if why:
            # The route's own fault, unless there is nobody to take it.
            known = obj is not None and not _controller(cluster, route)
            checks.append(skipped(GROUP, host.name, why) if known else failed(GROUP, host.name, why))
            continue
        assert obj is not None  # noqa: S101 - without a reason there is an object
        address = route.addresses or _addresses(cluster, obj, route)
        if not address:
            checks.append(
                skipped(
                    GROUP, host.name, f"{route.kind} {host.route} shows no address: say it in verify_edge_addresses"
                )
            )
        checks += [_answer(host, scheme, where, secret, route) for scheme, where in address.items()]
    return checks


def _secret(cluster: Cluster, namespace: str, hosts: list[str], route: Route) -> tuple[bytes | None, Check]:
    name = f"Secret {route.tls_secret}"
    try:
        secret = cluster.find(BUILT_IN["v1", "Secret"], namespace, route.tls_secret)
        if secret is None:
            return None, failed("certificates", name, "is not there: make it, or let cert-manager (ingress_issuer)")
        chain = base64.b64decode((secret.get("data") or {}).get("tls.crt", ""))
        certificate = certificates.load(chain)
    except (EngineError, certificates.NotACertificate) as error:
        return None, failed("certificates", name, str(error))
    found = certificates.problems(certificate, hosts, route.certificate_days)
    return chain, judge("certificates", name, found, certificates.describe(certificate))


def _controller(cluster: Cluster, route: Route) -> bool:
    """Whether anybody is there to take routes of this kind."""
    if route.addresses:
        return True
    if route.kind == "Ingress":
        return bool(cluster.list(BUILT_IN["networking.k8s.io/v1", "IngressClass"])[0])
    kind = cluster.kinds.find("gateway.networking.k8s.io/v1", "GatewayClass")
    return bool(kind and cluster.list(kind)[0])


def _route(cluster: Cluster, namespace: str, host: Host, kind_name: str) -> tuple[Object | None, str]:
    """The route, and why it leads nowhere."""
    version = "networking.k8s.io/v1" if kind_name == "Ingress" else "gateway.networking.k8s.io/v1"
    kind = cluster.kinds.find(version, kind_name)
    obj = cluster.find(kind, namespace, host.route) if kind else None
    if obj is None:
        return None, f"{kind_name} {host.route} is not there: run site.yml"
    if kind_name == "Ingress":
        classes = cluster.list(BUILT_IN["networking.k8s.io/v1", "IngressClass"])[0]
        wanted = obj["spec"].get("ingressClassName")
        if wanted and wanted not in {item["metadata"]["name"] for item in classes}:
            return obj, f"no controller here takes Ingresses of class {wanted}"
        return obj, "" if classes else "no ingress controller is here"
    parents = (obj.get("status") or {}).get("parents") or []
    if not parents:
        return obj, "no Gateway has taken the HTTPRoute: see ingress_parents"
    refused = [
        f"{parent['parentRef'].get('name')}: not {condition['type']}: {condition.get('message', '')}"
        for parent in parents
        for condition in parent.get("conditions") or []
        if condition["type"] in {"Accepted", "ResolvedRefs"} and condition["status"] != "True"
    ]
    return obj, "; ".join(refused)


def _addresses(cluster: Cluster, obj: Object, route: Route) -> dict[str, str]:
    """Where the controller says that the route is reached."""
    if obj["kind"] == "Ingress":
        entries = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        found = [entry.get("ip") or entry.get("hostname") for entry in entries]
    else:
        kind = cluster.kinds.find("gateway.networking.k8s.io/v1", "Gateway")
        parent = obj["spec"]["parentRefs"][0]
        namespace = parent.get("namespace") or obj["metadata"]["namespace"]
        gateway = cluster.find(kind, namespace, parent["name"]) if kind else None
        found = [entry.get("value") for entry in ((gateway or {}).get("status") or {}).get("addresses") or []]
    if not found or not found[0]:
        return {}
    return {"https": f"{found[0]}:443"} if route.tls_secret else {"http": f"{found[0]}:80"}


def _answer(host: Host, scheme: str, address: str, secret: bytes | None, route: Route) -> Check:
    name, begin = f"{scheme}://{host.name}{host.path}", time.monotonic()
    where, _, port = address.rpartition(":")
    found: list[str] = []
    try:
        with socket.create_connection((where.strip("[]"), int(port)), timeout=TIMEOUT) as connection:
            shown = None
            stream: socket.socket = connection
            if scheme == "https":
                stream = _tls(secret).wrap_socket(connection, server_hostname=host.name)
                shown = certificates.load(stream.getpeercert(binary_form=True) or b"")
                found += certificates.problems(shown, [host.name], route.certificate_days)
            status = _get(stream, host)
    except (OSError, ValueError, http.client.HTTPException, certificates.NotACertificate) as error:
        return failed(GROUP, name, f"{address} does not answer: {error}", time.monotonic() - begin)
    if status in _NOT_ROUTED:
        found.append(f"{address} answers HTTP {status}: the edge does not lead to the platform")
    seconds = time.monotonic() - begin
    if found:
        return failed(GROUP, name, "; ".join(found), seconds)
    text = f"HTTP {status}" + (f", certificate {certificates.describe(shown)}" if shown else "")
    return passed(GROUP, name, text, seconds)


def _tls(secret: bytes | None) -> ssl.SSLContext:
    """Trust in what the Secret holds, which may be signed by itself; else in the system's authorities."""
    context = ssl.create_default_context(cadata=secret.decode("ascii") if secret else None)
    # A leaf that is trusted as such need not be an authority (X509_V_FLAG_PARTIAL_CHAIN).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _get(stream: socket.socket, host: Host) -> int:
    stream.settimeout(TIMEOUT)
    lines = (f"GET {host.path} HTTP/1.1", f"Host: {host.name}", "User-Agent: multi-agent-platform", "Connection: close")
    stream.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    response = http.client.HTTPResponse(stream, method="GET")
    response.begin()
    return response.status
