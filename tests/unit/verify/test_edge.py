"""The edge: who takes the routes, where they are reached, and what answers there, by a server with a certificate."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.verify import edge
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.checks import Check, Outcome
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "example.org"
CLASS = {("IngressClass", "traefik"): {"metadata": {"name": "traefik"}}}
GATEWAY_CLASS = {("GatewayClass", "traefik"): {"metadata": {"name": "traefik"}}}
Objects = dict[tuple[str, str], dict[str, Any]]


class Cluster:
    """Holds objects by kind and name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.kinds = SimpleNamespace(find=lambda _version, kind: SimpleNamespace(kind=kind))

    def list(self, kind: Any) -> tuple[list[dict[str, Any]], str]:
        return [obj for (name, _), obj in self._objects.items() if name == kind.kind], ""

    def find(self, kind: Any, _namespace: str, name: str) -> dict[str, Any] | None:
        return self._objects.get((kind.kind, name))


def ingress(*addresses: str) -> Objects:
    found = {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}
    obj = {"kind": "Ingress", "spec": {"ingressClassName": "traefik"}, "status": found}
    return {("Ingress", "frontend"): obj}


def http_route(*conditions: tuple[str, str]) -> Objects:
    """Taken by one parent with these conditions; by none without any."""
    told = [{"type": kind, "status": status, "message": "no such listener"} for kind, status in conditions]
    parents = [{"parentRef": {"name": "edge"}, "conditions": told}] if told else []
    obj = {
        "kind": "HTTPRoute",
        "metadata": {"namespace": "multi-agent"},
        "spec": {"parentRefs": [{"name": "edge", "namespace": "traefik"}]},
        "status": {"parents": parents},
    }
    return {("HTTPRoute", "frontend"): obj}


@dataclass
class Server:
    """An edge on loopback: what it answers, and its certificate in PEM."""

    address: str = ""
    status: int = 200
    chain: bytes = b""

    @property
    def secret(self) -> Objects:
        return {("Secret", "edge-tls"): {"data": {"tls.crt": base64.b64encode(self.chain).decode()}}}


def certificate(folder: Path, name: str) -> Path:
    """A file with the key and a certificate for ``name``, signed by itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=60))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = folder / f"{name}.pem"
    file.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()) + made.public_bytes(pem))
    return file


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    played = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(played.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    file = certificate(tmp_path, HOST)
    played.chain = file.read_bytes()[file.read_bytes().index(b"-----BEGIN CERTIFICATE") :]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        Thread(target=running.serve_forever, daemon=True).start()
        played.address = f"127.0.0.1:{running.server_port}"
        yield played
        running.shutdown()


def check(objects: Objects, kind: str = "Ingress", address: str = "", tls: bool = True) -> list[Check]:
    route = edge.Route(kind, "edge-tls" if tls else "", {"https": address} if address else {}, 14)
    cluster: Any = Cluster(objects)
    return edge.check(cluster, "multi-agent", [edge.Host(HOST, "frontend", "/")], route)


def test_a_host_that_answers_with_the_secret_s_certificate_passes(server: Server) -> None:
    secret, answer = check({**CLASS, **ingress(), **server.secret}, address=server.address)
    assert (secret.outcome, answer.outcome) == (Outcome.PASSED, Outcome.PASSED)
    assert answer.message.startswith("HTTP 200, certificate valid until")


@pytest.mark.parametrize("status", [404, 502])
def test_an_edge_that_leads_nowhere_is_a_failure(server: Server, status: int) -> None:
    server.status = status
    _, answer = check({**CLASS, **ingress(), **server.secret}, address=server.address)
    assert answer.outcome is Outcome.FAILED
    assert f"answers HTTP {status}: the edge does not lead to the platform" in answer.message


def test_another_certificate_than_the_secret_s_is_a_failure(server: Server, tmp_path: Path) -> None:
    own = certificate(tmp_path, "other.example.org").read_bytes()
    other = Server(chain=own[own.index(b"-----BEGIN CERTIFICATE") :])
    secret, answer = check({**CLASS, **ingress(), **other.secret}, address=server.address)
    assert f"does not cover {HOST}" in secret.message
    assert answer.outcome is Outcome.FAILED
    assert "CERTIFICATE_VERIFY_FAILED" in answer.message


@pytest.mark.parametrize(
    ("kind", "objects"),
    [
        ("Ingress", {**CLASS, **ingress("203.0.113.10")}),
        (
            "HTTPRoute",
            {
                **GATEWAY_CLASS,
                **http_route(("Accepted", "True"), ("ResolvedRefs", "True")),
                ("Gateway", "edge"): {"status": {"addresses": [{"value": "203.0.113.10"}]}},
            },
        ),
    ],
)
def test_the_address_is_found_from_the_route(
    server: Server, monkeypatch: pytest.MonkeyPatch, kind: str, objects: Objects
) -> None:
    asked, connect = [], socket.create_connection
    where = ("127.0.0.1", int(server.address.rpartition(":")[2]))

    def connected(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        return connect(where, timeout)

    monkeypatch.setattr(socket, "create_connection", connected)
    _, answer = check({**objects, **server.secret}, kind)
    assert asked == [("203.0.113.10", 443)]
    assert answer.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("kind", "objects", "outcome", "says"),
    [
        ("Ingress", ingress(), Outcome.SKIPPED, "no controller here takes Ingresses of class traefik"),
        (
            "Ingress",
            {**ingress(), ("IngressClass", "nginx"): {"metadata": {"name": "nginx"}}},
            Outcome.FAILED,
            "no controller here takes Ingresses of class traefik",
        ),
        ("Ingress", CLASS, Outcome.FAILED, "Ingress frontend is not there: run site.yml"),
        ("Ingress", {**CLASS, **ingress()}, Outcome.SKIPPED, "shows no address: say it in verify_edge_addresses"),
        ("HTTPRoute", http_route(), Outcome.SKIPPED, "no Gateway has taken the HTTPRoute"),
        ("HTTPRoute", {**GATEWAY_CLASS, **http_route()}, Outcome.FAILED, "no Gateway has taken the HTTPRoute"),
        (
            "HTTPRoute",
            {**GATEWAY_CLASS, **http_route(("Accepted", "False"), ("ResolvedRefs", "True"))},
            Outcome.FAILED,
            "edge: not Accepted: no such listener",
        ),
    ],
)
def test_a_route_that_nobody_takes_is_told(kind: str, objects: Objects, outcome: Outcome, says: str) -> None:
    (told,) = check(objects, kind, tls=False)
    assert told.outcome is outcome
    assert says in told.message


def test_an_edge_that_does_not_answer_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    (told,) = check({**CLASS, **ingress()}, address=address, tls=False)
    assert told.outcome is Outcome.FAILED
    assert f"{address} does not answer" in told.message


def test_a_secret_that_is_not_there_is_told() -> None:
    told = check({**CLASS, **ingress()})
    assert (told[0].group, told[0].outcome) == ("certificates", Outcome.FAILED)
