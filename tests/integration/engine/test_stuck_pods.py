"""A StatefulSet whose pods are stuck on an earlier revision converges by the next run, with its volumes.

The controller is real; pods are kwok's, which breaks those whose image has a tag that says so.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import claims, diagnosis, waiter
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import WaitFailed

from ..conftest import Cluster
from .objects import make, selector
from .support import Engine, Object, Run

pytestmark = pytest.mark.cluster

WAIT_SECONDS = 60.0
NO_ROOM = {"requests": {"cpu": "10k"}}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for reason, seconds in diagnosis._PATIENCE.items():
        monkeypatch.setitem(diagnosis._PATIENCE, reason, min(seconds, 1.0))
    monkeypatch.setattr(waiter, "DIAGNOSE_SECONDS", 0.5)


def store(tag: str, resources: Object | None = None, **fields: Any) -> Object:
    mounts = [{"name": "data", "mountPath": "/data"}]
    main = {"name": "main", "image": f"registry.example.test/store:{tag}", "volumeMounts": mounts}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [main | {"resources": resources or {}}], "terminationGracePeriodSeconds": 1},
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    spec = {"selector": selector("web"), "template": template, "volumeClaimTemplates": [claim], "replicas": 1, **fields}
    return make("apps/v1", "StatefulSet", "web", spec=spec)


def fails(engine: Engine, obj: Object) -> None:
    """Apply a broken version as a run without proofs does."""
    with pytest.raises(WaitFailed):
        engine.apply([obj], wait_seconds=WAIT_SECONDS, prove=False)


def replaced(run: Run) -> list[tuple[str, str]]:
    return [(pod["name"], pod["reason"]) for pod in run.result.replaced_pods()]


def volumes(cluster: Cluster, engine: Engine) -> dict[str, str]:
    items = cluster.get("--namespace", engine.namespace, "persistentvolumeclaims")["items"]
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in items}


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
@pytest.mark.parametrize(
    "broken",
    [store("broken-image"), store("broken-crash"), store("1", NO_ROOM)],
    ids=["image", "crash", "no room"],
)
def test_next_good_run_converges(cluster: Cluster, engine: Engine, policy: str, broken: Object) -> None:
    within: dict[str, Any] = {"podManagementPolicy": policy, "replicas": 3}
    broken["spec"] |= within
    engine.apply([store("1", **within)], wait_seconds=WAIT_SECONDS)
    before = volumes(cluster, engine)
    fails(engine, broken)
    again = engine.apply([store("2", **within)], wait_seconds=WAIT_SECONDS)
    assert [name for name, _ in replaced(again)] in ([], ["web-2"])
    assert replaced(again) or policy == "Parallel"  # whose controller replaces such pods by itself
    assert volumes(cluster, engine) == before
    assert engine.apply([store("2", **within)], wait_seconds=WAIT_SECONDS).writes == []


def test_first_version_that_never_started_is_replaced(cluster: Cluster, engine: Engine) -> None:
    fails(engine, store("1", NO_ROOM))
    again = engine.apply([store("1")], wait_seconds=WAIT_SECONDS)
    assert replaced(again) == [("web-0", "Unschedulable")]
    assert again.result.changed


def test_what_an_earlier_run_applied_is_enough(engine: Engine) -> None:
    """The run that applied the good version was killed before its wait: this one has nothing to apply."""
    fails(engine, store("broken-image"))
    engine.apply([store("1")])
    plan = engine.apply([store("1")], check=True)
    assert plan.actions == {"StatefulSet web": "unchanged"}
    assert replaced(plan) == [("web-0", "ImagePullBackOff")]
    assert plan.writes == []
    run = engine.apply([store("1")], wait_seconds=WAIT_SECONDS)
    assert run.actions == {"StatefulSet web": "unchanged"}
    assert replaced(run) == [("web-0", "ImagePullBackOff")]


def test_check_mode_says_so_and_deletes_nothing(cluster: Cluster, engine: Engine) -> None:
    fails(engine, store("broken-image"))
    within = ("--namespace", engine.namespace)
    before = cluster.get(*within, "pod", "web-0")["metadata"]["uid"]
    plan = engine.apply([store("1")], check=True)
    assert plan.actions == {"StatefulSet web": "configured"}
    assert replaced(plan) == [("web-0", "ImagePullBackOff")]
    assert cluster.get(*within, "pod", "web-0")["metadata"]["uid"] == before


@pytest.mark.parametrize(
    "strategy",
    [{"type": "OnDelete"}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}],
    ids=["OnDelete", "partition"],
)
def test_declared_strategy_is_respected(cluster: Cluster, engine: Engine, strategy: Object) -> None:
    fails(engine, store("broken-image", updateStrategy=strategy))
    within = ("--namespace", engine.namespace)
    before = cluster.get(*within, "pod", "web-0")["metadata"]["uid"]
    fails(engine, store("1", updateStrategy=strategy))
    assert cluster.get(*within, "pod", "web-0")["metadata"]["uid"] == before


def test_claims_keep_the_image_that_served_them(cluster: Cluster, engine: Engine) -> None:
    within = ("--namespace", engine.namespace)

    def noted() -> str:
        claim = cluster.get(*within, "persistentvolumeclaim", "data-web-0")
        return str(claim["metadata"]["annotations"].get(claims.LAST_READY_IMAGE))

    engine.apply([store("1")], wait_seconds=WAIT_SECONDS)
    assert noted() == "registry.example.test/store:1"
    fails(engine, store("broken-image"))
    assert noted() == "registry.example.test/store:1"
    engine.apply([store("2")], wait_seconds=WAIT_SECONDS)
    assert noted() == "registry.example.test/store:2"
    cluster.kubectl(*within, "delete", "statefulset", "web")
    assert noted() == "registry.example.test/store:2"
