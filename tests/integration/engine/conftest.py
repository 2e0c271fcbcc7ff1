"""The engine on the session's embedded cluster."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..conftest import Cluster

if TYPE_CHECKING:
    from .support import Engine


@pytest.fixture
def engine(kubeconfig: Path, namespace: str) -> Engine:
    # A collection that is imported before pytest-ansible's finder is there lacks its metadata: other tests could not
    # import more of it.
    from .support import Engine  # noqa: PLC0415

    return Engine(kubeconfig, namespace)


@pytest.fixture
def cluster_scope(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Marks cluster-scoped objects (kind, name) for deletion after the test."""
    marked: list[str] = []
    yield lambda kind, name: marked.append(f"{kind.lower()}/{name}")
    if marked:
        cluster.kubectl("delete", "--wait=false", "--ignore-not-found", *marked)


@pytest.fixture
def chance() -> random.Random:
    """Random choices that a failed run can repeat: set ENGINE_TEST_SEED to the seed that it printed."""
    seed = int(environ.get("ENGINE_TEST_SEED") or random.randrange(1 << 32))  # noqa: S311 - repeatable
    print(f"ENGINE_TEST_SEED={seed}")
    return random.Random(seed)  # noqa: S311 - repeatable
