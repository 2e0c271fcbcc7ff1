"""The operator's verbs where they need real containers: logs, shells, forwarded ports, measured use."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .platform import ROOT, Platform

pytestmark = pytest.mark.slow

SECONDS = 90
SCREEN = {"ANSIBLE_STDOUT_CALLBACK": "multi_agent.platform.screen"}


@contextlib.contextmanager
def running(
    platform: Platform, playbook: str, environment: dict[str, str] | None = None, **variables: Any
) -> Iterator[subprocess.Popen[str]]:
    """A verb that goes on until it is interrupted; it has to end by that, and cleanly."""
    command, inherited = platform.command(f"playbooks/{playbook}.yml", **variables)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=inherited | SCREEN | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: to every process of the terminal
        rest = process.communicate(timeout=SECONDS)[0]
        assert "Traceback" not in rest, rest
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def until(process: subprocess.Popen[str], words: str) -> str:
    """The first line with these words."""
    assert process.stdout
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and (line := process.stdout.readline()):
        if words in line:
            return line
    raise AssertionError(f"{words!r} was not said")


def eventually(attempt: Callable[[], Any]) -> Any:
    """The first result that is no OSError."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def test_logs_are_told_apart_and_followed_across_a_restart(platform: Platform) -> None:
    output = platform.play("playbooks/logs.yml", part="tool", tail=3).output
    names = [pod["metadata"]["name"] for pod in platform.pods("tool-service")]
    assert all(f"{name}" in output for name in names)
    with running(platform, "logs", part="tool", tail=1, follow=True) as process:
        platform.kubectl("delete", "pod", names[0], "--wait=false")
        platform.kubectl("rollout", "status", "deployment/tool-service", f"--timeout={SECONDS}s")
        fresh = next(
            pod["metadata"]["name"] for pod in platform.pods("tool-service") if pod["metadata"]["name"] not in names
        )
        until(process, fresh)


def test_a_command_runs_in_the_pod_and_its_exit_code_counts(platform: Platform) -> None:
    assert "10001" in platform.play("playbooks/shell.yml", part="agent", command=["id", "-u"]).output
    assert (
        "exit code 3"
        in platform.play("playbooks/shell.yml", part="agent", command=["sh", "-c", "exit 3"], fails=True).output
    )


def test_a_shell_works_in_a_terminal(platform: Platform) -> None:
    mine, theirs = pty.openpty()
    command, inherited = platform.command("playbooks/shell.yml", part="agent")
    environment = inherited | SCREEN | {"PLATFORM_TERMINAL": os.ttyname(theirs)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        seen = ""
        end = time.monotonic() + SECONDS
        sent = False
        while time.monotonic() < end and "sum 42" not in seen:
            if select.select([mine], [], [], 1)[0]:
                seen += os.read(mine, 4096).decode()
            if not sent and seen.rstrip().endswith("$"):
                os.write(mine, b"echo sum $((6 * 7)); stty size\n")
                sent = True
        os.write(mine, b"exit\n")
        process.communicate(timeout=SECONDS)
    assert "sum 42" in seen
    assert process.returncode == 0


def test_default_ports_lead_to_every_part_and_outlive_a_restart(platform: Platform) -> None:
    def health() -> dict[str, Any]:
        with urllib.request.urlopen("http://127.0.0.1:3000/health", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def page() -> str:
        with urllib.request.urlopen("http://127.0.0.1:3001/", timeout=5) as answer:
            return str(answer.read().decode())

    def qdrant() -> int:
        with urllib.request.urlopen("http://127.0.0.1:6333/healthz", timeout=5) as answer:
            return int(answer.status)

    def greeting(port: int, first: bytes = b"") -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(first)
            return connection.recv(4)

    def half_closed() -> bytes:
        """As `nc -N` asks: it has said everything before the answer comes."""
        with socket.create_connection(("127.0.0.1", 3000), timeout=5) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(100)

    with running(platform, "port_forward") as process:
        until(process, "Ctrl-C ends it")
        assert health()
        assert "<html" in page()
        assert qdrant() == 200
        assert greeting(4222) == b"INFO"
        ssl_request = bytes([0, 0, 0, 8, 4, 210, 22, 47])
        assert greeting(5432, ssl_request)[:1] in {b"S", b"N"}
        assert half_closed().startswith(b"HTTP/1.1 200")
        platform.kubectl("delete", "pod", "--selector=app=gateway-service", "--wait=true")
        platform.kubectl("rollout", "status", "deployment/gateway-service", f"--timeout={SECONDS}s")
        assert eventually(health)
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 3000))


def test_use_is_measured_and_a_restart_waits(platform: Platform) -> None:
    assert "orchestration-service-" in platform.play("playbooks/top.yml").output
    before = {pod["metadata"]["uid"] for pod in platform.pods("tool-service")}
    platform.play("playbooks/restart.yml", part="tool")
    after = platform.pods("tool-service")
    assert not before & {pod["metadata"]["uid"] for pod in after}
    assert all(status["ready"] for pod in after for status in pod["status"]["containerStatuses"])
