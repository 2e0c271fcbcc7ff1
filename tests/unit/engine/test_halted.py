"""A run starts a workload that is stopped while all declared values are in force, unless a restore stopped it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import halted

from .fakes import FakeCluster, Object, make
from .imports import applier, applyset, kinds, manifests, snapshot

LEAST = {("Deployment", "ns", "web"): 2}


def deployment(annotations: dict[str, str] | None = None, /, **spec: Any) -> Object:
    return make("apps/v1", "Deployment", "web", metadata={"annotations": annotations or {}}, spec=spec)


def schedule(annotations: dict[str, str] | None = None, /, **spec: Any) -> Object:
    return make("batch/v1", "CronJob", "backup", metadata={"annotations": annotations or {}}, spec=spec)


@pytest.mark.parametrize(
    ("desired", "live", "patch"),
    [
        (deployment(), deployment(replicas=0), {"replicas": 2}),
        (deployment(), deployment(replicas=1), {}),
        (deployment(replicas=0), deployment(replicas=0), {}),
        (deployment(), deployment({halted.REPLICAS: "2"}, replicas=0), {}),
        (deployment(), deployment(replicas=2, paused=True), {"paused": None}),
        (deployment(paused=True), deployment(replicas=2, paused=True), {}),
        (deployment(), deployment(replicas=0, paused=True), {"replicas": 2, "paused": None}),
        (schedule(), schedule(suspend=True), {"suspend": False}),
        (schedule(suspend=True), schedule(suspend=True), {}),
        (schedule(), schedule({halted.SUSPEND: "false"}, suspend=True), {}),
        (schedule(), schedule(suspend=False), {}),
    ],
    ids=[
        "no pods",
        "the autoscaler raises it",
        "declared 0",
        "restore",
        "paused",
        "declared pause",
        "both",
        "suspended",
        "declared suspension",
        "restore of backups",
        "on schedule",
    ],
)
def test_correction_of_what_stops_a_workload(desired: Object, live: Object, patch: Object) -> None:
    assert halted.correction(desired, live, LEAST) == patch


def test_no_pods_without_an_autoscaler_are_left_alone() -> None:
    assert halted.correction(deployment(), deployment(replicas=0), {}) == {}


@pytest.mark.parametrize(("bounds", "least"), [({"minReplicas": 3}, 3), ({}, 1), ({"minReplicas": 0}, 0)])
def test_minimum_is_that_of_the_declared_autoscaler(bounds: dict[str, int], least: int) -> None:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = make("autoscaling/v2", "HorizontalPodAutoscaler", "a", spec={"scaleTargetRef": reference, **bounds})
    assert halted.minimums([deployment(), scaler]) == {("Deployment", "ns", "web"): least}
    assert halted.target(deployment()) == ("Deployment", "ns", "web")


class Server(FakeCluster):
    """Applies what it is given, and remembers merge patches."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.patches: list[tuple[str, Object, str]] = []

    def apply(self, kind: kinds.Kind, obj: Object, **_: Any) -> tuple[bool, Object]:
        there = self.find(kind, None, obj["metadata"]["name"])
        return there is None, there or obj

    def patch(self, _kind: Any, _namespace: str, name: str, body: Object, writer: str, **_: Any) -> Object:
        self.patches.append((name, body, writer))
        live = self.objects[0]
        return {**live, "spec": {**live["spec"], **body["spec"]}}


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_run_starts_an_autoscaled_workload_of_0_pods(check: bool) -> None:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = make(
        "autoscaling/v2", "HorizontalPodAutoscaler", "web", spec={"scaleTargetRef": reference, "minReplicas": 2}
    )
    fresh = applier.Applier(FakeCluster(), applyset.ApplySet("t", "ns"))  # type: ignore[arg-type]
    live = [fresh._stamp(deployment(replicas=0)), fresh._stamp(scaler)]
    server = Server(*live)
    seen = snapshot.Snapshot({manifests.identity(member): member for member in live})
    run = applier.Applier(server, applyset.ApplySet("t", "ns"), seen=seen, check=check)  # type: ignore[arg-type]
    workload, unchanged = run.run([deployment(), scaler])
    assert (workload.action, unchanged.action) == ("configured", "unchanged")
    assert workload.after
    assert workload.after["spec"]["replicas"] == 2
    assert server.patches == ([] if check else [("web", {"spec": {"replicas": 2}}, "operator")])
