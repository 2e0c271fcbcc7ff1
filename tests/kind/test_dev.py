"""The inner loop on real pods: edit a file, see it served; nothing is left behind. A small platform of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .platform import ROOT, Platform

pytestmark = pytest.mark.slow

NAMESPACE = "dev-loop"
GATEWAY, FRONTEND, POSTGRES, NATS = 23000, 23001, 25432, 24222
STYLE = "reference_service/static/style.css"
SMALL = {"scaling": {"min_replicas": 1}, "resources": {"requests": {"memory": "64Mi"}}}
SYNC = {
    "paths": {"reference_service": "/app/reference_service"},
    "command": ["python", "-m", "reference_service.reload"],
}
ALONE: dict[str, Any] = dict.fromkeys(("orchestration", "agent", "tool", "model", "vector", "execution"))
SECONDS = 300


@dataclass
class Session:
    """A running `make dev`."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip("\n"))

    def awaits(self, pattern: str, since: int = 0, seconds: float = SECONDS) -> str:
        """The first line from ``since`` on that matches."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in self.lines[since:] if re.search(pattern, line)]
            return bool(found)

        eventually(look, seconds, lambda: f"no line like {pattern!r} in:\n" + "\n".join(self.lines[-60:]))
        return found[0]


def eventually(holds: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(why())
        time.sleep(0.1)


def served(port: int, path: str) -> str:
    """What is answered on a forwarded port, empty for nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except (urllib.error.URLError, OSError):
        return ""


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Platform:
    """One that is kept is used as it is; else the session's."""
    kept = os.environ.get("KIND_TEST_CLUSTER", "")
    kubeconfig = ROOT / ".cluster" / kept / "kubeconfig"
    if kept and kubeconfig.exists():
        return Platform(kept, kubeconfig)
    made: Platform = request.getfixturevalue("platform")
    return made


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Two parts, both the reference service: one that takes copies, and one that is built."""
    root = tmp_path / "sources"
    service = ROOT / "images" / "reference-service"
    subprocess.run(["make", "--no-print-directory", "-C", str(service), "wheels"], check=True, capture_output=True)
    for part in ("services/gateway", "frontend"):
        for name in ("wheels", "reference_service"):
            shutil.copytree(service / name, root / part / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Dockerfile", ".dockerignore", "requirements.lock"):
            shutil.copy(service / name, root / part / name)
    return root


@pytest.fixture
def start(cluster: Platform, sources: Path, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []
    variables = {
        "platform_namespace": NAMESPACE,
        "platform_source_dir": str(sources),
        "images_map": str(tmp_path / "images.yml"),
        "kind_overrides": {**ALONE, "gateway": {**SMALL, "calls": []}, "frontend": {**SMALL, "sync": SYNC}},
        "dev_ports": {"gateway": GATEWAY, "frontend": FRONTEND, "postgres": POSTGRES, "nats": NATS},
    }

    def run(**more: Any) -> Session:
        command, environment = cluster.command("")
        inventories = [argument for argument in command if argument.startswith("--inventory")]
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.dev", *inventories, "-e", json.dumps(variables | more)],
            cwd=ROOT,
            env=environment | {"PYTHONPATH": "collections"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        sessions.append(Session(process))
        return sessions[-1]

    yield run
    for session in sessions:
        if session.process.poll() is None:
            session.process.terminate()
            session.process.wait(30)
    # PriorityClasses stand outside of the namespace.
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false", namespace="default")
    names = [f"{NAMESPACE}-{kind}" for kind in ("data", "services")]
    cluster.kubectl("delete", "priorityclass", *names, "--ignore-not-found", namespace="default")


def pages(cluster: Platform) -> set[str]:
    """The frontend's pods that are not being deleted."""
    found = cluster.get("pods", "--selector=app=frontend", namespace=NAMESPACE)["items"]
    return {pod["metadata"]["name"] for pod in found if not pod["metadata"].get("deletionTimestamp")}


def test_edit_a_file_and_see_it_served(cluster: Platform, sources: Path, start: Callable[..., Session]) -> None:
    session = start()
    session.awaits(r"^Running after ", seconds=900)
    gateway, frontend = (sources / part for part in ("services/gateway", "frontend"))
    assert '"part": "gateway"' in served(GATEWAY, "/health")
    assert session.awaits(r"^gateway-\w{5} +\| .*\"serving\"")

    # A part that takes copies: no build, no new pod.
    pod = pages(cluster)
    mark = f"/* {time.time()} */\n"
    begin, since = time.monotonic(), len(session.lines)
    (frontend / STYLE).write_text(mark + (frontend / STYLE).read_text())
    eventually(
        lambda: served(FRONTEND, "/style.css").startswith(mark), SECONDS, lambda: "\n".join(session.lines[since:])
    )
    print(f"copied: served {time.monotonic() - begin:.1f} s after the edit; {session.awaits('without a build', since)}")
    assert pages(cluster) == pod

    # A pod that comes later has the copies too, and the forward leads to it.
    cluster.kubectl("delete", "pods", "-l", "app=frontend", "--wait=false", namespace=NAMESPACE)
    session.awaits(r"has the copied files too", since)
    eventually(
        lambda: served(FRONTEND, "/style.css").startswith(mark), SECONDS, lambda: "\n".join(session.lines[since:])
    )

    # A part that takes none: built and deployed, and no other part with it.
    pod = pages(cluster)
    web = gateway / "reference_service" / "web.py"
    begin, since = time.monotonic(), len(session.lines)
    edited = web.read_text().replace('"status": "ok"', '"status": "edited"')
    assert edited != web.read_text()
    web.write_text(edited)
    print(session.awaits(r"^gateway: running after ", since))
    eventually(lambda: '"status": "edited"' in served(GATEWAY, "/health"), SECONDS, lambda: served(GATEWAY, "/health"))
    print(f"built: served {time.monotonic() - begin:.1f} s after the edit")
    assert not [line for line in session.lines[since:] if "frontend: built" in line]
    assert pages(cluster) == pod

    # What cannot be built is said, and the loop goes on.
    since = len(session.lines)
    dockerfile = (gateway / "Dockerfile").read_text()
    (gateway / "Dockerfile").write_text("FROM nowhere.invalid/x:1\n")
    session.awaits(r"gateway: build failed", since)
    assert '"status": "edited"' in served(GATEWAY, "/health")
    (gateway / "Dockerfile").write_text(dockerfile)
    session.awaits(r"^gateway: the image is the same|^gateway: running after ", len(session.lines) - 1)

    # Ctrl-C in the terminal of a make: to the whole group. Nothing runs on, no port is held.
    os.killpg(session.process.pid, signal.SIGINT)
    assert session.process.wait(30) == 0
    group = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    left = [line for line in group.splitlines() if line.split()[0] == str(session.process.pid) and " Z" not in line]
    assert not left
    assert not served(GATEWAY, "/health")
    # A loop that is started again builds what was only copied, and finds everything else built.
    again = start()
    again.awaits(r"^Running after ")
    assert all("frontend: built" in line for line in again.lines if ": built in" in line), again.lines


def test_a_port_in_use_is_said_before_anything_is_built(start: Callable[..., Session]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", NATS))
        taken.listen()
        session = start()
        assert session.process.wait(60) == 1
    said = "\n".join(session.lines)
    assert f"Port {NATS} for nats is in use" in said
    assert "make dev PORTS=" in said
    assert "built" not in said
    assert "Traceback" not in said
