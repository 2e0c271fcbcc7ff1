"""Through ansible-playbook: Ctrl-C, an end from outside, a parent that is killed, a closed pipe."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import ROOT, Cluster
from .test_behaviour import deployment
from .test_steps import environment, write_project

pytestmark = pytest.mark.cluster

PATIENCE_SECONDS = 60
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a playbook that applies one Deployment, whose image can be pulled or not, and waits for it."""
    running: list[subprocess.Popen[str]] = []

    def play(image: str, *tasks: dict[str, Any]) -> subprocess.Popen[str]:
        apply = {
            "tier": "signals",
            "namespace": namespace,
            "kubeconfig": str(kubeconfig),
            "templates": [],
            "definition": [deployment(image=f"registry.example.test/app:{image}")],
        }
        file = write_project(tmp_path, [{"multi_agent.platform.apply": apply}, *tasks])
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(file)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=pipe, stderr=pipe, text=True)
        running.append(process)
        return process

    yield play
    for process in running:
        with contextlib.suppress(OSError):
            process.kill()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
        process.wait(PATIENCE_SECONDS)


def leases(cluster: Cluster, namespace: str) -> list[str]:
    return cluster.kubectl("--namespace", namespace, "get", "leases", "--output=name").split()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not seen: {what}"
        time.sleep(0.2)


def waits(cluster: Cluster, namespace: str) -> None:
    """Returns when the run holds its Lease and waits for the pod."""
    until(lambda: bool(leases(cluster, namespace)), "a Lease")
    until(lambda: "ImagePullBackOff" in cluster.kubectl("--namespace", namespace, "get", "pods"), "a pod")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_report_and_no_lease(
    cluster: Cluster, namespace: str, start: Start, number: signal.Signals
) -> None:
    process = start("broken-image")
    waits(cluster, namespace)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert f"Deployment web: still awaited when the run was stopped by {number.name}" in err, out + err
    assert "Deployment web: 0 of 1 pods are available" in err
    assert "container main: ImagePullBackOff: Back-off pulling image" in err
    assert "rerun to continue" in err
    assert process.returncode == (99 if number == signal.SIGINT else -signal.SIGTERM)
    assert leases(cluster, namespace) == []


def test_a_worker_does_not_outlive_its_parent(cluster: Cluster, namespace: str, start: Start) -> None:
    """It would hold the Lease for as long as it waits."""
    process = start("broken-image")
    waits(cluster, namespace)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)
    until(lambda: leases(cluster, namespace) == [], "the Lease given back")


def test_a_closed_pipe_ends_the_run(start: Start) -> None:
    """As `| head` closes it: ansible-core's thread that shows results dies of it, and would be waited for for ever."""
    process = start("v1", {"ansible.builtin.debug": {"msg": "x" * 200}, "loop": list(range(500))})
    assert process.stdout
    process.stdout.close()
    assert process.wait(PATIENCE_SECONDS) == -signal.SIGPIPE
