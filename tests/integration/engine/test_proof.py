"""A new version of pods that keep data runs on a pod of its own before anything of its tier is written."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import diagnosis, proof, proof_pod
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError, WaitFailed

from ..conftest import Cluster
from .objects import make, selector
from .support import Engine, Object

pytestmark = pytest.mark.cluster

WAIT_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for reason, seconds in diagnosis._PATIENCE.items():
        monkeypatch.setitem(diagnosis._PATIENCE, reason, min(seconds, 1.0))
    monkeypatch.setattr(diagnosis, "NOT_READY_SECONDS", 2.0)
    monkeypatch.setattr(proof, "_POLL_SECONDS", 0.2)


def store(image: str = "v1", name: str = "store", requests: Object | None = None, **pod: Any) -> Object:
    container = {
        "name": "main",
        "image": f"registry.example.test/app:{image}",
        "resources": {"requests": requests or {"cpu": "100m"}},
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return make(
        "apps/v1",
        "StatefulSet",
        name,
        metadata={"name": name, "annotations": {proof_pod.MODE: "ready"}},
        spec={
            "serviceName": name,
            "selector": selector(name),
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}},
            "volumeClaimTemplates": [claim],
        },
    )


def settings(value: str = "1") -> list[Object]:
    return [
        make("v1", "ConfigMap", "settings", data={"VALUE": value}),
        make("v1", "Secret", "keys", stringData={"KEY": f"key-{value}"}),
    ]


def state(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Version of everything that a failed proof must not change."""
    found = cluster.get("--namespace", namespace, "statefulsets,configmaps,secrets,pods,persistentvolumeclaims")
    return {
        f"{obj['kind']} {obj['metadata']['name']}": obj["metadata"]["uid"] + obj["metadata"]["resourceVersion"]
        for obj in found["items"]
        if not obj["metadata"]["name"].startswith(("kube-root-ca.crt", "applyset-"))
    }


def proofs(cluster: Cluster, namespace: str) -> list[str]:
    found = cluster.get("--namespace", namespace, "jobs,pods,secrets,configmaps", f"--selector={proof_pod.LABEL}")
    return [f"{obj['kind']} {obj['metadata']['name']}" for obj in found["items"]]


def nothing_left(cluster: Cluster, namespace: str, seconds: float = 20) -> bool:
    """Whether all that proofs made is gone, or soon is: copies go with their Job."""
    deadline = time.monotonic() + seconds
    while (left := proofs(cluster, namespace)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == []
    return True


@pytest.fixture
def live(engine: Engine, cluster: Cluster) -> Engine:
    engine.apply([*settings(), store()], wait_seconds=WAIT_SECONDS)
    return engine


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (store("broken-image"), ["ImagePullBackOff", "Back-off pulling image"]),
        (store("broken-crash"), ["Error: exit code 1"]),
        (store("broken-ready"), ["NotReady"]),
        (store(requests={"cpu": "10k"}), ["Unschedulable", "Insufficient cpu", "platform_prove=false"]),
        (store(nodeSelector={"disk": "none"}), ["Unschedulable"]),
        (store(serviceAccountName="nobody-made-it"), ["FailedCreate", "nobody-made-it"]),
    ],
    ids=["image", "crash", "never-ready", "too-large", "no-node", "no-account"],
)
def test_failed_proof_changes_nothing_of_its_tier(
    cluster: Cluster, live: Engine, wrong: Object, words: list[str]
) -> None:
    before = state(cluster, live.namespace)
    with pytest.raises(WaitFailed) as caught:
        live.apply([*settings("2"), wrong], wait_seconds=WAIT_SECONDS)
    text = str(caught.value)
    assert text.startswith("StatefulSet store: the new version does not start on a pod of its own"), text
    for word in words:
        assert word in text, text
    assert nothing_left(cluster, live.namespace)
    assert state(cluster, live.namespace) == before
    # And the next good run converges.
    run = live.apply([*settings("3"), store("v3")], wait_seconds=WAIT_SECONDS)
    assert run.actions["StatefulSet store"] == "configured"
    assert nothing_left(cluster, live.namespace)


def test_proof_that_passes_is_followed_by_the_rollout(cluster: Cluster, live: Engine) -> None:
    uid = cluster.get("--namespace", live.namespace, "pod", "store-0")["metadata"]["uid"]
    run = live.apply([*settings("2"), store("v2")], wait_seconds=WAIT_SECONDS)
    assert [line.split(":")[0] for line in run.said] == ["proving StatefulSet store", "StatefulSet store is proven"]
    assert [obj["metadata"]["name"] for obj in run.result.proven] == ["store"]
    pod = cluster.get("--namespace", live.namespace, "pod", "store-0")
    assert pod["metadata"]["uid"] != uid
    assert pod["spec"]["containers"][0]["image"].endswith(":v2")
    assert nothing_left(cluster, live.namespace)
    made = [path for method, path in run.writes if method == "POST" and "/leases" not in path]
    writes = [path for method, path in run.writes if method == "PATCH" and "dryRun" not in path]
    assert [path.rsplit("/", 1)[1] for path in made] == ["jobs", "configmaps", "secrets"]
    assert run.requests.index(("POST", made[0])) < max(run.requests.index(("PATCH", path)) for path in writes)


def test_two_stores_are_proven_side_by_side(cluster: Cluster, engine: Engine) -> None:
    engine.apply([*settings(), store(), store(name="other")], wait_seconds=WAIT_SECONDS)
    with pytest.raises(WaitFailed) as caught:
        engine.apply(
            [*settings(), store("broken-image"), store("broken-crash", name="other")], wait_seconds=WAIT_SECONDS
        )
    assert "StatefulSet store" in caught.value.message
    assert "StatefulSet other" in caught.value.message
    assert any("exit code 1" in line for line in caught.value.report)


def test_check_mode_starts_nothing_and_says_so(cluster: Cluster, live: Engine) -> None:
    before = state(cluster, live.namespace)
    run = live.apply([*settings("2"), store("broken-image")], check=True)
    assert [obj["metadata"]["name"] for obj in run.result.proven] == ["store"]
    assert run.said == [
        "StatefulSet store: its new version would be proven on a pod of its own before a pod is replaced"
    ]
    assert state(cluster, live.namespace) == before
    assert not [path for method, path in run.writes if method in {"POST", "DELETE"}]


@pytest.mark.parametrize(
    "desired",
    [[*settings(), store()], [*settings("2"), store()]],
    ids=["nothing", "configuration"],
)
def test_same_pods_are_not_proven(live: Engine, desired: list[Object]) -> None:
    run = live.apply(desired, wait_seconds=WAIT_SECONDS)
    assert run.said == []
    assert not [path for _, path in run.requests if path.endswith("/jobs")]


def test_other_number_of_pods_is_not_proven(live: Engine) -> None:
    more = store()
    more["spec"]["replicas"] = 2
    assert live.apply([*settings(), more], wait_seconds=WAIT_SECONDS).said == []


def test_option_turns_the_proof_off(live: Engine) -> None:
    assert live.apply([*settings(), store("v2")], wait_seconds=WAIT_SECONDS, prove=False).said == []


def test_store_that_another_tool_made_is_proven_too(cluster: Cluster, engine: Engine) -> None:
    cluster.kubectl("--namespace", engine.namespace, "apply", "--filename=-", objects=[*settings(), store()])
    cluster.kubectl("--namespace", engine.namespace, "rollout", "status", "statefulset/store", "--timeout=60s")
    with pytest.raises(WaitFailed, match="StatefulSet store: the new version does not start"):
        engine.apply([*settings(), store("broken-image")], wait_seconds=WAIT_SECONDS)


def test_leftover_of_a_killed_run_is_removed_by_the_next(cluster: Cluster, live: Engine) -> None:
    left = make(
        "batch/v1",
        "Job",
        "store-proof-left",
        metadata={"name": "store-proof-left", "labels": {proof_pod.LABEL: live.tier}},
        spec={
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}},
        },
    )
    cluster.kubectl("--namespace", live.namespace, "apply", "--filename=-", objects=[left])
    live.apply([*settings(), store("v2")], wait_seconds=WAIT_SECONDS)
    assert nothing_left(cluster, live.namespace)


def test_quota_without_room_is_said_with_the_remedy(cluster: Cluster, live: Engine) -> None:
    cluster.kubectl("--namespace", live.namespace, "create", "quota", "full", "--hard=pods=1")
    before = state(cluster, live.namespace)
    with pytest.raises(EngineError) as caught:
        live.apply([*settings("2"), store("v2")], wait_seconds=WAIT_SECONDS)
    assert "exceeded quota: full" in str(caught.value)
    assert "Give the ResourceQuota room for one more pod" in str(caught.value)
    assert state(cluster, live.namespace) == before


def test_store_that_is_down_is_repaired_without_room_for_a_proof(cluster: Cluster, engine: Engine) -> None:
    engine.apply([*settings(), store("broken-ready")], wait_seconds=0)
    cluster.kubectl("--namespace", engine.namespace, "wait", "--for=create", "pod/store-0", "--timeout=30s")
    cluster.kubectl("--namespace", engine.namespace, "create", "quota", "full", "--hard=pods=1")
    run = engine.apply([*settings(), store("v2")], wait_seconds=0)
    assert any("is not proven (FailedCreate)" in line for line in run.said), run.said
    assert run.actions["StatefulSet store"] == "configured"
