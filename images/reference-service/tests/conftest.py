"""Stores for the whole session, platforms for a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from graph import Platform, Stores, running
from servers import FakeQdrant, NatsServer, PostgresServer, postgres_programs


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    server = PostgresServer(programs)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    server = NatsServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def qdrant() -> Iterator[FakeQdrant]:
    fake = FakeQdrant("hush-qdrant-hush")
    yield fake
    fake.remove()


@pytest.fixture(scope="session")
def stores(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, nats: NatsServer, qdrant: FakeQdrant
) -> Stores:
    return Stores(tmp_path_factory.mktemp("credentials"), postgres.port, nats.port, qdrant.port)


@pytest.fixture(scope="module")
def platform(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder: Path = tmp_path_factory.mktemp("logs")
    origin = {"CORS_ALLOWED_ORIGINS": "http://frontend.test"}
    with running(stores, folder, {"gateway": origin}) as platform:
        yield platform
