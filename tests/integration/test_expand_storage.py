"""A store's volumes grow by the playbook, and never on the way of the site."""

import json
import os
import subprocess

import pytest

from tests.integration.conftest import ROOT, Cluster

pytestmark = pytest.mark.cluster

SMALL, LARGE = (
    "-e" + json.dumps({"platform_stores_overrides": {"qdrant": {"storage": {"size": size}}}})
    for size in ("10Gi", "20Gi")
)


def play(cluster: Cluster, *arguments: str, expect: int = 0) -> str:
    done = subprocess.run(
        # The API server takes the larger request; the simulated provisioner reports no new capacity to wait for.
        [
            "ansible-playbook",
            "-i",
            "inventories/local",
            "-e",
            "platform_namespace=grow platform_wait=false",
            *arguments,
        ],
        cwd=ROOT,
        env=os.environ | {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_claims_grow_and_the_set_is_made_anew_around_its_pods(cluster: Cluster) -> None:
    play(cluster, "site.yml", "--tags", "namespace,datastores", SMALL)
    cluster.kubectl("--namespace=grow", "wait", "--for=condition=Ready", "pod/qdrant-0", "--timeout=120s")
    pod = cluster.get("--namespace=grow", "pod", "qdrant-0")["metadata"]["uid"]
    before = cluster.get("--namespace=grow", "statefulset", "qdrant")["metadata"]["uid"]

    refused = play(cluster, "site.yml", "--tags", "datastores", LARGE, expect=2)
    assert "expand_storage" in refused
    assert cluster.get("--namespace=grow", "statefulset", "qdrant")["metadata"]["uid"] == before

    play(cluster, "playbooks/expand_storage.yml", "--check", "--tags", "always", LARGE)
    assert cluster.get("--namespace=grow", "statefulset", "qdrant")["metadata"]["uid"] == before

    play(cluster, "playbooks/expand_storage.yml", "--tags", "always,namespace,datastores", LARGE)
    (claim,) = cluster.get("--namespace=grow", "pvc", "--selector=app=qdrant")["items"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    after = cluster.get("--namespace=grow", "statefulset", "qdrant")
    assert after["metadata"]["uid"] != before
    (template,) = after["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert cluster.get("--namespace=grow", "pod", "qdrant-0")["metadata"]["uid"] == pod

    assert "changed=0" in play(cluster, "site.yml", "--tags", "namespace,datastores", LARGE)
    assert "cannot shrink" in play(cluster, "playbooks/expand_storage.yml", "--tags", "always", SMALL, expect=2)
