"""Acknowledged messages outlive the loss of nodes: three NATS servers on three workers, killed one at a time.

A killed node is a killed container: processes and their network end at once, what the kernel has not written stays.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import conftest
from .containers import engine
from .platform import ARTIFACTS, ROOT, Platform

KILLS = int(os.environ.get("KIND_NATS_KILLS", "20"))
RATE = 40  # messages a second; the server tells of at most 100,000 subjects
DOWN_SECONDS = 8
BACK_SECONDS = 180
SERVERS = 3
STORES = {
    "postgres": {"resources": {"requests": {"cpu": "100m"}}, "storage": {"size": "1Gi"}},
    "qdrant": {"resources": {"requests": {"cpu": "100m"}}, "storage": {"size": "1Gi"}},
    "nats": {"replicas": SERVERS, "resources": {"requests": {"cpu": "50m"}}, "storage": {"size": "1Gi"}},
}
NAME = "publisher"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """NATS alone on a cluster of its own: a control plane that stays, three workers that are killed."""
    kept = os.environ.get("KIND_NATS_CLUSTER")
    name = kept or "kind-nats"
    cluster = Platform(name, ROOT / ".cluster" / name / "kubeconfig")
    there = bool(kept and cluster.kubeconfig.exists())
    description = yaml.safe_load((ROOT / "molecule" / "kind" / "cluster.yml").read_text())
    description["nodes"] = [description["nodes"][0]] + [{"role": "worker"}] * SERVERS
    file = tmp_path_factory.mktemp("kind") / "cluster.yml"
    file.write_text(yaml.safe_dump(description))
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    try:
        if not there:
            conftest.tool("create", name, str(file))
            cluster.play("molecule/kind/prepare.yml")
        cluster.play("site.yml", "--tags=namespace,netpol,nats", platform_stores_overrides=STORES)
        yield cluster
    finally:
        if not kept:
            conftest.tool("delete", name, str(file))


@pytest.fixture
def publisher(servers: Platform, tmp_path: Path) -> Iterator[str]:
    """A pod on the control plane that publishes until it is told to stop."""
    control_plane = servers.get("nodes", "--selector=node-role.kubernetes.io/control-plane")["items"][0]
    pod = _pod(control_plane["metadata"]["name"], _image(servers, tmp_path))
    servers.kubectl("delete", "pod", NAME, "--ignore-not-found", "--now")
    servers.kubectl("apply", "--filename=-", stdin=json.dumps(pod))
    try:
        servers.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=120s")
        yield NAME
    finally:
        servers.kubectl("delete", "pod", NAME, "--ignore-not-found", "--now")


def test_servers_run_on_nodes_of_their_own(servers: Platform) -> None:
    nodes = {pod["spec"]["nodeName"] for pod in servers.pods("nats")}
    assert len(nodes) == SERVERS
    assert not any("control-plane" in node for node in nodes)


def test_no_acknowledged_message_is_lost_with_a_node(servers: Platform, publisher: str) -> None:
    workers = sorted(pod["spec"]["nodeName"] for pod in servers.pods("nats"))
    _all_current(servers)
    for kill in range(KILLS):
        node = workers[kill % len(workers)]
        engine("kill", node)
        time.sleep(DOWN_SECONDS)
        engine("start", node)
        seconds = _all_current(servers)
        print(f"kill {kill + 1} of {KILLS}: {node} is back, all copies current after {seconds:.0f} s")
    servers.kubectl("exec", publisher, "--", "touch", "/tmp/stop")
    ended = "--for=jsonpath={.status.phase}=Succeeded"
    servers.kubectl("wait", ended, f"pod/{publisher}", "--timeout=120s")
    report = json.loads(servers.kubectl("logs", publisher).splitlines()[-1])
    (ARTIFACTS / "nats-durability.json").write_text(json.dumps(report, indent=2))
    print(json.dumps(report))
    assert report["acknowledged"] > KILLS * DOWN_SECONDS
    assert report["missing"] == []
    assert report["kept"] == report["acknowledged"]


def test_doctor_finds_a_stream_with_one_copy_until_it_has_three(servers: Platform, publisher: str) -> None:
    _all_current(servers)
    assert "Stream platform" not in _doctor(servers)
    command = ("exec", publisher, "--", "python3", "-c", _script(), "replicas")
    servers.kubectl(*command, "1")
    said = _doctor(servers)
    assert "Stream platform of NATS has 1 copy, and 3 are declared" in said
    assert "stream edit platform --replicas=3 --force" in said
    # A component may not do it, the user whom the doctor names may.
    servers.kubectl(*command, "3", "gateway", check=False)
    assert "Stream platform of NATS has 1 copy" in _doctor(servers)
    servers.kubectl(*command, "3")
    _all_current(servers)
    assert "Stream platform" not in _doctor(servers)


def _doctor(servers: Platform) -> str:
    run = servers.play("playbooks/doctor.yml", platform_stores_overrides=STORES)
    return " ".join(run.output.split())


def _all_current(servers: Platform) -> float:
    """Seconds until the stream has all its copies, and each is current."""
    begin, seen = time.monotonic(), ""
    while time.monotonic() - begin < BACK_SECONDS:
        command = ("exec", NAME, "--", "python3", "-c", _script(), "copies")
        seen = servers.kubectl("--request-timeout=30s", *command, check=False)
        state: dict[str, Any] = json.loads(seen) if seen else {"peers": []}
        current = [peer for peer in state["peers"] if peer["current"] and not peer["offline"]]
        if len(current) == SERVERS - 1:
            assert state["replicas"] == SERVERS
            return time.monotonic() - begin
        time.sleep(2)
    pytest.fail(f"the stream's copies are not all current after {BACK_SECONDS} s: {seen}")


def _script() -> str:
    return Path(__file__).with_name("publisher.py").read_text()


def _image(servers: Platform, folder: Path) -> str:
    """The gateway's, which has a client of NATS. Its tier is not deployed here, so it is rendered."""
    servers.play("site.yml", "--tags=services", platform_render_to=str(folder))
    documents = [doc for file in folder.rglob("*.yaml") for doc in yaml.safe_load_all(file.read_text()) if doc]
    (gateway,) = (d for d in documents if (d["kind"], d["metadata"]["name"]) == ("Deployment", "gateway-service"))
    return str(gateway["spec"]["template"]["spec"]["containers"][0]["image"])


def _pod(node: str, image: str) -> dict[str, Any]:
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        # Policies take it for the gateway.
        "metadata": {"name": NAME, "labels": {"app.kubernetes.io/instance": "gateway-service"}},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": NAME,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-c", _script()],
                    "envFrom": [{"configMapRef": {"name": "platform-config"}}],
                    "env": [
                        *(
                            {"name": name, "valueFrom": {"secretKeyRef": {"name": "platform-credentials", "key": key}}}
                            for name, key in (
                                ("NATS_PASSWORD", "nats_password_gateway"),
                                ("NATS_SYSTEM_PASSWORD", "nats_password_system"),
                            )
                        ),
                        {"name": "PUBLISH", "value": json.dumps({"rate": RATE})},
                    ],
                    "readinessProbe": {"exec": {"command": ["test", "-f", "/tmp/ready"]}, "periodSeconds": 2},
                    "securityContext": restricted,
                }
            ],
        },
    }
