"""`migrate` as a Job runs it: a process of its own, against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from graph import ROOT, free_port, password
from servers import PostgresServer

TABLE = "tool.schema_versions"


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    yield postgres
    postgres.sql([f"DROP TABLE IF EXISTS {TABLE}"])


def migrate(server: PostgresServer, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {
        "SERVICE_NAME": "tool",
        "SERVICE_VERSION": "1.0.0",
        "SERVICE_USES": "postgres",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(server.port),
        "POSTGRES_USER": "tool",
        "POSTGRES_PASSWORD": password("tool"),
        **environment,
    }
    command = [sys.executable, "-m", "reference_service", *(arguments or ("migrate",))]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, timeout=60, check=False
    )


def versions(server: PostgresServer) -> list[str]:
    return [row[0] for row in server.sql([f"SELECT version FROM {TABLE} ORDER BY version"])]


def test_each_version_is_recorded_once(server: PostgresServer) -> None:
    for version in ("1.0.0", "1.0.0", "2.0.0"):
        done = migrate(server, SERVICE_VERSION=version)
        assert done.returncode == 0, done.stdout
    assert versions(server) == ["1.0.0", "2.0.0"]


def test_one_that_fails_leaves_nothing_and_says_why(server: PostgresServer) -> None:
    assert migrate(server).returncode == 0
    failed = migrate(server, SERVICE_VERSION="2.0.0", MIGRATION_FAIL="column is in use")
    assert failed.returncode == 1
    assert '"error": "column is in use"' in failed.stdout + failed.stderr
    assert versions(server) == ["1.0.0"]
    assert password("tool") not in failed.stdout + failed.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [({"POSTGRES_PASSWORD": ""}, "POSTGRES_PASSWORD is missing"), ({"MIGRATION_SECONDS": "soon"}, "could not convert")],
)
def test_what_makes_no_sense_is_said(server: PostgresServer, environment: dict[str, str], message: str) -> None:
    failed = migrate(server, **environment)
    assert failed.returncode == 1
    assert message in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr


def test_other_commands_are_refused(server: PostgresServer) -> None:
    refused = migrate(server, "migrat", PORT=str(free_port()))
    assert refused.returncode == 2
    assert "'migrat' is no command: give migrate, or nothing to serve" in refused.stderr
