"""The golden manifests as a real API server takes them: strict fields, defaults, admission, no warning."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.golden import rendering

from .conftest import Cluster

pytestmark = pytest.mark.cluster

# Kinds of others, whose definitions a bare cluster has not.
FOREIGN = {"Certificate", "HTTPRoute"}
# What pods need before one is admitted.
SURROUNDINGS = ("PriorityClass", "ServiceAccount", "LimitRange")


def in_namespace(objects: list[dict[str, Any]], namespace: str) -> list[dict[str, Any]]:
    """Those that a bare cluster can take, moved to a namespace of the test's own."""
    return move([o for o in objects if o["kind"] not in FOREIGN], namespace)


def move(objects: list[dict[str, Any]], namespace: str) -> list[dict[str, Any]]:
    """The objects in another namespace."""
    moved = copy.deepcopy(objects)
    for obj in moved:
        if "namespace" in obj["metadata"]:
            obj["metadata"]["namespace"] = namespace
        if obj["kind"] == "Namespace":
            obj["metadata"]["name"] = namespace
    return moved


def dry_run(cluster: Cluster, objects: list[dict[str, Any]]) -> list[str]:
    """What the server would have done. Fails the test on an unknown or duplicate field and on any warning."""
    arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-"]
    return cluster.kubectl(*arguments, objects=objects).splitlines()


@pytest.fixture
def restricted(cluster: Cluster, namespace: str) -> str:
    """A namespace that enforces, audits and warns as the platform's does."""
    labels = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "audit", "warn")]
    cluster.kubectl("label", "namespace", namespace, *labels)
    return namespace


@pytest.mark.parametrize("case", rendering.CASES)
def test_the_server_takes_every_field_without_a_warning(cluster: Cluster, restricted: str, case: str) -> None:
    objects = in_namespace(rendering.load(case), restricted)
    if not objects:
        pytest.skip("all of its kinds need definitions of others")
    lines = dry_run(cluster, objects)
    assert len(lines) == len(objects)


@pytest.mark.parametrize("case", ["local", "prod"])
def test_pods_are_admitted(cluster: Cluster, restricted: str, case: str) -> None:
    objects = in_namespace(rendering.load(case), restricted)
    cluster.kubectl("apply", "--server-side", "-f", "-", objects=[o for o in objects if o["kind"] in SURROUNDINGS])
    pods = []
    for obj in objects:
        template = obj["spec"].get("template") if "spec" in obj else None
        if template:
            spec = copy.deepcopy(template["spec"])
            spec.setdefault("volumes", [])
            spec["volumes"] += [
                {"name": c["metadata"]["name"], "emptyDir": {}} for c in obj["spec"].get("volumeClaimTemplates", [])
            ]
            metadata = {**template["metadata"], "name": obj["metadata"]["name"], "namespace": restricted}
            pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    assert len(dry_run(cluster, pods)) == len(pods) == 12
