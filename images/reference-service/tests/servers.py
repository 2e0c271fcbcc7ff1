"""Real PostgreSQL and NATS on loopback, and the few calls of Qdrant that the service makes."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from graph import PARTS, USERS, eventually, free_port, password


def postgres_programs() -> Path | None:
    """The folder of Debian's newest PostgreSQL server, if one is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class PostgresServer:
    """A cluster in a temporary folder, with a role and a schema for each part, as the init scripts make them."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="reference-postgres-"))
        self._data = self._folder / "data"
        # initdb refuses to run as root, which is what a container's tests usually are.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._run(
            "initdb", "-D", self._data, "-U", "superuser", "-A", "scram-sha-256", f"--pwfile={self._pwfile()}", "-N"
        )
        self.start()
        statements = ["CREATE DATABASE multi_agent"]
        self.sql(statements, "postgres")
        self.sql(
            [
                statement
                for user in USERS
                for statement in (
                    f"CREATE ROLE \"{user}\" LOGIN PASSWORD '{password(user)}'",
                    f'CREATE SCHEMA "{user}" AUTHORIZATION "{user}"',
                )
            ]
        )

    def _pwfile(self) -> Path:
        path = self._folder / "superuser"
        path.write_text(password("superuser"), encoding="utf-8")
        path.chmod(0o644)
        return path

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [self._programs / program, *map(str, arguments)],
            check=True,
            user=self._user,
            cwd=self._folder,
            capture_output=True,
        )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        # Not captured: the server would hold the pipes open.
        subprocess.run(
            [self._programs / "pg_ctl", "-D", self._data, "-w", "-l", self._folder / "log", "-o", options, "start"],
            check=True,
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def sql(self, statements: list[str], database: str = "multi_agent") -> list[Any]:
        """Run statements as the superuser; the rows of the last one."""
        import psycopg  # noqa: PLC0415 - the module is also read where nothing is installed

        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="superuser",
            password=password("superuser"),
            dbname=database,
            autocommit=True,
        ) as connection:
            cursor = None
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor and cursor.description else []


class NatsServer:
    """A real nats-server with JetStream and a user for each part, with the permissions of the environment contract."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="reference-nats-"))
        self._config = self.folder / "nats.conf"
        self.passwords = {user: password(user) for user in USERS}
        self._popen: subprocess.Popen[bytes] | None = None
        self.start()

    @staticmethod
    def permissions(part: str) -> dict[str, Any]:
        """Publish and subscribe to its own subjects, ask those it calls, use the one stream, nothing else."""
        calls, _ = PARTS[part]
        api = [f"$JS.API.STREAM.{verb}.platform" for verb in ("INFO", "CREATE", "MSG.GET", "PURGE")]
        publish = [
            f"platform.{part}.>",
            *(f"platform.{callee}.>" for callee in calls),
            *(f"_INBOX.{caller}.>" for caller, (called, _) in PARTS.items() if part in called or part == caller),
            *api,
            "$JS.API.DIRECT.GET.platform.>",
        ]
        return {
            "publish": {"allow": publish},
            "subscribe": {"allow": [f"platform.{part}.>", f"_INBOX.{part}.>"]},
        }

    def start(self) -> None:
        users = [
            {"user": user, "password": secret, "permissions": self.permissions(user)}
            for user, secret in self.passwords.items()
        ]
        self._config.write_text(
            json.dumps(
                {
                    "host": "127.0.0.1",
                    "port": self.port,
                    "jetstream": {"store_dir": str(self.folder / "js")},
                    "authorization": {"users": users},
                }
            ),
            encoding="utf-8",
        )
        program = Path(sys.executable).parent / "nats-server"
        self._popen = subprocess.Popen([program, "-c", self._config, "-l", self.folder / "log"])
        eventually("nats-server listens", self._listens)

    def _listens(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def stop(self) -> None:
        if self._popen is not None:
            self._popen.terminate()
            self._popen.wait(10)
            self._popen = None

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Alive, connections open, and silent."""
        assert self._popen is not None
        self._popen.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._popen.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)


def dot(left: list[float], right: list[float]) -> float:
    """How alike two unit vectors are."""
    return sum(a * b for a, b in zip(left, right, strict=True))


class FakeQdrant:
    """The five calls of Qdrant's REST API that the service makes, in memory, under a key."""

    def __init__(self, key: str) -> None:
        self.collections: dict[str, dict[str, Any]] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def _do(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
                status, result = (
                    (401, None) if self.headers.get("api-key") != key else fake.do(self.command, self.path, body)
                )
                raw = json.dumps({"result": result, "status": "ok" if status == 200 else {"error": "no"}}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_PUT = do_POST = _do

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def do(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and result of one call."""
        name, _, rest = path.partition("?")[0].removeprefix("/collections/").partition("/")
        points = self.collections.get(name)
        if method == "PUT" and not rest:
            if points is not None:
                return 409, None
            self.collections[name] = {}
            return 200, True
        if points is None:
            return 404, None
        if method == "GET" and not rest:
            return 200, {"status": "green", "points_count": len(points)}
        if (method, rest) == ("PUT", "points"):
            points.update({point["id"]: point for point in body["points"]})
            return 200, {"status": "completed"}
        if (method, rest) == ("POST", "points/query"):
            near = sorted(points.values(), key=lambda point: -dot(point["vector"], body["query"]))
            return 200, {"points": [{"id": point["id"]} for point in near[: body["limit"]]]}
        if (method, rest) == ("POST", "points/delete"):
            for point in body["points"]:
                points.pop(point, None)
            return 200, {"status": "completed"}
        return 404, None

    def remove(self) -> None:
        self._server.shutdown()
        self._server.server_close()
