"""Jobs that have to succeed before the workloads behind them are written."""

from __future__ import annotations

from typing import Any

import pytest

from .fakes import make
from .imports import errors, gates, manifests

Object = dict[str, Any]
DONE = {"conditions": [{"type": "Complete", "status": "True"}]}
FAILED = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
WORKLOAD = {("apps", "Deployment", "ns", "agent-service")}


def gate(name: str = "agent-service-migration-1", status: Object | None = None, **spec: Any) -> Object:
    metadata = {"annotations": {gates.GATE: "agent-service"}}
    spec = {"backoffLimit": 0, "template": {"spec": {"activeDeadlineSeconds": 100}}, **spec}
    return make("batch/v1", "Job", name, metadata=metadata, spec=spec, status=status or {})


def test_gates_come_after_what_they_need_and_before_workloads() -> None:
    job, other = gate(), make("batch/v1", "Job", "report")
    deployment = make("apps/v1", "Deployment", "agent-service")
    secret = make("v1", "Secret", "x")
    assert gates.wave(secret) < gates.wave(job) < gates.wave(deployment) == gates.wave(other)
    assert gates.workload_of(job) == "agent-service"
    assert gates.workload_of(deployment) == gates.workload_of(other) == ""


def test_only_a_job_that_failed_for_good_is_made_anew() -> None:
    assert gates.has_failed(gate(status=FAILED))
    assert not gates.has_failed(gate(status=DONE))
    assert not gates.has_failed(gate(status={"active": 1, "failed": 1}))
    assert not gates.has_failed(make("apps/v1", "Deployment", "web", status=FAILED))
    stalled = {"conditions": [{"type": "Stalled", "status": "True"}]}
    assert not gates.has_failed(make("batch.volcano.sh/v1alpha1", "Job", "theirs", status=stalled))


def test_every_try_of_the_slowest_is_waited_for() -> None:
    slow = gate(backoffLimit=2)
    assert gates.patience([gate(), slow]) == gates.START_SECONDS + 300
    assert gates.patience([]) == gates.START_SECONDS


def test_the_newest_that_passed_stay_as_a_record() -> None:
    done = [gate(f"m-{n}", {**DONE, "completionTime": f"2026-01-0{n}T00:00:00Z"}) for n in range(1, 9)]
    failed = gate("m-failed", FAILED)
    kept = gates.history([*done, failed], WORKLOAD)
    assert kept == {f"m-{n}" for n in range(9 - gates.HISTORY, 9)}


def test_nothing_is_kept_of_a_workload_that_left() -> None:
    assert gates.history([gate(status=DONE)], {("batch", "Job", "ns", "agent-service")}) == set()


def test_one_that_cannot_start_makes_way_and_one_at_work_does_not() -> None:
    waiting = gate(status={"active": 1, "ready": 0})
    assert gates.stuck([waiting, gate("done", DONE), gate("failed", FAILED)], WORKLOAD) == [waiting]
    assert gates.stuck([waiting], set()) == [], "with its workload everything goes"
    with pytest.raises(errors.EngineError) as caught:
        gates.stuck([gate("m-9", {"active": 1, "ready": 1})], WORKLOAD)
    assert "Job m-9" in caught.value.message
    assert "job/m-9" in caught.value.remedy


def test_objects_are_put_in_their_order() -> None:
    objects = [make("apps/v1", "Deployment", "agent-service"), gate(), make("v1", "Secret", "x")]
    assert [manifests.describe(o).split()[0] for o in sorted(objects, key=gates.wave)] == [
        "Secret",
        "Job",
        "Deployment",
    ]
