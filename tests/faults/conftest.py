"""The fault proxy in front of the session's embedded cluster."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import lease, transport

from tests.integration.conftest import Cluster, cluster, kubeconfig, make_cluster, namespace

from .proxy import Proxy, Schedule
from .scenario import LEASE_SECONDS, READ_SECONDS, run

__all__ = ["cluster", "kubeconfig", "make_cluster", "namespace"]


@pytest.fixture(scope="session")
def _proxy(kubeconfig: Path) -> Iterator[Proxy]:
    running = Proxy(kubeconfig).start()
    yield running
    running.stop()


@pytest.fixture
def proxy(_proxy: Proxy) -> Iterator[Proxy]:
    """Without faults until the test plays a schedule."""
    _proxy.play(Schedule())
    yield _proxy
    _proxy.play(Schedule())


@pytest.fixture
def through(proxy: Proxy, tmp_path: Path) -> Path:
    """A kubeconfig that leads through the proxy."""
    return proxy.kubeconfig(tmp_path / "through")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", READ_SECONDS)
    monkeypatch.setattr(lease, "SECONDS", LEASE_SECONDS)


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> str:
    """One namespace for the tests of a module: each moves the tier to a version, and strangers look on."""
    name = f"faults-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    for made_by_controllers in ("configmap/kube-root-ca.crt", "serviceaccount/default"):
        cluster.kubectl("--namespace", name, "wait", "--for=create", made_by_controllers, "--timeout=60s")
    run(cluster.kubeconfig, name, 1)
    cluster.kubectl("--namespace", name, "create", "configmap", "stranger", "--from-literal=a=b")
    theirs = ("--field-manager=operator", "--patch", '{"data":{"theirs":"stays"}}')
    cluster.kubectl("--namespace", name, "patch", "configmap", "common", *theirs)
    return name
