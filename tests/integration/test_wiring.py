"""Runs that lead to another cluster than the inventory means are refused by a real API server's answers, unwritten."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT, Cluster, ended, started

pytestmark = pytest.mark.cluster

CLUSTER_ROLE = yaml.safe_load((ROOT / "docs" / "guide" / "deployer-cluster-role.yaml").read_text())


@pytest.fixture
def unused(cluster: Cluster) -> Any:
    """Name of a namespace that does not exist."""
    name = f"wire-{secrets.token_hex(4)}"
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def inventory(folder: Path, hosts: dict[str, Any], name: str = "fleet") -> str:
    """An inventory below a folder ``inventories``, with the platform of a developer; its path."""
    path = folder / "inventories" / name
    path.mkdir(parents=True)
    everything = {"platform_environment": "dev"}
    (path / "hosts.yml").write_text(json.dumps({"all": {"vars": everything, "hosts": hosts}}))
    return str(path)


def play(
    playbook: str, inventory: str, namespace: str, *arguments: str, env: Mapping[str, str], expect: int = 0
) -> str:
    """Both streams of a playbook, one line each."""
    command = ["ansible-playbook", playbook, "-i", inventory, "-e", f"platform_namespace={namespace}", *arguments]
    with started(command, **env, ANSIBLE_STDOUT_CALLBACK="multi_agent.platform.screen") as process:
        return "".join(ended(process, expect))


def token(cluster: Cluster, account: str) -> str:
    return cluster.kubectl("create", "token", account, "--namespace=default", "--duration=1h").strip()


@pytest.fixture(scope="module")
def awx(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What AWX's credential for a bearer token sets."""
    cluster.kubectl("create", "serviceaccount", "awx-wiring", "--namespace=default")
    subject = "--serviceaccount=default:awx-wiring"
    cluster.kubectl("create", "clusterrolebinding", "awx-wiring", "--clusterrole=cluster-admin", subject)
    return {
        "K8S_AUTH_HOST": cluster.get_config()["server"],
        "K8S_AUTH_API_KEY": token(cluster, "awx-wiring"),
        "K8S_AUTH_VERIFY_SSL": "False",
    }


def exists(cluster: Cluster, namespace: str) -> bool:
    return bool(cluster.kubectl("get", "namespace", namespace, "--ignore-not-found"))


def test_awx_credential_over_a_fleet_is_refused(
    cluster: Cluster, unused: str, awx: dict[str, str], tmp_path: Path
) -> None:
    hosts = {"eu": {"platform_context": "prod-eu"}, "us": {"platform_context": "prod-us"}}
    said = play("site.yml", inventory(tmp_path, hosts), unused, expect=2, env=awx)
    for context in ("prod-eu", "prod-us"):
        assert f"platform_context {context} leads nowhere" in said
    assert f"K8S_AUTH_HOST {awx['K8S_AUTH_HOST']} of the environment" in said
    assert awx["K8S_AUTH_API_KEY"] not in said
    assert not exists(cluster, unused)


@pytest.mark.parametrize("playbook", ["site.yml", "playbooks/teardown.yml", "playbooks/plan.yml"])
def test_two_silent_hosts_on_one_cluster_are_refused(
    playbook: str, cluster: Cluster, unused: str, awx: dict[str, str], tmp_path: Path
) -> None:
    said = play(playbook, inventory(tmp_path, {"eu": {}, "us": {}}), unused, expect=2, env=awx)
    assert "Hosts eu and us lead to one cluster" in said
    assert not exists(cluster, unused)


def test_two_names_of_one_cluster_are_refused_by_uid(
    cluster: Cluster, unused: str, awx: dict[str, str], tmp_path: Path
) -> None:
    key = awx["K8S_AUTH_API_KEY"]
    server = awx["K8S_AUTH_HOST"]
    alias = server.replace("127.0.0.1", "localhost")
    assert alias != server
    hosts = {"eu": {"platform_host": server}, "us": {"platform_host": alias}}
    fleet = inventory(tmp_path, hosts)
    login = {"K8S_AUTH_API_KEY": key, "K8S_AUTH_VERIFY_SSL": "False"}
    said = play("site.yml", fleet, unused, expect=2, env=login)
    uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
    assert f"(UID {uid})" in said
    assert alias in said
    assert key not in said
    assert not exists(cluster, unused)
    one = ("--limit", "us", "--tags", "namespace", "--check")
    assert "error" not in play("site.yml", fleet, unused, *one, env=login)


def test_another_cluster_behind_an_address_is_refused(
    cluster: Cluster, unused: str, awx: dict[str, str], tmp_path: Path
) -> None:
    uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
    fleet = inventory(tmp_path, {"eu": {}})
    said = play("site.yml", fleet, unused, "-e", "platform_cluster_uid=of-before", expect=2, env=awx)
    assert "platform_cluster_uid = of-before is another cluster" in said
    assert uid in said
    for playbook in ("restart", "teardown"):
        again = play(
            f"playbooks/{playbook}.yml", fleet, unused, "-e", "platform_cluster_uid=of-before", expect=2, env=awx
        )
        assert "platform_cluster_uid = of-before is another cluster" in again
    assert not exists(cluster, unused)
    play("site.yml", fleet, unused, "-e", f"platform_cluster_uid={uid}", "--tags=namespace", "--check", env=awx)


def test_another_inventory_is_refused_until_it_takes_over(
    cluster: Cluster, unused: str, awx: dict[str, str], tmp_path: Path
) -> None:
    first, qa = inventory(tmp_path, {"eu": {}}, "first"), inventory(tmp_path, {"eu": {}}, "qa")
    only = ("--tags", "namespace")
    play("site.yml", first, unused, *only, env=awx)
    secret = cluster.get("secret", "platform-credentials", "-n", unused)["data"]
    said = play("site.yml", qa, unused, *only, "-e", "platform_environment=local", expect=2, env=awx)
    assert "deployed by environment dev, host eu, inventory first; this is environment local, host eu" in said
    assert "-e platform_take_over=true" in said
    for playbook in ("restart", "rollback", "teardown"):
        assert "inventory first" in play(f"playbooks/{playbook}.yml", qa, unused, expect=2, env=awx)
    assert cluster.get("secret", "platform-credentials", "-n", unused)["data"] == secret
    # Nothing differs but the inventory: the take over is on record all the same.
    play("site.yml", qa, unused, *only, "-e", "platform_take_over=true", env=awx)
    play("site.yml", qa, unused, *only, env=awx)
    assert "inventory qa" in play("site.yml", first, unused, *only, expect=2, env=awx)
    listed = play("playbooks/releases.yml", qa, unused, env=awx)
    assert "ENVIRONMENT" in listed
    assert "qa/eu" in listed
    assert "taken over from environment dev, host eu, inventory first" in listed


def test_a_kubeconfig_from_a_vault_is_never_shown(
    cluster: Cluster, unused: str, awx: dict[str, str], tmp_path: Path
) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": awx["K8S_AUTH_API_KEY"]}}]
    for number, content in enumerate([config, yaml.safe_dump(config)]):
        fleet = inventory(tmp_path, {"eu": {"platform_kubeconfig": content}}, f"vault-{number}")
        only = ("--tags", "namespace", "-vvv", "-e", "platform_take_over=true")
        with started(
            ["ansible-playbook", "site.yml", "-i", fleet, "-e", f"platform_namespace={unused}", *only]
        ) as process:
            said = "".join(ended(process, 0))
        assert f"Cluster eu ({config['clusters'][0]['cluster']['server']}, context" in said
        assert awx["K8S_AUTH_API_KEY"] not in said


def test_a_user_who_may_not_read_the_uid_is_told(
    cluster: Cluster, namespace: str, awx: dict[str, str], tmp_path: Path
) -> None:
    cluster.kubectl("create", "serviceaccount", "poor", "--namespace=default")
    login = awx | {"K8S_AUTH_API_KEY": token(cluster, "poor")}
    fleet = inventory(tmp_path, {"eu": {}})
    uid = cluster.get("namespace", "kube-system")["metadata"]["uid"]
    wanted = ("-e", f"platform_cluster_uid={uid}")
    said = play("playbooks/restart.yml", fleet, namespace, *wanted, expect=2, env=login)
    assert "may not read the namespace kube-system" in said
    assert "deployer-cluster-role.yaml" in said
    cluster.kubectl("apply", "--filename=-", objects=[CLUSTER_ROLE])
    role = f"--clusterrole={CLUSTER_ROLE['metadata']['name']}"
    cluster.kubectl("create", "clusterrolebinding", "poor", role, "--serviceaccount=default:poor")
    said = play("playbooks/restart.yml", fleet, namespace, *wanted, expect=2, env=login)
    assert "kube-system" not in said
