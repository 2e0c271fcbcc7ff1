"""Workloads, autoscalers, budgets and claims: each fault is seen and named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.checks import Outcome
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.workloads import Live, Wanted, check

WANTED = [Wanted("Deployment", "web", "web:1"), Wanted("StatefulSet", "store", "store:1", 1)]
Objects = dict[tuple[str, str], dict[str, Any]]


def workload(image: str, replicas: int) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), replicas)
    spec = {"replicas": replicas, "template": {"spec": {"containers": [{"image": image}]}}}
    return {"metadata": {"generation": 3}, "spec": spec, "status": {"observedGeneration": 3, **counts}}


def healthy() -> Objects:
    metrics = [{"type": "Resource", "resource": {"name": name}} for name in ("cpu", "memory")]
    current = [
        {"type": "Resource", "resource": {"name": name, "current": {"averageUtilization": 5}}}
        for name in ("cpu", "memory")
    ]
    active = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}
    budget = {"status": {"expectedPods": 2, "disruptionsAllowed": 1}}
    return {
        ("Deployment", "web"): workload("web:1", 2),
        ("StatefulSet", "store"): workload("store:1", 1),
        ("HorizontalPodAutoscaler", "web"): {
            "spec": {"metrics": metrics},
            "status": {"conditions": [active], "currentMetrics": current},
        },
        ("PodDisruptionBudget", "web"): budget,
        ("PodDisruptionBudget", "store"): copy.deepcopy(budget),
        ("PersistentVolumeClaim", "data-store-0"): {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}},
    }


def test_a_healthy_platform_passes() -> None:
    assert {c.outcome for c in check(Live(healthy()), WANTED)} == {Outcome.PASSED}


def status(kind: str, name: str, **fields: Any) -> Callable[[Objects], Any]:
    return lambda objects: objects[kind, name]["status"].update(fields)


FAULTS: list[tuple[str, Callable[[Objects], Any]]] = [
    ("is not there", lambda objects: objects.pop(("Deployment", "web"))),
    ("1 of 2 pods are ready", status("Deployment", "web", readyReplicas=1)),
    ("1 of 2 pods are of the latest version", status("Deployment", "web", updatedReplicas=1)),
    ("1 pods of an earlier version", status("Deployment", "web", replicas=3)),
    ("has not seen its latest change", status("Deployment", "web", observedGeneration=2)),
    ("the inventory says web:1", lambda objects: objects.update({("Deployment", "web"): workload("web:0", 2)})),
    ("the inventory for 1", lambda objects: objects.update({("StatefulSet", "store"): workload("store:1", 2)})),
    ("autoscaler's minimum is 1", lambda objects: objects.update({("Deployment", "web"): workload("web:1", 0)})),
    ("rollout is paused", lambda objects: objects["Deployment", "web"]["spec"].update(paused=True)),
    ("drain would hang", status("PodDisruptionBudget", "web", disruptionsAllowed=0)),
    ("is Pending", status("PersistentVolumeClaim", "data-store-0", phase="Pending")),
    ("has no cpu metric", status("HorizontalPodAutoscaler", "web", currentMetrics=[])),
    (
        "FailedGetResourceMetric: no metrics",
        status(
            "HorizontalPodAutoscaler",
            "web",
            conditions=[
                {
                    "type": "ScalingActive",
                    "status": "False",
                    "reason": "FailedGetResourceMetric",
                    "message": "no metrics",
                }
            ],
        ),
    ),
]


@pytest.mark.parametrize(("message", "damage"), FAULTS, ids=[message for message, _ in FAULTS])
def test_a_fault_is_named(message: str, damage: Callable[[Objects], Any]) -> None:
    objects = healthy()
    damage(objects)
    failed = [c for c in check(Live(objects), WANTED) if c.outcome is Outcome.FAILED]
    assert len(failed) == 1
    assert message in failed[0].message


def test_fixed_number_of_pods_needs_no_autoscaler() -> None:
    objects = healthy()
    del objects["HorizontalPodAutoscaler", "web"]
    fixed = [Wanted("Deployment", "web", "web:1", 2)]
    assert {c.outcome for c in check(Live(objects), fixed)} == {Outcome.PASSED}
    assert {c.message for c in check(Live(objects), WANTED) if c.group == "autoscalers"} == {
        "is not there: run site.yml"
    }
