"""An image of a store that does not read the data on its volume is refused; one that cannot be pulled is corrected."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import Cluster, ended, started

pytestmark = pytest.mark.cluster

HAD = {"postgres": "postgres:17.7", "qdrant": "qdrant/qdrant:v1.17.1", "nats": "nats:2.14.2-alpine"}
WRONG = {"postgres": "postgres:18.1", "qdrant": "qdrant/qdrant:v1.19.0", "nats": "nats:2.12.4"}
WORDS = {
    "postgres": "is Postgres 18, which does not read the data of Postgres 17",
    "qdrant": "1.17 -> 1.18 -> 1.19",
    "nats": "is NATS 2.12, and NATS 2.14 wrote the data",
}


@dataclass(frozen=True)
class Platform:
    """The stores of one namespace, deployed with the images of HAD."""

    cluster: Cluster
    namespace: str

    def play(self, playbook: str, *arguments: str, images: dict[str, str], expect: int = 0, **more: Any) -> str:
        extra = {"platform_namespace": self.namespace, "platform_image_overrides": images, **more}
        command = ["ansible-playbook", "-i", "inventories/local", playbook, "-e", json.dumps(extra), *arguments]
        with started(command, K8S_AUTH_KUBECONFIG=str(self.cluster.kubeconfig)) as process:
            return " ".join("".join(ended(process, expect)).split())

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments)


@pytest.fixture(scope="module")
def platform(cluster: Cluster) -> Iterator[Platform]:
    made = Platform(cluster, f"stores-{secrets.token_hex(4)}")
    made.play("site.yml", "--tags", "namespace,datastores,nats", images=HAD)
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


def refusals(text: str) -> set[str]:
    return {store for store, words in WORDS.items() if words in text}


@pytest.mark.parametrize("playbook", ["site.yml", "playbooks/plan.yml"])
def test_refused_before_anything_is_written(platform: Platform, playbook: str) -> None:
    text = platform.play(playbook, images=WRONG, expect=2)
    assert refusals(text) == set(WRONG)
    assert 'platform_image_overrides.postgres = "postgres:18.1"' in text
    assert "nothing was written" in text
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert platform.kubectl("get", "statefulset", "postgres", "--output", image) == HAD["postgres"]


def test_only_stores_of_the_chosen_tiers_are_checked(platform: Platform) -> None:
    text = platform.play("site.yml", "--check", "--tags", "nats", images=WRONG, expect=2)
    assert refusals(text) == {"nats"}
    platform.play("site.yml", "--check", "--tags", "namespace", images=WRONG)


def test_unchecked_store_passes(platform: Platform) -> None:
    unchecked: dict[str, Any] = {"platform_unchecked_store_versions": ["postgres", "qdrant"]}
    text = platform.play("site.yml", "--check", "--tags", "datastores", images=WRONG, **unchecked)
    assert "StatefulSet postgres would be configured" in text


def test_stuck_store_is_named_by_plan_and_replaced_by_a_run(platform: Platform) -> None:
    platform.kubectl("set", "image", "statefulset/postgres", "postgres=registry.example.test/postgres:broken-image")
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff"
    platform.kubectl("wait", "pod/postgres-0", f"--for={reason}", "--timeout=60s")
    words = "is of an earlier revision and cannot start (ImagePullBackOff); its volume stays"
    plan = platform.play("playbooks/plan.yml", "--tags", "datastores", images=HAD)
    assert f"± Pod postgres-0 (replaced) {words}" in plan
    report = Path(platform.cluster.kubeconfig).with_name("stuck.json")
    run = platform.play("site.yml", "--tags", "datastores", images=HAD, platform_result_file=str(report))
    assert f"datastores: Pod postgres-0 replaced: it {words}" in run
    (done,) = json.loads(report.read_text())["clusters"].values()
    replaced = {"namespace": platform.namespace, "name": "postgres-0", "reason": "ImagePullBackOff"}
    assert done["tiers"][0]["replaced_pods"] == [replaced]
    record = platform.kubectl("get", "configmaps", "--selector=multi-agent.platform/release", "--output=json")
    assert "replaced Pod postgres-0" in record


def test_volume_remembers_after_the_store_is_gone(platform: Platform) -> None:
    platform.play("playbooks/teardown.yml", images=HAD)
    assert platform.kubectl("get", "statefulsets", "--output=name") == ""
    text = platform.play("site.yml", "--check", "--tags", "namespace,datastores,nats", images=WRONG, expect=2)
    assert refusals(text) == set(WRONG)
    platform.kubectl("delete", "persistentvolumeclaim", "data-postgres-0")
    text = platform.play("site.yml", "--check", "--tags", "namespace,datastores,nats", images=WRONG, expect=2)
    assert refusals(text) == {"qdrant", "nats"}
