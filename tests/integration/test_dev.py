"""What the inner loop refuses before it builds anything. What it does is tested on real pods, in tests/kind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, Cluster


def loop(kubeconfig: Path, *inventories: str, **variables: Any) -> str:
    """Both streams of a loop that ends by itself, with exit code 1 or Ansible's 2."""
    arguments = [part for inventory in inventories or ("local",) for part in ("-i", f"inventories/{inventory}")]
    done = subprocess.run(
        [sys.executable, "-m", "tools.dev", *arguments, "-e", json.dumps({"dev_ports": {}, **variables})],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "collections", "K8S_AUTH_KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode in {1, 2}, output
    assert "Traceback" not in output
    assert "built in" not in output
    return output


def test_pods_that_are_not_real(cluster: Cluster) -> None:
    output = loop(cluster.kubeconfig)
    assert "The pods of this cluster are not real" in output
    assert "make dev CLUSTER_NAME=dev" in output


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output = loop(tmp_path / "kubeconfig", dev_ports={"gateway": port})
    assert f"Port {port} for gateway is in use on this machine" in output
    assert "make dev PORTS=" in output


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    assert "kubeconfig" in loop(tmp_path / "kubeconfig")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"dev_ports": {"gatway": 3000}}, 'dev_ports.gatway: there is no such part.\nDid you mean "gateway"'),
        ({"dev_ports": {"gateway": "http"}}, "dev_ports.gateway = http is no port"),
        ({"dev_ports": {"gateway": 70000}}, "dev_ports.gateway = 70000 is no port"),
        ({"platform_source_dir": "/nowhere"}, "there is no such folder"),
        (
            {"platform_services_overrides": {"agent": {"sync": {"paths": {"../x": "/app"}}}}},
            "is no folder of the sources",
        ),
        ({"platform_services_overrides": {"agent": {"sync": {"command": ["x"]}}}}, "names no folder"),
    ],
)
def test_bad_input(tmp_path: Path, variables: dict[str, Any], says: str) -> None:
    assert says in loop(tmp_path / "kubeconfig", **variables)


def test_more_than_one_cluster(tmp_path: Path) -> None:
    output = loop(tmp_path / "kubeconfig", "local", "dev")
    assert "The inner loop works on one cluster, and 2 were chosen: " in output
