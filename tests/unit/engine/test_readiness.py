"""kstatus by table: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus"""

from __future__ import annotations

from typing import Any

import pytest

from .imports import kinds, readiness

CURRENT, WAITING, FAILED, GOING = (
    readiness.State.CURRENT,
    readiness.State.IN_PROGRESS,
    readiness.State.FAILED,
    readiness.State.TERMINATING,
)


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def rolled(**status: Any) -> dict[str, Any]:
    return {"observedGeneration": 1} | status


DEPLOYED = rolled(replicas=2, updatedReplicas=2, availableReplicas=2)
TABLE: list[tuple[str, str, dict[str, Any], dict[str, Any], readiness.State, str]] = [
    ("Deployment", "new", {"replicas": 2}, {}, WAITING, "not seen it yet"),
    ("Deployment", "stale", {"replicas": 2}, {**DEPLOYED, "observedGeneration": 0}, WAITING, "has not seen the change"),
    ("Deployment", "ready", {"replicas": 2}, DEPLOYED, CURRENT, ""),
    ("Deployment", "scaled to nothing", {"replicas": 0}, rolled(), CURRENT, ""),
    ("Deployment", "one by default", {}, rolled(replicas=1, updatedReplicas=1), WAITING, "0 of 1 pods are available"),
    (
        "Deployment",
        "rolling",
        {"replicas": 2},
        DEPLOYED | {"updatedReplicas": 1},
        WAITING,
        "1 of 2 pods are of the new",
    ),
    ("Deployment", "old left", {"replicas": 2}, DEPLOYED | {"replicas": 3}, WAITING, "1 pods of the old version"),
    (
        "Deployment",
        "unready",
        {"replicas": 2},
        DEPLOYED | {"availableReplicas": 1},
        WAITING,
        "1 of 2 pods are available",
    ),
    (
        "Deployment",
        "deadline",
        {"replicas": 2},
        DEPLOYED | {"conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")]},
        FAILED,
        "ProgressDeadlineExceeded: timed out",
    ),
    (
        "Deployment",
        "quota",
        {"replicas": 2},
        rolled(conditions=[condition("ReplicaFailure", reason="FailedCreate", message="exceeded quota")]),
        WAITING,
        "FailedCreate: exceeded quota",
    ),
    (
        "Deployment",
        "paused",
        {"replicas": 2, "paused": True},
        DEPLOYED | {"updatedReplicas": 0},
        WAITING,
        "its rollout is paused (kubectl rollout resume): 0 of 2",
    ),
    ("Deployment", "paused at rest", {"replicas": 2, "paused": True}, DEPLOYED, CURRENT, ""),
    ("StatefulSet", "ready", {"replicas": 1}, rolled(readyReplicas=1, updatedReplicas=1), CURRENT, ""),
    ("StatefulSet", "starting", {"replicas": 3}, rolled(readyReplicas=1), WAITING, "1 of 3 pods are ready"),
    ("StatefulSet", "rolling", {"replicas": 2}, rolled(readyReplicas=2, updatedReplicas=1), WAITING, "1 of 2 pods"),
    (
        "StatefulSet",
        "partition",
        {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
        rolled(readyReplicas=3, updatedReplicas=1, currentRevision="a", updateRevision="b"),
        CURRENT,
        "",
    ),
    (
        "StatefulSet",
        "revision",
        {"replicas": 1},
        rolled(readyReplicas=1, updatedReplicas=1, currentRevision="a", updateRevision="b"),
        WAITING,
        "new revision",
    ),
    ("StatefulSet", "on delete", {"updateStrategy": {"type": "OnDelete"}}, rolled(readyReplicas=1), CURRENT, ""),
    ("StatefulSet", "too many", {"replicas": 0}, rolled(replicas=1), WAITING, "1 pods too many"),
    ("DaemonSet", "new", {}, {}, WAITING, "not seen it yet"),
    ("DaemonSet", "nowhere", {}, rolled(desiredNumberScheduled=0), CURRENT, ""),
    ("DaemonSet", "rolling", {}, rolled(desiredNumberScheduled=2, updatedNumberScheduled=1), WAITING, "1 of 2"),
    (
        "DaemonSet",
        "ready",
        {},
        rolled(desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=2),
        CURRENT,
        "",
    ),
    ("ReplicaSet", "none wanted", {"replicas": 0}, rolled(), CURRENT, ""),
    ("ReplicaSet", "starting", {"replicas": 2}, rolled(availableReplicas=1), WAITING, "1 of 2 pods are available"),
    ("Job", "runs", {}, {"active": 1}, WAITING, "1 pods run, 0 have failed"),
    ("Job", "suspended", {"suspend": True}, {}, WAITING, "is suspended"),
    ("Job", "complete", {}, {"conditions": [condition("Complete")]}, CURRENT, ""),
    ("Job", "failed", {}, {"conditions": [condition("Failed", reason="BackoffLimitExceeded")]}, FAILED, "BackoffLimit"),
    ("Pod", "pending", {}, {"phase": "Pending"}, WAITING, "is Pending"),
    ("Pod", "ready", {}, {"phase": "Running", "conditions": [condition("Ready")]}, CURRENT, ""),
    ("Pod", "done", {}, {"phase": "Succeeded"}, CURRENT, ""),
    ("Pod", "failed", {}, {"phase": "Failed", "reason": "Evicted", "message": "disk"}, FAILED, "Evicted: disk"),
    ("PersistentVolumeClaim", "bound", {}, {"phase": "Bound"}, CURRENT, ""),
    ("PersistentVolumeClaim", "waits for its consumer", {}, {"phase": "Pending"}, CURRENT, ""),
    ("PersistentVolumeClaim", "lost", {}, {"phase": "Lost"}, FAILED, "lost"),
    ("Service", "inside", {"type": "ClusterIP"}, {}, CURRENT, ""),
    ("Service", "no address", {"type": "LoadBalancer"}, {"loadBalancer": {}}, WAITING, "load balancer"),
    ("Service", "address", {"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}, CURRENT, ""),
    ("CustomResourceDefinition", "new", {}, {}, WAITING, "not established"),
    ("CustomResourceDefinition", "there", {}, {"conditions": [condition("Established")]}, CURRENT, ""),
    ("CustomResourceDefinition", "taken", {}, {"conditions": [condition("NamesAccepted", "False")]}, FAILED, "taken"),
    ("Namespace", "there", {}, {"phase": "Active"}, CURRENT, ""),
    ("Namespace", "going", {}, {"phase": "Terminating"}, GOING, "is being deleted"),
    ("HorizontalPodAutoscaler", "blind", {}, {"conditions": [condition("ScalingActive", "False")]}, CURRENT, ""),
    ("PodDisruptionBudget", "at its limit", {}, {"disruptionsAllowed": 0}, CURRENT, ""),
    ("ConfigMap", "there", {}, {}, CURRENT, ""),
    ("Widget", "says nothing", {}, {}, CURRENT, ""),
    ("Widget", "ready", {}, {"conditions": [condition("Ready")]}, CURRENT, ""),
    (
        "Widget",
        "not ready",
        {},
        {"conditions": [condition("Ready", "False", "Waiting", "for x")]},
        WAITING,
        "Waiting: for",
    ),
    ("Widget", "unknown", {}, {"conditions": [condition("Ready", "Unknown")]}, WAITING, "is not Ready"),
    ("Widget", "reconciles", {}, {"conditions": [condition("Reconciling")]}, WAITING, "is reconciling"),
    ("Widget", "stalled", {}, {"conditions": [condition("Stalled", reason="No")]}, FAILED, "No"),
]


API_VERSIONS = {kind: api_version for api_version, kind in kinds.BUILT_IN}


def made(kind: str, metadata: dict[str, Any], **fields: Any) -> dict[str, Any]:
    api_version = API_VERSIONS.get(kind, "example.test/v1")
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", **metadata}, **fields}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "state", "words"),
    [(kind, spec, status, state, words) for kind, _, spec, status, state, words in TABLE],
    ids=[f"{row[0]} {row[1]}" for row in TABLE],
)
def test_rule(kind: str, spec: dict[str, Any], status: dict[str, Any], state: readiness.State, words: str) -> None:
    found = readiness.readiness(made(kind, {"generation": 1}, spec=spec, status=status))
    assert found.state is state
    assert words in found.message
    assert found.ready is (state is CURRENT)


@pytest.mark.parametrize("kind", sorted({row[0] for row in TABLE}))
def test_what_is_being_deleted_is_not_ready(kind: str) -> None:
    assert readiness.readiness(made(kind, {"deletionTimestamp": "2026-01-01T00:00:00Z"})).state is GOING


def test_a_generation_that_is_a_text_says_nothing() -> None:
    """Argo's Rollout records one."""
    rollout = made("Rollout", {"generation": 2}, status={"observedGeneration": "1", "conditions": [condition("Ready")]})
    assert readiness.readiness(rollout).ready
    assert not readiness.behind(rollout)


@pytest.mark.parametrize(
    ("api_version", "kind", "spec"),
    [("serving.knative.dev/v1", "Service", {"type": "LoadBalancer"}), ("batch.volcano.sh/v1alpha1", "Job", {})],
)
def test_kinds_of_other_groups_go_by_their_conditions(api_version: str, kind: str, spec: dict[str, Any]) -> None:
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    assert readiness.readiness(obj | {"status": {"conditions": [condition("Ready")]}}).ready
    assert not readiness.readiness(obj | {"status": {"conditions": [condition("Ready", "False")]}}).ready
