"""What was declared and is not there, or does not run: health, status and drift name it, and a run brings it back."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.applier import Applier
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.applyset import ApplySet
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import Cluster as Api
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import connect
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.manifests import describe
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import declared, drift, releases

from ..conftest import Cluster
from .test_verbs import Platform

BACKUP: dict[str, Any] = {"platform_backup": {"enabled": True}, "backup_credentials": False}
HEALTHY = "healthy, all 11 workloads are ready"
# The namespace holds all others; its controllers make a new default account at once.
COME_BACK = frozenset({"Namespace", "ServiceAccount default"})
# One of each kind.
SAMPLE = {
    "deployment/gateway-service": "Deployment gateway-service: missing",
    "statefulset/postgres": "StatefulSet postgres: missing",
    "service/postgres": "Service postgres: missing",
    "ingress/api": "Ingress api: missing",
    "configmap/platform-config": "ConfigMap platform-config: missing",
    "secret/tool-service-credentials": "Secret tool-service-credentials: missing",
    "networkpolicy/default-deny": "NetworkPolicy default-deny: missing",
    "hpa/tool-service": "HorizontalPodAutoscaler tool-service: missing",
    "pdb/agent-service": "PodDisruptionBudget agent-service: missing",
    "serviceaccount/agent-service": "ServiceAccount agent-service: missing",
    "resourcequota/platform": "ResourceQuota platform: missing",
    "cronjob/backup": "CronJob backup: missing",
}


@pytest.fixture(scope="module")
def platform(cluster: Cluster) -> Iterator[Platform]:
    made = Platform(cluster, f"missing-{secrets.token_hex(4)}")
    made.run("site", **BACKUP)
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Api]:
    made = connect({"kubeconfig": str(cluster.kubeconfig)})
    yield made
    made.close()


def replicas(platform: Platform, name: str = "gateway-service", kind: str = "deployment") -> int:
    return int(platform.get(kind, name)["spec"]["replicas"])


def test_every_declared_object_is_named_when_it_is_deleted(platform: Platform, api: Api) -> None:
    known = declared.read(api, platform.namespace)
    credential = drift.credentials(api, platform.namespace, "platform-credentials")
    assert known.missing == []
    named = 0
    for tier, objects in known.objects.items():
        for obj in releases.with_credentials(objects, credential)[0]:
            if COME_BACK & {obj["kind"], describe(obj)}:
                continue
            kind = api.kinds.find(obj["apiVersion"], obj["kind"])
            assert kind
            api.delete(kind, platform.namespace, obj["metadata"]["name"])
            seen = declared.read(api, platform.namespace)
            assert [describe(each.obj) for each in seen.missing] == [describe(obj)]
            named += 1
            Applier(api, ApplySet(tier, platform.namespace), seen=seen.live[tier]).run([obj])
    assert named > 100
    platform.run("site", **BACKUP)
    assert HEALTHY in platform.run("check_health", **BACKUP)


def test_health_and_status_name_a_missing_object_of_each_kind(platform: Platform) -> None:
    platform.kubectl("delete", *SAMPLE)
    health = platform.run("check_health", expect=2, **BACKUP)
    assert [words for words in SAMPLE.values() if words not in health] == []
    assert health.count("`make deploy` makes it again") == len(SAMPLE)
    status = platform.run("status", **BACKUP)
    assert "9 of 11 ready" in status
    row = next(line for line in status.splitlines() if " gateway-service " in line)
    assert row.split()[:3] == ["services", "gateway-service", "missing"]
    assert "NetworkPolicy default-deny: missing" in status
    platform.run("site", **BACKUP)
    assert HEALTHY in platform.run("check_health", **BACKUP)


def test_pods_of_0_under_an_autoscaler_are_said_and_brought_back(platform: Platform) -> None:
    platform.kubectl("scale", "deployment/gateway-service", "--replicas=0")
    platform.kubectl("wait", "hpa/gateway-service", "--for=condition=ScalingActive=false", "--timeout=60s")
    words = "Deployment gateway-service: has 0 pods, the minimum is 2"
    assert words in platform.run("check_health", expect=2, **BACKUP)
    assert words in platform.run("doctor", **BACKUP)
    status = platform.run("status", **BACKUP)
    assert "10 of 11 ready" in status
    drift = platform.run("drift", **BACKUP)
    assert "spec.replicas: declared 2, is 0 (by the subresource scale" in drift
    assert "make deploy` brings back the declared number" in platform.run("restart", expect=2, part="gateway", **BACKUP)
    refused = platform.run("scale", expect=2, part="gateway", replicas=3, **BACKUP)
    assert "brings it back to the minimum of its autoscaler, 2" in refused
    assert "spec.replicas: 0 -> 2" in platform.plan(expect=2, **BACKUP)
    assert replicas(platform) == 0
    assert "Deployment gateway-service configured" in platform.run("site", **BACKUP)
    assert platform.get("deployment", "gateway-service")["status"]["readyReplicas"] >= 2
    assert "nothing to change" in platform.plan(expect=0, **BACKUP)
    assert HEALTHY in platform.run("check_health", **BACKUP)


def test_restart_of_all_names_the_part_without_pods(platform: Platform) -> None:
    platform.kubectl("scale", "deployment/gateway-service", "--replicas=0")
    platform.kubectl("rollout", "pause", "deployment/tool-service")
    said = platform.run("restart", expect=2, part="all", **BACKUP)
    assert "Restarting Deployment agent-service, " in said
    assert "Deployment gateway-service: spec.replicas is 0, so no pods exist" in said
    assert "Deployment tool-service: the rollout is paused" in said
    assert replicas(platform) == 0
    platform.run("site", **BACKUP)


def test_a_store_of_0_pods_is_said_and_brought_back(platform: Platform) -> None:
    platform.kubectl("scale", "statefulset/nats", "--replicas=0")
    platform.kubectl("wait", "statefulset/nats", "--for=jsonpath={.status.replicas}=0", "--timeout=60s")
    assert "StatefulSet nats: has 0 pods, declared are 1" in platform.run("check_health", expect=2, **BACKUP)
    assert "spec.replicas: declared 1, is 0 (by the subresource scale" in platform.run("drift", **BACKUP)
    platform.run("site", **BACKUP)
    assert HEALTHY in platform.run("check_health", **BACKUP)


def test_a_pause_and_a_suspension_are_said_and_ended(platform: Platform) -> None:
    platform.kubectl("rollout", "pause", "deployment/agent-service")
    platform.kubectl("patch", "cronjob", "backup", "--patch", '{"spec": {"suspend": true}}')
    health = platform.run("check_health", expect=2, **BACKUP)
    assert "Deployment agent-service: its rollout is paused" in health
    assert "CronJob backup is suspended" in health
    doctor = platform.run("doctor", **BACKUP)
    assert "Deployment agent-service: its rollout is paused" in doctor
    assert "CronJob backup is suspended" in doctor
    drift = platform.run("drift", **BACKUP)
    assert "spec.paused: declared nothing, is true (kubectl" in drift
    assert "spec.suspend: declared false, is true (kubectl-patch" in drift
    platform.run("site", **BACKUP)
    assert "paused" not in platform.get("deployment", "agent-service")["spec"]
    assert platform.get("cronjob", "backup")["spec"]["suspend"] is False
    assert HEALTHY in platform.run("check_health", **BACKUP)
    assert "none." in platform.run("drift", **BACKUP)


def test_a_service_with_another_selector_is_said(platform: Platform) -> None:
    platform.kubectl("patch", "service", "agent-service", "--patch", '{"spec": {"selector": {"app": "nobody"}}}')
    health = platform.run("check_health", expect=2, **BACKUP)
    assert "Service agent-service: its selector " in health
    assert "Service agent-service" in platform.run("drift", **BACKUP)
    platform.run("site", **BACKUP)
    assert HEALTHY in platform.run("check_health", **BACKUP)


def test_edited_bounds_of_an_autoscaler_are_drift(platform: Platform) -> None:
    platform.kubectl("patch", "hpa", "agent-service", "--patch", '{"spec": {"maxReplicas": 1, "minReplicas": 1}}')
    drift = platform.run("drift", **BACKUP)
    assert "spec.maxReplicas: declared 10, is 1 (kubectl-patch" in drift
    platform.run("site", **BACKUP)
    assert "none." in platform.run("drift", **BACKUP)


def test_a_volume_that_is_being_deleted_is_said(platform: Platform) -> None:
    platform.kubectl("delete", "pvc", "data-qdrant-0", "--wait=false")
    assert "Volume data-qdrant-0 is being deleted" in platform.run("check_health", expect=2, **BACKUP)
    platform.kubectl("delete", "pod", "qdrant-0")
    platform.kubectl("rollout", "status", "statefulset/qdrant", "--timeout=60s")
    assert HEALTHY in platform.run("check_health", **BACKUP)


def test_lost_records_are_said_and_made_again(platform: Platform) -> None:
    last = platform.releases()[-1]
    platform.kubectl("delete", "secret", last["tiers"]["services"])
    health = platform.run("check_health", expect=2, **BACKUP)
    assert "Tier services cannot be compared with the last release" in health
    assert "Not known: Tier services" in platform.run("status", **BACKUP)
    platform.run("site", **BACKUP)
    assert HEALTHY in platform.run("check_health", **BACKUP)
    platform.kubectl("delete", "configmap", "--selector=multi-agent.platform/release")
    assert "No release is recorded" in platform.run("check_health", expect=2, **BACKUP)
    platform.run("site", **BACKUP)
    assert HEALTHY in platform.run("check_health", **BACKUP)
    assert "recorded again" in platform.run("releases")


def test_a_run_that_was_killed_on_its_way_is_said(platform: Platform) -> None:
    before = Platform(platform.cluster, f"halfway-{secrets.token_hex(4)}")
    assert "Nothing of the platform is in namespace" in before.run("check_health", expect=2)
    with before.started("site") as process:
        wait_for_tier(before, "datastores")
        # Its worker first: it would end in order, and record that.
        subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=True)
        process.kill()
    health = before.run("check_health", expect=2)
    assert "Release 1 has not reached " in health
    assert "`make deploy` again" in health
    before.cluster.kubectl("delete", "namespace", before.namespace, "--wait=false")


def wait_for_tier(platform: Platform, tier: str) -> None:
    """Return as soon as ``tier`` is on record."""
    deadline = time.monotonic() + 120
    while not any(tier in release["tiers"] for release in platform.releases()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_after_a_teardown_nothing_is_missing(platform: Platform) -> None:
    platform.run("teardown", **BACKUP)
    said = platform.run("check_health", expect=2, **BACKUP)
    assert "Nothing of the platform is in namespace" in said
    assert ": missing" not in said
