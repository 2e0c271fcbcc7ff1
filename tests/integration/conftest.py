"""What tests against a real API server share: one embedded cluster a session, one namespace a test."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_SECONDS = 120
PATIENCE_SECONDS = 300  # for a playbook


@contextmanager
def started(command: list[str], **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A program of this checkout that goes on, with more environment variables; it does not outlive the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | variables, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], expect: int = 0) -> tuple[str, str]:
    """Both streams of a program that ends by itself, and as expected."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == expect, out + err
    return out, err


def interrupted(process: subprocess.Popen[str], when: Callable[[], object]) -> str:
    """What a playbook says that is told to stop, by SIGINT, as soon as ``when`` holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and not when():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    return ended(process, 99)[1]


@dataclass(frozen=True)
class Cluster:
    """A running embedded cluster of this test session."""

    name: str
    kubeconfig: Path

    def kubectl(self, *arguments: str, objects: list[dict[str, Any]] | None = None, check: bool = True) -> str:
        """The standard output of kubectl; `objects` go in as a manifest. Fails the test with kubectl's own words."""
        command = [str(self._program("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}) if objects else None
        environment = os.environ | {"KUBECACHEDIR": str(self.kubeconfig.parent / "kubectl")}
        done = subprocess.run(
            command,
            input=manifest,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """What `kubectl get` answers, as data."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def get_config(self) -> dict[str, str]:
        """The cluster entry of the kubeconfig: `server` and `certificate-authority-data`."""
        config: dict[str, str] = yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]
        return config

    def _program(self, name: str) -> Path:
        return self.kubeconfig.parent / "kwok" / "clusters" / self.name / "bin" / name


def tools_cluster(*arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the cluster tool as a user would. Fails the test with the tool's own words."""
    foreign = ("CLUSTER_", "KUBECONFIG", "K8S_AUTH_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | variables
    done = subprocess.run(
        [sys.executable, "-m", "tools.cluster", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    if check and done.returncode != 0:
        pytest.fail(f"tools.cluster {' '.join(arguments)}: {done.stderr}")
    return done


@pytest.fixture(scope="session")
def make_cluster() -> Iterator[Callable[[], Cluster]]:
    """Makes clusters with names of their own; they are deleted when the session ends."""
    names: list[str] = []

    def make() -> Cluster:
        name = f"test-{secrets.token_hex(4)}"
        names.append(name)
        return Cluster(name, Path(tools_cluster("create", "--name", name).stdout.strip()))

    yield make
    for name in names:
        tools_cluster("delete", "--name", name)


@pytest.fixture(scope="session")
def cluster(make_cluster: Callable[[], Cluster]) -> Cluster:
    """The session's embedded cluster. Tests share it: each works in its own `namespace`."""
    return make_cluster()


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster) -> Path:
    return cluster.kubeconfig


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace; its deletion is not waited for."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
