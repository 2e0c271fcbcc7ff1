"""The fault proxy in front of the session's embedded cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import lease, transport

from tests.integration.conftest import cluster, kubeconfig, make_cluster, namespace

from .proxy import Proxy, Schedule
from .scenario import LEASE_SECONDS, READ_SECONDS

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
