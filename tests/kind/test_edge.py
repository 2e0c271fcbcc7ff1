"""The edge: both hosts answer through Ingress and through HTTPRoute, with TLS, a stream is not cut, the page works.

KIND_EDGE_COMMAND installs a controller when it is called with the cluster's name: class and GatewayClass `traefik` in
namespace `traefik`, node ports 30080 and 30443, listeners 8000 and 8443. Without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .platform import ARTIFACTS, NAMESPACE, ROOT, Platform

HOSTS = ("multi-agent.local", "api.multi-agent.local")
STREAM_SECONDS = int(os.environ.get("KIND_STREAM_SECONDS", "150"))
GAP = 10  # seconds between two events, of which one is sent a second: a buffer would hold back more


@dataclass(frozen=True)
class Edge:
    """An address of a node, and the folder with the certificate of both hosts."""

    address: str
    certificate: Path

    @property
    def addresses(self) -> dict[str, str]:
        return {"http": f"{self.address}:30080", "https": f"{self.address}:30443"}


@pytest.fixture(scope="module")
def edge(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    command = os.environ.get("KIND_EDGE_COMMAND")
    if not command:
        pytest.skip("KIND_EDGE_COMMAND is not set: no controller to install")
    subprocess.run([command, platform.name], check=True)
    folder = tmp_path_factory.mktemp("tls")
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
         "-subj", "/CN=multi-agent.local", "-addext", f"subjectAltName={names}",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    for namespace in ("multi-agent", "traefik"):
        secret = platform.kubectl(
            "create", "secret", "tls", "edge-tls", f"--cert={folder}/tls.crt", f"--key={folder}/tls.key",
            "--dry-run=client", "--output=json", namespace=namespace,
        )  # fmt: skip
        platform.kubectl("apply", "--filename=-", stdin=secret, namespace=namespace)
    nodes = platform.get("nodes")["items"]
    address = next(a["address"] for a in nodes[0]["status"]["addresses"] if a["type"] == "InternalIP")
    platform.kubectl("apply", "--filename=-", stdin=json.dumps(GATEWAY), namespace="traefik")
    yield Edge(address, folder / "tls.crt")
    platform.site()


GATEWAY: dict[str, Any] = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "edge"},
    "spec": {
        "gatewayClassName": "traefik",
        "listeners": [
            {"name": "http", "port": 8000, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}},
            {
                "name": "https",
                "port": 8443,
                "protocol": "HTTPS",
                "tls": {"mode": "Terminate", "certificateRefs": [{"name": "edge-tls"}]},
                "allowedRoutes": {"namespaces": {"from": "All"}},
            },
        ],
    },
}
KINDS: dict[str, dict[str, Any]] = {
    "Ingress": {"ingress_kind": "Ingress", "ingress_tls_secret": "edge-tls"},
    "HTTPRoute": {
        "ingress_kind": "HTTPRoute",
        "ingress_tls_secret": "edge-tls",
        "ingress_parents": [{"name": "edge", "namespace": "traefik", "section_name": "https"}],
        "ingress_redirect_parents": [{"name": "edge", "namespace": "traefik", "section_name": "http"}],
    },
}


def stream(edge: Edge, seconds: int) -> list[tuple[float, str]]:
    """Server-sent events of /stream through the edge: (seconds since the start, the line)."""
    context = ssl.create_default_context(cafile=str(edge.certificate))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    host, begin, lines = HOSTS[1], time.monotonic(), []
    with (
        socket.create_connection((edge.address, 30443), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        path = f"/stream?seconds={seconds}&interval_ms=1000"
        tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        for line in tls.makefile("r", encoding="utf-8", newline="\n"):
            lines.append((time.monotonic() - begin, line.strip()))
    return lines


@pytest.mark.parametrize("kind", ["Ingress", pytest.param("HTTPRoute", marks=pytest.mark.slow)])
def test_both_hosts_answer_with_tls_and_a_stream_is_not_cut(platform: Platform, edge: Edge, kind: str) -> None:
    run = platform.site(**KINDS[kind])
    assert run.recap["failed"] == 0
    outcomes = platform.verify(f"verify-{kind}", verify_edge_addresses=edge.addresses, **KINDS[kind])
    told = {name: outcome for name, outcome in outcomes.items() if name.startswith(("edge: https", "certificates: "))}
    print(told)
    assert len(told) == 3
    assert set(told.values()) == {"passed"}
    lines = stream(edge, STREAM_SECONDS)
    events = [at for at, line in lines if line.startswith("data:")]
    gap = max(later - at for at, later in pairwise([0.0, *events]))
    print(f"{kind}: {len(events)} events over {events[-1]:.0f} s, largest gap {gap:.1f} s")
    assert any(line == "event: end" for _, line in lines), lines[-5:]
    assert gap < GAP
    assert len(events) >= STREAM_SECONDS * 0.9
    assert events[-1] >= STREAM_SECONDS * 0.95


def fingerprint(certificate: Path) -> str:
    """The hash of a certificate's public key, as Chromium's --ignore-certificate-errors-spki-list takes it."""
    key = 'openssl x509 -in "$0" -pubkey -noout | openssl pkey -pubin -outform der'
    command = f"{key} | openssl dgst -sha256 -binary | base64"
    return subprocess.run(["sh", "-c", command, certificate], capture_output=True, text=True, check=True).stdout.strip()


def test_the_page_in_chromium(platform: Platform, edge: Edge) -> None:
    if not any(shutil.which(program) for program in ("chromium", "chromium-browser", "google-chrome")):
        pytest.skip("no Chromium here: apt-get install chromium")
    platform.site(**KINDS["Ingress"])
    folder, kubectl = (
        ROOT / "images" / "reference-service",
        f"kubectl --kubeconfig={platform.kubeconfig} -n {NAMESPACE}",
    )
    scale = f"{kubectl} scale deployment/tool-service --replicas"
    live = {
        "page": f"https://{HOSTS[0]}",
        "api": HOSTS[1],
        "arguments": [
            "--host-resolver-rules=" + ",".join(f"MAP {host} {edge.addresses['https']}" for host in HOSTS),
            f"--ignore-certificate-errors-spki-list={fingerprint(edge.certificate)}",
        ],
        "stop": [
            "sh",
            "-c",
            f"{scale}=0 && {kubectl} wait --for=delete pod --selector=app=tool-service --timeout=120s",
        ],
        "start": ["sh", "-c", f"{scale}=2"],
    }
    subprocess.run(["make", "--no-print-directory", "-C", folder, ".venv/ready"], check=True)
    done = subprocess.run(
        [".venv/bin/python", "-m", "pytest", "tests/live_page.py", "-rP", "--quiet", "--durations=0"],
        cwd=folder,
        env=os.environ | {"LIVE_PAGE": json.dumps(live), "SCREENSHOTS": str(ARTIFACTS.parent / "screenshots")},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_host_that_is_not_ours_is_not_answered(edge: Edge) -> None:
    with socket.create_connection((edge.address, 30080), timeout=10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 404")
