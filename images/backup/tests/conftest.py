"""Servers for the session, and an environment for each test as the Job's template gives it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pyrage
import pytest
from servers import PASSWORD, Nats, Postgres, Qdrant, postgres_programs

SCRIPTS = Path(__file__).parents[3] / "roles" / "backup" / "templates"
ROLES_SCRIPT = Path(__file__).parents[3] / "roles" / "datastores" / "templates" / "10-roles.sh.j2"
DATABASE = "multi_agent"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    server = Postgres(programs)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def nats() -> Iterator[Nats]:
    server = Nats(shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server")
    yield server
    server.stop()


@pytest.fixture
def qdrant() -> Iterator[Qdrant]:
    server = Qdrant()
    yield server
    server.stop()


@dataclass
class Pod:
    """One Job's environment: runs its containers one after the other, as Kubernetes would."""

    environment: dict[str, str]
    programs: Path
    scratch: Path
    identity: pyrage.x25519.Identity
    pods: int = field(default=0)

    def script(self, name: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A container of the database's image."""
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, **self.environment, **more}
        # Folders of the pod are folders of this machine.
        text = re.sub(
            r"/scripts/|/tmp/|/dev/termination-log", lambda m: self._local(m[0]), (SCRIPTS / name).read_text()
        )
        command = ["sh", "-c", text]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def _local(self, text: str) -> str:
        return f"{self.scratch}/{'termination' if 'termination' in text else text.strip('/') + '/'}"

    def run(self, command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A container of this image."""
        environment = {**os.environ, **self.environment, **more, "PYTHONPATH": str(Path(__file__).parents[1])}
        arguments = [sys.executable, "-m", "platform_backup", command]
        return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)

    def backup(self, **more: str) -> str:
        """A whole backup; its name."""
        if self.pods:
            time.sleep(1.1)  # names are seconds, and backups here as quick as none in a cluster
        self.pods += 1
        more["POD_NAME"] = f"backup-{self.pods}"
        dumped = self.script("dump.sh.j2", **more)
        assert dumped.returncode == 0, dumped.stderr
        made = self.run("backup", **more)
        assert made.returncode == 0, made.stderr
        return re.findall(r"Backup (\S+) is complete", made.stdout)[0]

    def restore(self, name: str, last: str = "restore", **more: str) -> subprocess.CompletedProcess[str]:
        """A whole restore; the container that ended it."""
        more["FROM"] = name
        done = self.run("prepare", **more)
        if done.returncode == 0:
            done = self.script("load.sh.j2", **more)
        return done if done.returncode else self.run(last, **more)

    def sql(self, statement: str, database: str = DATABASE) -> list[tuple[object, ...]]:
        port = self.environment["PGPORT"]
        options = f"host=127.0.0.1 port={port} user=postgres password='{PASSWORD}' dbname={database}"
        with psycopg.connect(options, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def pod(tmp_path: Path, postgres: Postgres, nats: Nats, qdrant: Qdrant) -> Pod:
    for folder in ("tmp", "scripts", "work", "roles", "everything"):
        (tmp_path / folder).mkdir()
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "everything" / "jwt_secret").write_text("a secret that nobody may see")
    local = {"/tmp/": f"{tmp_path}/tmp/"}
    content = (SCRIPTS / "content.sh.j2").read_text().replace("/tmp/", local["/tmp/"])
    (tmp_path / "scripts" / "content.sh").write_text(content)
    shutil.copy(ROLES_SCRIPT, tmp_path / "scripts" / "10-roles.sh")
    identity = pyrage.x25519.Identity.generate()
    pod = Pod(
        {
            "PLATFORM": "agents",
            "POD_NAME": "backup-0",
            "PATIENCE": "0",
            "BACKUP_ROOT": str(tmp_path / "backups"),
            "BACKUP_TIMEOUT": "14400",
            "WORK_DIR": str(tmp_path / "work"),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(postgres.port),
            "PGUSER": "postgres",
            "PGDATABASE": DATABASE,
            "POSTGRES_PASSWORD_FILE": str(tmp_path / "password"),
            "ROLES_DIR": str(tmp_path / "roles"),
            "QDRANT_NODES": qdrant.url,
            "QDRANT_API_KEY_FILE": str(tmp_path / "password"),
            "NATS_URL": f"nats://127.0.0.1:{nats.port}",
            "NATS_SERVERS": "1",
            "TO_ENCRYPT_DIR": str(tmp_path / "everything"),
            "AGE_RECIPIENTS": str(identity.to_public()),
            "RETENTION": '{"last": 5}',
        },
        postgres.programs,
        tmp_path,
        identity,
    )
    pod.sql(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", "postgres")
    pod.sql(f"CREATE DATABASE {DATABASE}", "postgres")
    return pod
