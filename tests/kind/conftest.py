"""One kind cluster for all tests here, with the platform on it. KIND_TEST_CLUSTER names one to keep and use again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator

import pytest

from .platform import ARTIFACTS, ROOT, Platform


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.kind)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what was there when a test failed, before its cluster is mended or gone."""
    report = yield
    platform = getattr(item, "funcargs", {}).get("platform")
    if report.failed and isinstance(platform, Platform):
        platform.dump(ARTIFACTS / "failures" / re.sub(r"[^\w-]+", "-", f"{item.name}-{report.when}"))
    return report


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The platform, applied and ready."""
    kept = os.environ.get("KIND_TEST_CLUSTER")
    name = kept or "kind-tests"
    cluster = Platform(name, ROOT / ".cluster" / name / "kubeconfig")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(ARTIFACTS / "failures", ignore_errors=True)  # of an earlier session
    keep = bool(kept and cluster.kubeconfig.exists())
    try:
        if not keep:
            tool("create", name)
            cluster.play("molecule/kind/prepare.yml")
            keep = bool(kept)
        cluster.site()
        yield cluster
    finally:
        if not keep:
            tool("delete", name)


@pytest.fixture
def restored(platform: Platform) -> Iterator[Platform]:
    """For tests that change the inventory or the cluster: afterwards it is as the inventory says, whatever happened."""
    yield platform
    platform.site()


def tool(verb: str, name: str, configuration: str = "") -> None:
    """Make or remove a kind cluster, described by the file ``configuration``, by default that of all tests here."""
    configuration = configuration or os.environ.get("CLUSTER_KIND_CONFIG") or str(ROOT / "molecule/kind/cluster.yml")
    subprocess.run(
        [sys.executable, "-m", "tools.cluster", verb, "--name", name, "--provider", "kind"],
        cwd=ROOT,
        env=os.environ | {"CLUSTER_KIND_CONFIG": configuration},
        check=True,
    )
