"""A command applies its own change alone: another one that waits in the inventory is left alone, or refused by name."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..conftest import Cluster, ended
from .test_verbs import Platform

NATS = "nats:2.14.3-alpine"
# Another image of a store, and another variable of a component.
PENDING: dict[str, Any] = {
    "platform_image_overrides": {"nats": NATS},
    "platform_services_overrides": {"tool": {"env": {"WAITING": "1"}}},
}
OTHER = (
    "nats: StatefulSet nats (configured)",
    f" -> {NATS}",
    "services: Deployment tool-service (configured)",
    "[WAITING]: + ",
    "make deploy",
)
LARGER: dict[str, Any] = {"platform_stores_overrides": {"qdrant": {"storage": {"size": "12Gi"}}}}
APPLIED = ("datastores", "nats", "services", "frontend")


@pytest.fixture(scope="module")
def platform(cluster: Cluster) -> Iterator[Platform]:
    made = Platform(cluster, f"pending-{secrets.token_hex(4)}")
    made.run("site")
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


def state(platform: Platform) -> dict[str, Any]:
    """Generations of what a command could have changed, the sizes of claims, and the credentials."""
    kinds = "deployments,statefulsets,services,networkpolicies,resourcequotas,persistentvolumeclaims,configmaps,secrets"
    items = platform.get(kinds)["items"]
    return {
        f"{item['kind']} {item['metadata']['name']}": (
            item["metadata"].get("generation"),
            item.get("data") or item.get("spec") if item["kind"] not in {"Deployment", "StatefulSet"} else "",
        )
        for item in items
        if item["metadata"]["name"] != "kube-root-ca.crt"
    }


def waits(platform: Platform) -> bool:
    """Whether the pending changes are not rolled out."""
    (store,) = platform.get("statefulset", "nats")["spec"]["template"]["spec"]["containers"]
    (tool,) = platform.get("deployment", "tool-service")["spec"]["template"]["spec"]["containers"]
    return store["image"] != NATS and "WAITING" not in {variable["name"] for variable in tool["env"]}


@pytest.mark.parametrize(
    ("playbook", "own"),
    [("rotate", {"rotate": "jwt,nats,qdrant", "rotate_overlap": 0}), ("expand_storage", LARGER)],
)
@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["", "check"])
def test_what_renders_the_inventory_refuses_by_name(
    platform: Platform, playbook: str, own: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    before = state(platform)
    said = platform.run(playbook, *arguments, expect=2, **PENDING, **own)
    # A volume's growth applies no tier of components.
    for words in OTHER if playbook == "rotate" else [*OTHER[:2], OTHER[-1]]:
        assert words in said
    assert "Nothing was changed" in said
    assert state(platform) == before


@pytest.mark.parametrize(
    ("playbook", "own"),
    [
        ("restart", {"part": "tool"}),
        ("restart", {"part": "nats"}),
        ("scale", {"part": "tool", "replicas": 3}),
        ("rollback", {}),
    ],
)
def test_what_does_not_render_it_leaves_it_alone(platform: Platform, playbook: str, own: dict[str, Any]) -> None:
    if playbook == "scale":
        platform.kubectl("delete", "hpa", "tool-service")
    if playbook == "rollback":
        platform.run("site", platform_image_overrides={"agent": "multi-agent/agent-service:2.0.0"})
    platform.run(playbook, **PENDING, **own)
    assert waits(platform)
    if playbook == "rollback":
        assert platform.image().endswith(":1.0.0")
    platform.run("site")


def test_a_teardown_applies_nothing_of_it(platform: Platform) -> None:
    said = platform.run("teardown", "--check", **PENDING)
    assert "Deployment tool-service" in said
    assert waits(platform)


def test_another_credential_of_the_inventory_is_pending(platform: Platform) -> None:
    given: dict[str, Any] = {"platform_credentials": {"openai_api_key": f"sk-{secrets.token_urlsafe(32)}"}}
    before = state(platform)
    said = platform.run("rotate", rotate="jwt", rotate_overlap=0, expect=2, **given)
    assert "services: Secret model-service-credentials (configured)" in said
    assert given["platform_credentials"]["openai_api_key"] not in said
    assert state(platform) == before


# --- what an interrupted command left is its own ----------------------------------------------------------------------


def play(platform: Platform, folder: Path, *tasks: dict[str, Any], **variables: Any) -> None:
    """A play of ``tasks`` alone, as a command leaves the cluster that ends after them."""
    role = {"ansible.builtin.import_role": {"name": "multi_agent.platform.platform"}}
    file = folder / "partly.yml"
    file.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [role, *tasks]}]))
    with platform._started(["ansible-playbook", str(file)], (), variables) as process:
        ended(process)


def apply(*tiers: str) -> dict[str, Any]:
    return {"multi_agent.platform.apply": {"tiers": list(tiers)}}


def rotate(step: str) -> dict[str, Any]:
    return {"multi_agent.platform.rotate": {"what": ["jwt", "nats"], "step": step}}


@pytest.mark.parametrize(
    "steps",
    [
        ("prepare",),
        ("prepare", "apply", "switch"),
        ("prepare", "apply", "switch", "apply", "retire"),
    ],
    ids=["prepared", "switched", "retired"],
)
def test_an_interrupted_rotation_goes_on_and_refuses_others(
    platform: Platform, tmp_path: Path, steps: tuple[str, ...]
) -> None:
    play(platform, tmp_path, *(apply(*APPLIED) if step == "apply" else rotate(step) for step in steps))
    before = state(platform)
    said = platform.run("rotate", rotate="jwt,nats", rotate_overlap=0, expect=2, **PENDING)
    assert "Deployment tool-service (configured)" in said
    assert state(platform) == before
    platform.run("rotate", rotate="jwt,nats", rotate_overlap=0)
    left = platform.get("secret", "platform-credentials")["data"]
    assert not [name for name in left if name.endswith(("_next", "_previous", "_retired"))]
    assert "nothing to change" in platform.plan(expect=0)


def test_a_rotation_that_applied_given_values_goes_on(platform: Platform, tmp_path: Path) -> None:
    given = {name: f"sk-{secrets.token_urlsafe(32)}" for name in ("openai_api_key", "anthropic_api_key")}
    # As a rotation of provider keys is after its first tiers.
    play(platform, tmp_path, apply("services"), platform_credentials=given)
    platform.run("rotate", rotate="ai", rotate_overlap=0, platform_credentials=given)
    live = platform.get("secret", "platform-credentials")["data"]
    assert {name: base64.b64decode(live[name]).decode() for name in given} == given
    assert "nothing to change" in platform.plan(expect=0)


def test_growth_after_a_kill_goes_on_and_refuses_others(platform: Platform, tmp_path: Path) -> None:
    """Killed between the deletion of a StatefulSet and its creation, the claims grown and the quota raised."""
    own = {**LARGER, "platform_wait": False}
    play(platform, tmp_path, apply("namespace"), **LARGER)
    patch = json.dumps({"spec": {"resources": {"requests": {"storage": "12Gi"}}}})
    platform.kubectl("patch", "persistentvolumeclaim", "data-qdrant-0", "--patch", patch)
    pod = platform.get("pod", "qdrant-0")["metadata"]["uid"]
    platform.kubectl("delete", "statefulset", "qdrant", "--cascade=orphan")
    qdrant: dict[str, Any] = {"platform_image_overrides": {"qdrant": "qdrant/qdrant:v1.18.99"}}
    said = platform.run("expand_storage", expect=2, **own, **qdrant)
    assert "datastores: StatefulSet qdrant (created)" in said
    assert "image: " in said
    assert len(platform.get("statefulsets")["items"]) == 2
    platform.run("expand_storage", **own)
    (template,) = platform.get("statefulset", "qdrant")["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "12Gi"
    assert platform.get("pod", "qdrant-0")["metadata"]["uid"] == pod
    assert "nothing to change" in platform.plan(expect=0, **LARGER)
    # The same is healed by a deployment.
    platform.kubectl("delete", "statefulset", "qdrant", "--cascade=orphan")
    platform.run("site", **LARGER)
    assert platform.get("pod", "qdrant-0")["metadata"]["uid"] == pod
    assert platform.get("statefulset", "qdrant")["status"]["readyReplicas"] == 1
