"""Real PostgreSQL and NATS on loopback, an S3 server, and the calls of Qdrant that backups make."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PASSWORD = "a password of tests"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def eventually(ready: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "not ready in time"
        time.sleep(0.1)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def postgres_programs() -> Path | None:
    """The folder of Debian's newest PostgreSQL server, if one is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Postgres:
    """A cluster in a temporary folder, with the platform's database."""

    def __init__(self, programs: Path) -> None:
        self.programs, self.port = programs, free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="backup-postgres-"))
        # initdb refuses to run as root, which is what a container's tests usually are.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data = self._folder / "data"
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}", "-N")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        # Not captured: the server would hold the pipes open.
        command = [programs / "pg_ctl", "-D", data, "-w", "-l", self._folder / "log", "-o", options, "start"]
        subprocess.run(command, check=True, user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL)
        self._data = data

    def _run(self, program: str, *arguments: object) -> None:
        command = [self.programs / program, *map(str, arguments)]
        subprocess.run(command, check=True, user=self._user, cwd=self._folder, capture_output=True)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)


class Nats:
    """nats-server with JetStream, in a temporary folder."""

    def __init__(self, program: str) -> None:
        self.port = free_port()
        self._folder = tempfile.mkdtemp(prefix="backup-nats-")
        command = [program, "--jetstream", f"--store_dir={self._folder}", f"--port={self.port}", "--addr=127.0.0.1"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        eventually(lambda: listens(self.port))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Qdrant:
    """Collections, points, snapshots and aliases, in memory. ``points``: collection -> list of points.

    ``nodes``: all of its cluster; each holds the points of its own shards and counts those of all.
    ``written``: how many times a point comes while a snapshot is made, as soon as it has its points.
    ``fetched``: whether one comes while a snapshot is downloaded.
    """

    def __init__(self) -> None:
        self.nodes = [self]
        self.written, self.fetched = 0, False
        self.points: dict[str, list[Any]] = {}
        self.aliases: list[dict[str, str]] = []
        self.snapshots: dict[str, bytes] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_arguments: object) -> None:
                """Nothing."""

            def _answer(self, result: Any, status: int = 200) -> None:
                data = result if isinstance(result, bytes) else json.dumps({"result": result}).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                assert self.headers["api-key"] == PASSWORD
                path = self.path.partition("?")[0]
                match = re.fullmatch(r"/collections/([^/]+)(.*)", path)
                name, rest = (match[1], match[2]) if match else ("", "")
                if path == "/":
                    self._answer(b'{"version": "1.19.0"}')
                elif path == "/aliases":
                    self._answer({"aliases": outer.aliases})
                elif path == "/collections/aliases":
                    for action in json.loads(body)["actions"]:
                        outer.change_alias(**action)
                    self._answer(True)
                elif path == "/collections":
                    self._answer({"collections": [{"name": known} for known in outer.points]})
                elif rest == "/points/count":
                    self._answer({"count": sum(len(node.points.get(name, [])) for node in outer.nodes)})
                elif rest == "/snapshots" and self.command == "POST":
                    self._answer({"name": outer.make_snapshot(name)})
                elif rest == "/snapshots/one":
                    self._answer(
                        outer.give_snapshot(name) if self.command == "GET" else bool(outer.snapshots.pop("one"))
                    )
                elif rest == "/snapshots/upload":
                    outer.points[name] = json.loads(body.partition(b"\r\n\r\n")[2].split(b"\r\n--")[0])
                    self._answer(True)
                elif not rest and self.command == "DELETE":
                    gone = [node.points.pop(name, None) for node in outer.nodes]
                    self._answer(any(gone))
                else:
                    self._answer({}, 404)

            do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def make_snapshot(self, collection: str) -> str:
        """Its name."""
        self.snapshots["one"] = json.dumps(self.points[collection]).encode()
        if self.written:
            self.written -= 1
            self.points[collection].append(0)
        return "one"

    def give_snapshot(self, collection: str) -> bytes:
        """What is in it."""
        if self.fetched:
            self.points[collection].append(0)
        return self.snapshots["one"]

    def change_alias(
        self, create_alias: dict[str, str] | None = None, delete_alias: dict[str, str] | None = None
    ) -> None:
        """One action of a request."""
        name = (create_alias or delete_alias or {})["alias_name"]
        self.aliases = [alias for alias in self.aliases if alias["alias_name"] != name]
        if create_alias:
            self.aliases.append(create_alias)

    def stop(self) -> None:
        self._server.shutdown()
