"""The way back: after a failed release, of tiers with data, and over volumes that have grown since."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from ..conftest import Cluster
from .test_verbs import Platform

NATS: dict[str, Any] = {"platform_image_overrides": {"nats": "nats:2.14.3-alpine"}}
LARGER: dict[str, Any] = {"platform_stores_overrides": {"qdrant": {"storage": {"size": "20Gi"}}}}


@pytest.fixture
def platform(cluster: Cluster) -> Iterator[Platform]:
    made = Platform(cluster, f"back-{secrets.token_hex(4)}")
    made.run("site")
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


def image(platform: Platform) -> str:
    (container,) = platform.get("statefulset", "nats")["spec"]["template"]["spec"]["containers"]
    found: str = container["image"]
    return found


def claims(platform: Platform) -> dict[str, tuple[str, str]]:
    """Name -> UID and requested size."""
    return {
        item["metadata"]["name"]: (item["metadata"]["uid"], item["spec"]["resources"]["requests"]["storage"])
        for item in platform.get("persistentvolumeclaims")["items"]
    }


def fails(platform: Platform, tier: str) -> None:
    """The last release is on record as failed in ``tier``, as a store that does not become ready leaves it."""
    last = platform.releases()[-1]
    last["changes"][tier]["failed"] = "not ready"
    patch = json.dumps({"data": {"release.json": json.dumps(last)}})
    platform.kubectl("patch", "configmap", f"release-{last['number']}", "--patch", patch)


def test_a_failed_release_of_a_store_is_brought_back_by_name(platform: Platform) -> None:
    before, volumes = image(platform), claims(platform)
    platform.run("site", "--tags", "nats", **NATS)
    fails(platform, "nats")
    refused = platform.run("rollback", expect=2)
    assert "Release 2, which failed, differs from release 1 only in tiers that hold data" in refused
    assert "nats (StatefulSet nats)" in refused
    assert "`make rollback TO=1 TIERS=nats`" in refused
    playbook = "ansible-playbook playbooks/rollback.yml -i inventories/local -e rollback_to=1 -e rollback_tiers=nats"
    assert playbook in refused
    assert image(platform) != before
    assert platform.releases()[-1]["number"] == 2

    platform.run("rollback", rollback_to="1", rollback_tiers="nats")
    assert image(platform) == before
    assert claims(platform) == volumes
    last = platform.releases()[-1]
    assert (last["number"], last["changes"].keys()) == (3, {"nats"})


def test_named_tiers_come_back_and_no_others(platform: Platform) -> None:
    before = image(platform)
    both: dict[str, Any] = {
        "platform_image_overrides": {**NATS["platform_image_overrides"], "agent": "multi-agent/agent-service:2.0.0"}
    }
    platform.run("site", **both)
    said = platform.run("rollback")
    assert "Tiers that hold data stay as they are: nats (StatefulSet nats). To bring them back: `make rollback" in said
    assert platform.image().endswith(":1.0.0")
    assert image(platform) != before
    platform.run("site", **both)
    platform.run("rollback", rollback_to=1, rollback_tiers="nats")
    assert image(platform) == before
    assert platform.image().endswith(":2.0.0")
    platform.run("site", **both)
    assert "rollback_data_tiers will be removed" in platform.run(
        "rollback", rollback_to=1, rollback_data_tiers=["nats"]
    )
    assert image(platform) == before
    assert platform.image().endswith(":1.0.0")


def test_a_rollback_to_before_a_volume_grew_shrinks_nothing(platform: Platform) -> None:
    platform.run("expand_storage", platform_wait=False, **LARGER)
    volumes = claims(platform)
    said = platform.run("rollback", rollback_to=1, rollback_tiers="all")
    assert "ResourceQuota platform keeps requests.storage at 40Gi, as so much is in use; the release has 30Gi." in said
    assert "StatefulSet qdrant keeps its volumes of 20Gi; the release has 10Gi." in said
    assert platform.get("resourcequota", "platform")["spec"]["hard"]["requests.storage"] == "40Gi"
    (template,) = platform.get("statefulset", "qdrant")["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert claims(platform) == volumes
    # What stays is on record: it is neither drift nor a change of the inventory that still has it.
    assert "none." in platform.run("drift", drift_fail=True)
    platform.run("site", **LARGER)
    assert claims(platform) == volumes
