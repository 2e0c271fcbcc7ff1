"""The wait, against a cluster that is a script."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from .fakes import FakeCluster, WritableCluster, make, status_error
from .imports import applyset, errors, gates, waiter


def deployment(available: int = 0, name: str = "web", **metadata: Any) -> dict[str, Any]:
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}}
    return make("apps/v1", "Deployment", name, metadata={"generation": 1, **metadata}, spec=spec, status=status)


def wait(cluster: FakeCluster, *objects: dict[str, Any], timeout: float = 5, **how: Any) -> None:
    applied = applyset.ApplySet("t", "ns")
    waiter.Waiter(cluster, applied, timeout, **how).wait(objects or cluster.objects)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiter, "RESUME_SECONDS", 0.01)
    monkeypatch.setattr(waiter, "DIAGNOSE_SECONDS", 0.05)


def test_what_is_ready_or_never_awaited_sends_nothing() -> None:
    cluster = FakeCluster(deployment(1), make("v1", "ConfigMap", "c"))
    wait(cluster)
    assert (cluster.lists, cluster.watches) == ([], [])


def test_a_watch_brings_it_and_progress_tells() -> None:
    cluster = FakeCluster(deployment(0))
    told: list[tuple[int, int, dict[str, str]]] = []

    def events() -> Iterator[tuple[str, dict[str, Any]]]:
        yield "BOOKMARK", {"kind": "Deployment", "metadata": {"resourceVersion": "150"}}
        deadline = time.monotonic() + 5
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        yield "MODIFIED", deployment(1, resourceVersion="151")

    cluster.streams = [events]
    wait(cluster, progress=lambda done, total, waiting: told.append((done, total, dict(waiting))))
    assert told[0] == (0, 1, {"Deployment web": "0 of 1 pods are available"})
    assert told[-1] == (1, 1, {})


def test_a_cut_stream_resumes_at_the_last_bookmark() -> None:
    cluster = FakeCluster(deployment(0))
    bookmark = {"kind": "Deployment", "metadata": {"resourceVersion": "150"}}
    cluster.streams = [
        lambda: iter([("BOOKMARK", bookmark)]),
        lambda: iter([]),
        lambda: iter([("MODIFIED", deployment(1))]),
    ]
    wait(cluster)
    assert cluster.watches == ["100", "150", "150"]
    assert cluster.lists.count("Deployment") == 1


@pytest.mark.parametrize("code", [410, 429, 500, 503])
def test_a_refused_watch_begins_anew_with_a_list(code: int) -> None:
    cluster = FakeCluster(deployment(0))

    def refused() -> Iterator[tuple[str, dict[str, Any]]]:
        raise status_error(code)
        yield

    cluster.streams = [refused, refused, lambda: iter([("MODIFIED", deployment(1))])]
    wait(cluster)
    assert cluster.lists.count("Deployment") == 3


def test_a_watch_that_is_always_refused_is_no_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiter, "RESUME_SECONDS", 0.2)
    cluster = FakeCluster(deployment(0))

    def refused() -> Iterator[tuple[str, dict[str, Any]]]:
        raise status_error(500)
        yield

    cluster.streams = [refused] * 100000
    with pytest.raises(errors.WaitFailed):
        wait(cluster, timeout=1)
    assert len(cluster.watches) < 12


def test_ready_by_the_time_of_the_list() -> None:
    cluster = FakeCluster(deployment(1))
    wait(cluster, deployment(0))
    assert cluster.watches == []


def test_what_may_not_be_read_is_given_up_at_once() -> None:
    cluster = FakeCluster(deployment(0))
    cluster.failing = status_error(403, "may not list deployments")
    with pytest.raises(errors.WaitFailed, match="may not list deployments"):
        wait(cluster, timeout=60)


@pytest.mark.parametrize("failure", [errors.ConnectionFailed("TLS failed"), KeyError("a bug")], ids=repr)
def test_what_ends_a_watch_for_good_ends_the_wait(failure: Exception) -> None:
    cluster = FakeCluster(deployment(0))

    def fails() -> Iterator[tuple[str, dict[str, Any]]]:
        raise failure
        yield

    cluster.streams = [fails]
    started = time.monotonic()
    with pytest.raises((errors.WaitFailed, KeyError), match=r"TLS failed|a bug"):
        wait(cluster, timeout=60)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("annotations", "status", "awaited"),
    [
        ({}, {}, False),
        ({}, {"conditions": [{"type": "Failed", "status": "True", "message": "too often"}]}, True),
        ({gates.GATE: "web"}, {}, True),
    ],
)
def test_a_suspended_job_is_not_awaited_but_for_a_gate(
    annotations: dict[str, str], status: dict[str, Any], awaited: bool
) -> None:
    job = make("batch/v1", "Job", "later", metadata={"annotations": annotations}, spec={"suspend": True}, status=status)
    cluster = FakeCluster(job)
    ends = pytest.raises(errors.WaitFailed, match=r"Job later: (too often|is suspended)") if awaited else nullcontext()
    with ends:
        wait(cluster, timeout=0.3)


def test_a_job_that_is_suspended_meanwhile_ends_its_wait() -> None:
    job = make("batch/v1", "Job", "later", spec={})
    cluster = FakeCluster(job)
    cluster.streams = [lambda: iter([("MODIFIED", {**job, "spec": {"suspend": True}})])]
    wait(cluster)


def test_a_failure_ends_the_wait_early() -> None:
    cluster = FakeCluster(deployment(0), deployment(0, "other"))
    failed = deployment(0)
    failed["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}
    ]
    cluster.streams = [lambda: iter([("MODIFIED", failed)])]
    started = time.monotonic()
    with pytest.raises(errors.WaitFailed) as caught:
        wait(cluster, timeout=60)
    assert time.monotonic() - started < 60
    text = str(caught.value)
    assert text.startswith("Deployment web: cannot become ready.")
    assert "ProgressDeadlineExceeded: too slow" in text
    assert "\nDeployment other: 0 of 1 pods are available\n" in text


def test_a_fatal_finding_ends_the_wait_early() -> None:
    state = {"waiting": {"reason": "InvalidImageName", "message": "couldn't parse image"}}
    pod = make("v1", "Pod", "web-1", status={"containerStatuses": [{"name": "main", "state": state}]})
    cluster = FakeCluster(deployment(0), pod)
    with pytest.raises(errors.WaitFailed, match="container main: InvalidImageName: couldn't parse image"):
        wait(cluster, deployment(0), timeout=60)


@pytest.mark.parametrize("how", ["event", "list"])
def test_what_somebody_deletes_is_told_at_once(how: str) -> None:
    cluster = FakeCluster(deployment(0))
    if how == "event":
        cluster.streams = [lambda: iter([("DELETED", deployment(0))])]
    else:
        cluster.objects = []  # gone between the apply and the list
    with pytest.raises(errors.WaitFailed, match="was deleted by somebody else"):
        wait(cluster, deployment(0), timeout=20)


def job(done: bool, **metadata: Any) -> dict[str, Any]:
    status = {"conditions": [{"type": "Complete", "status": "True"}]} if done else {}
    return make("batch/v1", "Job", "done", metadata=metadata, spec={}, status=status)


def test_what_goes_when_it_was_ready_is_no_failure() -> None:
    """A Job with ttlSecondsAfterFinished, while another of its kind is awaited."""
    other = make("batch/v1", "Job", "other", spec={})
    cluster = FakeCluster(job(False), other)
    events = [
        ("MODIFIED", job(True)),
        ("MODIFIED", job(True, deletionTimestamp="2026-01-01T00:00:00Z")),
        ("DELETED", job(True, deletionTimestamp="2026-01-01T00:00:00Z")),
        ("MODIFIED", other | {"status": job(True)["status"]}),
    ]
    cluster.streams = [lambda: iter(events)]
    wait(cluster)


def late(when: str) -> dict[str, Any]:
    """A Deployment whose progress deadline has passed."""
    obj, reason = deployment(0), "ProgressDeadlineExceeded"
    condition = {"type": "Progressing", "status": "False", "reason": reason, "message": when, "lastUpdateTime": when}
    obj["status"]["conditions"] = [condition]
    return obj


def test_a_deadline_that_passed_before_the_wait_is_borne_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster(late("before"))

    def events() -> Iterator[tuple[str, dict[str, Any]]]:
        yield "MODIFIED", late("before")
        time.sleep(1)
        yield "MODIFIED", deployment(1)

    cluster.streams = [events]
    wait(cluster, timeout=60)
    monkeypatch.setattr(waiter, "OVERDUE_SECONDS", 0.1)
    cluster = FakeCluster(late("before"))
    with pytest.raises(errors.WaitFailed, match="cannot become ready"):
        wait(cluster, timeout=60)


def test_a_deadline_that_passes_during_the_wait_ends_it() -> None:
    cluster = FakeCluster(late("before"))
    cluster.streams = [lambda: iter([("MODIFIED", late("meanwhile"))])]
    started = time.monotonic()
    with pytest.raises(errors.WaitFailed, match="ProgressDeadlineExceeded: meanwhile"):
        wait(cluster, timeout=60)
    assert time.monotonic() - started < waiter.OVERDUE_SECONDS


def test_namesakes_have_a_line_each_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiter, "LOOKED_BELOW", 0)
    cluster = FakeCluster(deployment(0), deployment(0, namespace="other"))
    with pytest.raises(errors.WaitFailed) as caught:
        wait(cluster, timeout=0.3)
    assert caught.value.report == ["Deployment web: 0 of 1 pods are available"] * 2


def test_timeout_reports_what_is_awaited() -> None:
    cluster = FakeCluster(deployment(0))
    with pytest.raises(errors.WaitFailed) as caught:
        wait(cluster, timeout=0.3)
    assert "Deployment web: not ready after 0 s." in str(caught.value)
    assert "0 of 1 pods are available" in str(caught.value)
    assert "rerun to continue" in caught.value.remedy


def test_a_run_that_is_told_to_stop_leaves_the_same_report() -> None:
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = make("v1", "Pod", "web-1", status={"containerStatuses": [{"name": "main", "state": state}]})
    cluster = FakeCluster(deployment(0), pod)
    threading.Timer(0.2, cluster.interruption.tell, ["SIGINT"]).start()
    with pytest.raises(errors.WaitFailed) as caught:
        wait(cluster, deployment(0), timeout=60)
    text = str(caught.value)
    assert text.startswith("Deployment web: still awaited when the run was stopped by SIGINT.")
    assert "Deployment web: 0 of 1 pods are available" in text
    assert "container main: ImagePullBackOff: no such image" in text


def test_threads_end_with_the_wait() -> None:
    before = threading.active_count()
    cluster = FakeCluster(deployment(0))
    cluster.streams = [lambda: iter([("MODIFIED", deployment(1))])]
    wait(cluster)
    time.sleep(0.2)
    assert threading.active_count() <= before


# --- pods stuck on an earlier revision --------------------------------------------------------------------------------


def stuck_set(ready: int = 0) -> dict[str, Any]:
    revisions = {"currentRevision": "new", "updateRevision": "new", "observedGeneration": 1}
    status = {**revisions, "replicas": 1, "readyReplicas": ready, "updatedReplicas": ready}
    template = {"spec": {"containers": [{"name": "main", "image": "app:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return make("apps/v1", "StatefulSet", "web", metadata={"uid": "set", "generation": 1}, spec=spec, status=status)


def stuck_pod() -> dict[str, Any]:
    metadata = {
        "uid": "pod",
        "resourceVersion": "7",
        "labels": {"app": "web", "controller-revision-hash": "old"},
        "ownerReferences": [{"uid": "set", "controller": True}],
    }
    state = {"waiting": {"reason": "InvalidImageName", "message": "x"}}
    status = {"containerStatuses": [{"name": "main", "state": state}]}
    spec = {"containers": [{"name": "main", "image": "App:1"}]}
    return make("v1", "Pod", "web-0", metadata=metadata, spec=spec, status=status)


def test_stuck_pod_is_replaced_and_the_wait_goes_on() -> None:
    cluster = WritableCluster(stuck_set(), stuck_pod())
    replaced: list[tuple[str, str]] = []

    def events() -> Iterator[tuple[str, dict[str, Any]]]:
        while not replaced:
            time.sleep(0.01)
        yield "MODIFIED", stuck_set(ready=1)

    cluster.streams = [events]
    wait(cluster, stuck_set(), timeout=20, replaced=lambda pod, why: replaced.append((pod["metadata"]["name"], why)))
    assert replaced == [("web-0", "InvalidImageName")]


def test_stuck_pod_that_may_not_be_deleted_ends_the_wait() -> None:
    cluster = WritableCluster(stuck_set(), stuck_pod())
    cluster.refusal = status_error(403, "may not delete pods")
    with pytest.raises(errors.WaitFailed, match=r"(?s)cannot become ready.*may not delete pods.*deployer-role\.yaml"):
        wait(cluster, stuck_set(), timeout=20)
