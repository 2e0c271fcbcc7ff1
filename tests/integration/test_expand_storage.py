"""A store's volumes grow by the playbook, and never on the way of the site."""

import json
import subprocess
from contextlib import AbstractContextManager

import pytest

from tests.integration.conftest import Cluster, ended, interrupted, started

pytestmark = pytest.mark.cluster

SMALL, LARGE = (
    "-e" + json.dumps({"platform_stores_overrides": {"qdrant": {"storage": {"size": size}}}})
    for size in ("10Gi", "20Gi")
)
TAGS = ("--tags", "always,namespace,datastores")


def playing(
    cluster: Cluster, *arguments: str, namespace: str = "grow"
) -> AbstractContextManager[subprocess.Popen[str]]:
    # The API server takes the larger request; the simulated provisioner reports no new capacity to wait for.
    variables = f"platform_namespace={namespace} platform_wait=false"
    command = ["ansible-playbook", "-i", "inventories/local", "-e", variables, *arguments]
    return started(command, K8S_AUTH_KUBECONFIG=str(cluster.kubeconfig))


def play(cluster: Cluster, *arguments: str, expect: int = 0, namespace: str = "grow") -> str:
    with playing(cluster, *arguments, namespace=namespace) as process:
        return ended(process, expect)[0]


def test_claims_grow_and_the_set_is_made_anew_around_its_pods(cluster: Cluster) -> None:
    play(cluster, "site.yml", "--tags", "namespace,datastores", SMALL)
    cluster.kubectl("--namespace=grow", "wait", "--for=condition=Ready", "pod/qdrant-0", "--timeout=120s")
    pod = cluster.get("--namespace=grow", "pod", "qdrant-0")["metadata"]["uid"]
    before = cluster.get("--namespace=grow", "statefulset", "qdrant")["metadata"]["uid"]

    refused = play(cluster, "site.yml", "--tags", "datastores", LARGE, expect=2)
    assert "expand_storage" in refused
    assert cluster.get("--namespace=grow", "statefulset", "qdrant")["metadata"]["uid"] == before

    said = play(cluster, "playbooks/expand_storage.yml", "--check", *TAGS, LARGE)
    assert "10Gi -> 20Gi: claim data-qdrant-0" in said
    assert cluster.get("--namespace=grow", "statefulset", "qdrant")["metadata"]["uid"] == before

    play(cluster, "playbooks/expand_storage.yml", *TAGS, LARGE)
    (claim,) = cluster.get("--namespace=grow", "pvc", "--selector=app=qdrant")["items"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    after = cluster.get("--namespace=grow", "statefulset", "qdrant")
    assert after["metadata"]["uid"] != before
    (template,) = after["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert cluster.get("--namespace=grow", "pod", "qdrant-0")["metadata"]["uid"] == pod

    assert "changed=0" in play(cluster, "site.yml", "--tags", "namespace,datastores", LARGE)
    quota = cluster.get("--namespace=grow", "resourcequota", "platform")["spec"]
    assert "cannot shrink" in play(cluster, "playbooks/expand_storage.yml", SMALL, expect=2)
    assert cluster.get("--namespace=grow", "resourcequota", "platform")["spec"] == quota


def test_growth_that_is_told_to_stop_says_so_and_is_ended_by_the_next_run(cluster: Cluster) -> None:
    play(cluster, "site.yml", "--tags", "namespace,datastores", SMALL, namespace="stopped")

    def requested() -> str:
        (claim,) = cluster.get("--namespace=stopped", "pvc", "--selector=app=qdrant")["items"]
        size: str = claim["spec"]["resources"]["requests"]["storage"]
        return size

    waiting = ("-e", "platform_wait=true")
    with playing(cluster, "playbooks/expand_storage.yml", *TAGS, LARGE, *waiting, namespace="stopped") as process:
        err = interrupted(process, lambda: requested() == "20Gi")
    assert "Stopped by SIGINT" in err
    assert "Rerun to continue" in err
    play(cluster, "playbooks/expand_storage.yml", *TAGS, LARGE, namespace="stopped")
    (template,) = cluster.get("--namespace=stopped", "statefulset", "qdrant")["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "20Gi"


def test_claims_that_do_not_grow_in_time_leave_the_set_as_it_was(cluster: Cluster) -> None:
    """The simulated provisioner never reports a larger volume."""
    place = "slow"
    play(cluster, "site.yml", "--tags", "namespace,datastores", SMALL, namespace=place)
    before = cluster.get(f"--namespace={place}", "statefulset", "qdrant")["metadata"]["uid"]
    late = ("-e", "platform_wait=true", "-e", "platform_wait_timeout=4")
    for _ in range(2):  # the second run finds the claims asking for their size already
        said = play(cluster, "playbooks/expand_storage.yml", *TAGS, LARGE, *late, namespace=place, expect=2)
        assert "data-qdrant-0 (has 10Gi of 20Gi)" in said
        assert "no StatefulSet was touched" in said
        assert cluster.get(f"--namespace={place}", "statefulset", "qdrant")["metadata"]["uid"] == before
    capacity = json.dumps({"status": {"capacity": {"storage": "20Gi"}}})
    patch = ("patch", "persistentvolumeclaim", "data-qdrant-0", "--subresource=status", f"--patch={capacity}")
    cluster.kubectl(f"--namespace={place}", *patch)
    play(cluster, "playbooks/expand_storage.yml", *TAGS, LARGE, *late[:2], namespace=place)
    after = cluster.get(f"--namespace={place}", "statefulset", "qdrant", "--show-managed-fields")
    assert after["metadata"]["uid"] != before
    assert after["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "20Gi"
    owners = [entry["manager"] for entry in after["metadata"]["managedFields"] if "f:spec" in entry["fieldsV1"]]
    assert owners == ["multi-agent-platform"]
