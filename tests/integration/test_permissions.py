"""The Role that the guide gives is enough for runs and verbs, and what it lacks is said before anything is written."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT, Cluster, ended, started

pytestmark = pytest.mark.cluster

ROLE = yaml.safe_load((ROOT / "docs" / "guide" / "deployer-role.yaml").read_text())


@dataclass(frozen=True)
class User:
    """Somebody who has the Role in a namespace, and nothing else."""

    cluster: Cluster
    namespace: str
    kubeconfig: Path

    def play(self, *arguments: str, kubeconfig: Path | None = None, expect: int = 0) -> str:
        command = ["ansible-playbook", "-i", "inventories/local", "-e", f"platform_namespace={self.namespace}"]
        variables = {"K8S_AUTH_KUBECONFIG": str(kubeconfig or self.kubeconfig)}
        with started([*command, *arguments], **variables) as process:
            return "".join(ended(process, expect))

    def may(self, rules: list[dict[str, Any]]) -> None:
        """What the Role says from here on."""
        role = ROLE | {"metadata": ROLE["metadata"] | {"namespace": self.namespace}, "rules": rules}
        self.cluster.kubectl("apply", "--filename=-", objects=[role])


@pytest.fixture(scope="module")
def user(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    folder = tmp_path_factory.mktemp("user")
    made = User(cluster, f"may-{secrets.token_hex(4)}", folder / "kubeconfig")
    made.play("site.yml", "--tags", "namespace", kubeconfig=cluster.kubeconfig)
    within = ("--namespace", made.namespace)
    made.may(ROLE["rules"])
    cluster.kubectl(*within, "create", "serviceaccount", "deployer")
    account = f"--serviceaccount={made.namespace}:deployer"
    cluster.kubectl(*within, "create", "rolebinding", "deployer", f"--role={ROLE['metadata']['name']}", account)
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = cluster.kubectl(*within, "create", "token", "deployer", "--duration=2h").strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    made.kubeconfig.touch(0o600)
    made.kubeconfig.write_text(json.dumps(config))
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


def test_the_role_of_the_guide_is_enough(user: User) -> None:
    said = user.play("site.yml", "--skip-tags", "namespace")
    assert "WARNING" not in said
    assert "services: 42 created" in said
    assert "changed=0" in user.play("site.yml", "--skip-tags", "namespace")
    for playbook, words in (
        ("status", "11 of 11 ready"),
        ("check_health", "healthy"),
        ("check_health", "Not looked at, because this user may not: PriorityClass"),
        ("drift", "none."),
        ("releases", "done"),
        ("events", "TYPE"),
    ):
        assert words in user.play(f"playbooks/{playbook}.yml")
    user.play("playbooks/restart.yml", "-e", "part=agent")
    user.cluster.kubectl("--namespace", user.namespace, "delete", "hpa", "tool-service")
    user.play("playbooks/scale.yml", "-e", "part=tool replicas=3")
    user.cluster.kubectl("--namespace", user.namespace, "scale", "deployment/gateway-service", "--replicas=0")
    assert "has 0 pods, the minimum is 2" in user.play("playbooks/check_health.yml", expect=2)
    user.play("site.yml", "--skip-tags", "namespace")
    assert "healthy" in user.play("playbooks/check_health.yml")
    user.play("playbooks/rotate.yml", "-e", "rotate=jwt rotate_overlap=0", "--skip-tags", "namespace")
    said = user.play("site.yml", "--tags", "nats", "-e", "nats_max_payload=2Mi")
    assert "StatefulSet nats is proven" in said


def test_runtime_class_that_may_not_be_seen_is_noted(user: User) -> None:
    variables = {"platform_services_overrides": {"execution": {"runtime_class": "gvisor"}}}
    said = user.play("site.yml", "--check", "--tags", "services", "-e", json.dumps(variables))
    assert "This user may not list RuntimeClasses, so whether gvisor exists was not" in " ".join(said.split())


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("leases", "may not get/create/update/delete leases.coordination.k8s.io"),
        ("jobs", "jobs.batch"),
        ("pods", "may not get/list/delete pods"),
        ("networkpolicies", "networkpolicies.networking.k8s.io"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(user: User, resource: str, words: str) -> None:
    rules = [rule | {"resources": [r for r in rule["resources"] if r != resource]} for rule in ROLE["rules"]]
    user.may([rule for rule in rules if rule["resources"]])
    try:
        said = user.play("site.yml", "--skip-tags", "namespace", expect=2)
    finally:
        user.may(ROLE["rules"])
    assert words in " ".join(said.split())
    assert "nothing was written" in said
    assert "deployer-role.yaml" in said
