"""Probe pods: what they carry, what they may do, and what becomes of them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.verify import probe as program
from ansible_collections.multi_agent.platform.plugins.module_utils.verify import probes
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.probes import Image, Probe, manifest

IMAGE = Image("example.org/python:3", "IfNotPresent", ("login",))


@pytest.fixture
def job() -> probes.Object:
    wanted = Probe("agent-service", "agents", "agent-service", {"doors": []}, "agent-service-credentials", "config")
    return manifest(wanted, IMAGE, "abc")


def test_policies_see_the_part_and_services_do_not(job: probes.Object) -> None:
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "agent-service"
    assert "app" not in labels


def test_nobody_s_probe_carries_no_instance() -> None:
    job = manifest(Probe("(no part)", "agents", "", {}), IMAGE, "abc")
    assert "app.kubernetes.io/instance" not in job["spec"]["template"]["metadata"]["labels"]


def test_a_probe_that_nobody_removes_ends_and_goes(job: probes.Object) -> None:
    assert job["spec"]["activeDeadlineSeconds"] + job["spec"]["ttlSecondsAfterFinished"] <= 240
    assert job["spec"]["backoffLimit"] == 0


def test_pods_meet_the_restricted_standard_and_hold_no_token(job: probes.Object) -> None:
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["resources"]["limits"].keys() == {"cpu", "memory", "ephemeral-storage"}


def test_the_order_arrives_and_no_secret_is_in_the_manifest(job: probes.Object) -> None:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert json.loads(container["env"][0]["value"]) == {"doors": []}
    assert "secretKeyRef" not in json.dumps(job)


def test_the_program_needs_python_alone() -> None:
    tree = ast.parse(Path(str(program.__file__)).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


def test_doors_are_told_apart() -> None:
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert program.connects("127.0.0.1", port) == ""
    assert program.connects("127.0.0.1", port)
    assert program.connects("localhost", 0) == ""
