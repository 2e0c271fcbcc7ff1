"""The platform's graph as the catalogue has it, started as local processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ALL = ("postgres", "nats")
# part: (calls, uses)
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "model": ((), ALL),
    "tool": ((), ALL),
    "execution": ((), ALL),
    "vector": ((), (*ALL, "qdrant")),
    "agent": (("model", "tool"), ALL),
    "orchestration": (("agent", "tool", "model", "vector", "execution"), ALL),
    "gateway": (("orchestration",), ALL),
    "frontend": (("gateway",), ()),
}
USERS = tuple(part for part, (_, uses) in PARTS.items() if uses)
JWT_SECRET = "a-secret-of-the-tests-of-enough-length"


def password(user: str) -> str:
    """What tests give a user; recognisable, so that a leak is found."""
    return f"hush-{user}-hush"


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


def http(url: str, method: str = "GET", body: Any = None, timeout: float = 15, **headers: str) -> Answer:
    """Ask; raises only where nobody answers."""
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        names["content-type"] = "application/json"
    request = urllib.request.Request(url, data, names, method=method)  # noqa: S310 - always http
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            return Answer(response.status, response.read(), {k.lower(): v for k, v in response.headers.items()})
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(), {k.lower(): v for k, v in error.headers.items()})


def eventually(what: str, true: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until something is so, and return it; fails with `what`."""
    end = time.monotonic() + seconds
    while True:
        try:
            if value := true():
                return value
        except OSError:
            pass
        if time.monotonic() > end:
            raise AssertionError(f"not so within {seconds:g} s: {what}")
        time.sleep(0.05)


@dataclass
class Process:
    """One part as a local process."""

    name: str
    port: int
    environment: dict[str, str]
    log: Path
    popen: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Process:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "reference_service"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        return self

    def ready(self) -> bool:
        return http(f"{self.url}/ready", timeout=2).status == 200

    def wait_ready(self, seconds: float = 30) -> Process:
        eventually(f"{self.name} is ready; its log: {self.log}", self.ready, seconds)
        return self

    def signal(self, number: int = signal.SIGTERM) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        assert self.popen is not None
        return self.popen.wait(seconds)

    def stop(self) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def memory(self) -> float:
        """Resident memory in MiB."""
        assert self.popen is not None
        status = Path(f"/proc/{self.popen.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def entries(self) -> list[dict[str, Any]]:
        """The log; a line that is no JSON object is an error."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@dataclass
class Stores:
    """Where the stores of a test answer; credentials as files in `folder`."""

    folder: Path
    postgres: int = 1
    nats: int = 1
    qdrant: int = 1
    qdrant_key: str = "hush-qdrant-hush"

    def credential(self, part: str, key: str, value: str) -> Path:
        path = self.folder / part / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n", encoding="utf-8")
        return path


@dataclass
class Platform:
    """The parts of a test, by name."""

    stores: Stores
    folder: Path
    extra: dict[str, dict[str, str]] = field(default_factory=dict)
    parts: dict[str, Process] = field(default_factory=dict)

    def make(self, name: str, port: int, ports: dict[str, int], label: str = "") -> Process:
        """A process that plays `name`; not started yet."""
        calls, uses = PARTS[name]
        stores = self.stores
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONUNBUFFERED": "1",
            "SERVICE_NAME": name,
            "SERVICE_VERSION": "1.0.0",
            "PORT": str(port),
            "SERVICE_CALLS": ",".join(calls),
            "SERVICE_USES": ",".join(uses),
            "PLATFORM_ENVIRONMENT": "test",
            "LOG_LEVEL": "info",
            "POD_NAME": f"{name}-{label or '1'}",
            "POD_NAMESPACE": "multi-agent",
            "NODE_NAME": "here",
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(stores.postgres),
            "POSTGRES_DB": "multi_agent",
            "NATS_URL": f"nats://127.0.0.1:{stores.nats}",
            "QDRANT_URL": f"http://127.0.0.1:{stores.qdrant}",
            "DRAIN_SECONDS": "1",
            "GRACE_SECONDS": "10",
            **{f"{n.upper()}_SERVICE_URL": f"http://127.0.0.1:{p}" for n, p in ports.items()},
        }
        secrets = {}
        if "postgres" in uses:
            secrets |= {"POSTGRES_USER": name, "POSTGRES_PASSWORD": password(name)}
        if "nats" in uses:
            secrets |= {"NATS_USER": name, "NATS_PASSWORD": password(name)}
        if "qdrant" in uses:
            secrets["QDRANT_API_KEY"] = stores.qdrant_key
        if name == "gateway":
            secrets["JWT_SECRET"] = JWT_SECRET
        if name in {"agent", "model"}:
            secrets |= {"OPENAI_API_KEY": "hush-openai-hush", "ANTHROPIC_API_KEY": "hush-anthropic-hush"}
        for key, value in secrets.items():
            environment[f"{key}_FILE"] = str(stores.credential(name, key, value))
        environment |= self.extra.get(name, {})
        return Process(name, port, environment, self.folder / f"{name}{label}.log")

    def __getitem__(self, name: str) -> Process:
        return self.parts[name]


@contextmanager
def running(
    stores: Stores,
    folder: Path,
    extra: dict[str, dict[str, str]] | None = None,
    given_ports: dict[str, int] | None = None,
) -> Iterator[Platform]:
    """All eight parts, ready; `extra` environment and ports by part where a test has to know them before."""
    platform = Platform(stores, folder, extra or {})
    ports = {name: free_port() for name in PARTS} | (given_ports or {})
    for name in PARTS:
        platform.parts[name] = platform.make(name, ports[name], ports)
    try:
        # In the wrong order on purpose: a start waits for what it needs.
        for name in reversed(PARTS):
            platform[name].start()
        for process in platform.parts.values():
            process.wait_ready(60)
        yield platform
    finally:
        for process in platform.parts.values():
            process.stop()
