"""All tiers in one task of the site: tags choose among them, a role works alone, all render before one is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT, Cluster

pytestmark = pytest.mark.cluster

NAMESPACE = "one-task"
APPLY = "multi_agent.platform.apply"


def play(cluster: Cluster, playbook: Path | str, *arguments: str, expect: int = 0) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", "inventories/local",
         "-e", f"platform_namespace={NAMESPACE} platform_wait=false", *arguments],
        cwd=ROOT, env=os.environ | {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_play(folder: Path, *tasks: dict[str, Any]) -> Path:
    shared = {"ansible.builtin.import_role": {"name": "multi_agent.platform.platform", "tasks_from": "variables"}}
    file = folder / "play.yml"
    file.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [shared, *tasks]}]))
    return file


def tiers(cluster: Cluster) -> set[str]:
    """The tiers that were written, by the parents of their sets."""
    found = cluster.get(f"--namespace={NAMESPACE}", "configmaps", "--selector=applyset.kubernetes.io/id")["items"]
    return {parent["metadata"]["name"].removeprefix("applyset-") for parent in found}


def test_tags_choose_tiers_and_a_role_alone_finds_the_same(cluster: Cluster, tmp_path: Path) -> None:
    early = play(cluster, "site.yml", "--tags", "services", expect=2)
    assert "Run the tier that writes it first" in early
    assert not cluster.get("namespaces", f"--field-selector=metadata.name={NAMESPACE}")["items"]

    report = tmp_path / "result.json"
    play(cluster, "site.yml", "--tags", "namespace,netpol,services", "-e", f"platform_result_file={report}")
    assert tiers(cluster) == {"namespace", "netpol", "services"}
    (done,) = json.loads(report.read_text())["clusters"].values()
    assert [tier["tier"] for tier in done["tiers"]] == ["namespace", "netpol", "services"]

    assert "changed=0" in play(cluster, "site.yml", "--tags", "namespace,netpol,services")
    assert "changed=0" in play(cluster, "site.yml", "--tags", "services,netpol", "--skip-tags", "netpol")
    within = f"--namespace={NAMESPACE}"
    cluster.kubectl(within, "delete", "networkpolicies", "--all")
    cluster.kubectl(within, "delete", "service", "agent-service")
    skipping = ("--skip-tags", "netpol,datastores,nats,backup,frontend,ingress")
    assert "Service agent-service created" in play(cluster, "site.yml", *skipping)
    assert not cluster.get(within, "networkpolicies")["items"]
    assert "No tier is left" in play(cluster, "site.yml", "--tags", "servces", "-v")
    assert "No tier is left" in play(cluster, "playbooks/plan.yml", "--tags", "servces", expect=2)
    play(cluster, "site.yml", "--tags", "netpol")
    for role in ("namespace", "netpol", "services"):
        alone = write_play(tmp_path, {"ansible.builtin.import_role": {"name": f"multi_agent.platform.{role}"}})
        assert "changed=0" in play(cluster, alone)
    assert tiers(cluster) == {"namespace", "netpol", "services"}


def test_nothing_is_written_where_a_later_tier_does_not_render(cluster: Cluster, tmp_path: Path) -> None:
    before = tiers(cluster)
    task = {APPLY: {"tiers": ["ingress", "frontend"]}, "vars": {"frontend_cache_size": "{{ nowhere }}"}}
    assert "nowhere" in play(cluster, write_play(tmp_path, task), expect=2)
    assert tiers(cluster) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tiers": ["namespace", "nobodys"]}, "nobodys is none of the collection's"),
        ({"tiers": ["namespace"], "tier": "namespace"}, "mutually exclusive"),
        ({"tiers": ["namespace"], "templates": ["x.yaml.j2"]}, "mutually exclusive"),
        ({}, "one of the following is required"),
    ],
    ids=["unknown", "both", "templates", "neither"],
)
def test_options_that_cannot_be(cluster: Cluster, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    assert words in play(cluster, write_play(tmp_path, {APPLY: options}), expect=2)
