"""Each problem of a platform that runs is found and has a remedy, and a sound one has none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import (
    declared,
    health,
    releases,
    shortfalls,
    status,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GI = 1024**3


def workload(ready: bool = True) -> dict[str, Any]:
    message = "1 of 2 pods are available"
    said = {"kind": "Deployment", "name": "agent-service", "message": message, "remedy": ""}
    return {**said, "ready": ready, "missing": False, "stopped_by_restore": False}


def live(replicas: int, **annotations: str) -> dict[str, Any]:
    """A Deployment as the server has it, with all of its pods."""
    labels = {"app": "agent-service"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "agent-service",
            "creationTimestamp": NOW.isoformat(),
            "annotations": {f"multi-agent.platform/{name.replace('_', '-')}": v for name, v in annotations.items()},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "agent", "image": "agent"}]}},
        },
        "status": dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), replicas),
    }


def seen(obj: dict[str, Any]) -> dict[str, Any]:
    return status._workload(obj, {}, [], None, {})


def claim(phase: str) -> dict[str, Any]:
    requests = {"requests": {"storage": "10Gi"}}
    return {"metadata": {"name": "backups"}, "spec": {"resources": requests}, "status": {"phase": phase}}


def pod(name: str, volume: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"volumes": [{"name": "config", "configMap": {}}, volume]}}


CONSUMER = pod("backup-1", {"name": "root", "persistentVolumeClaim": {"claimName": "backups"}})
OTHER = pod("postgres-0", {"name": "data", "persistentVolumeClaim": {"claimName": "data-postgres-0"}})


def volume(phase: str = "Bound", *pods: dict[str, Any], percent: int | None = None) -> dict[str, Any]:
    used = {} if percent is None else {"backups": (percent * GI, 100 * GI)}
    return status._volume(claim(phase), used, set(status._mounted(pods)))


def certificate(**left: int) -> dict[str, Any]:
    return {"name": "edge", "not_after": (NOW + timedelta(**left)).isoformat()}


def release(failed: str = "") -> releases.Release:
    return releases.Release(7, {"changes": {"services": {"failed": failed}}})


def cron_job(ago: timedelta, scheduled: timedelta | None = None) -> dict[str, Any]:
    times = {"lastSuccessfulTime": ago, "lastScheduleTime": scheduled or ago}
    return {
        "metadata": {"creationTimestamp": (NOW - timedelta(days=99)).isoformat()},
        "status": {name: (NOW - since).isoformat() for name, since in times.items()},
    }


def problems(**changed: Any) -> list[tuple[str, str]]:
    sound: dict[str, Any] = {
        "workloads": [workload()],
        "volumes": [volume(percent=84)],
        "certificates": [certificate(days=1)],
        "release": release(),
        "cron_jobs": {"backup": cron_job(timedelta(hours=5)), "restore-drill": cron_job(timedelta(days=3))},
    }
    return list(health.problems(status.State(**sound | changed), NOW))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"release": None, "cron_jobs": {}, "volumes": [], "certificates": []},
        {"volumes": [volume("Pending")]},
        {"volumes": [volume("Pending", OTHER)]},
    ],
    ids=["everything", "nothing optional", "a claim without pods", "another's pod"],
)
def test_what_is_sound_has_no_problem(changed: dict[str, Any]) -> None:
    assert problems(**changed) == []


@pytest.mark.parametrize(
    ("changed", "words", "remedy"),
    [
        ({"workloads": [workload(ready=False)]}, "Deployment agent-service: 1 of 2 pods", "make events"),
        (
            {"workloads": [seen(live(0, replicas_before_restore="3"))]},
            "A restore stopped agent-service",
            "make restart S=all",
        ),
        ({"findings": ["Pod a: CrashLoopBackOff: back-off"]}, "Pod a: CrashLoopBackOff", "PREVIOUS=1"),
        ({"findings": ["Pod a: SomethingNew"]}, "Pod a: SomethingNew", "make events"),
        ({"volumes": [volume("Pending", OTHER, CONSUMER)]}, "Volume backups is Pending", "StorageClass (default)"),
        ({"volumes": [volume("Lost")]}, "Volume backups is Lost", "StorageClass (default)"),
        ({"volumes": [volume(percent=85)]}, "Volume backups is 85% full", "make expand-storage"),
        ({"certificates": [certificate(days=0)]}, "Certificate edge has ended", "renew it"),
        ({"cron_jobs": {"backup": cron_job(timedelta(hours=27))}}, "last good backup was 1d ago", "make backup"),
        (
            {"cron_jobs": {"restore-drill": cron_job(timedelta(days=9), timedelta(days=2))}},
            "restore drill failed",
            "make restore-drill",
        ),
        ({"release": release("broken")}, "Release 7 failed", "make rollback"),
        (
            {"missing": [declared.Missing("netpol", {"kind": "NetworkPolicy", "metadata": {"name": "deny"}})]},
            "NetworkPolicy deny: missing (traffic",
            "make deploy",
        ),
        ({"shortfalls": [("CronJob backup is suspended", shortfalls.REMEDY)]}, "CronJob backup", "make deploy"),
        ({"unknown": [("No release is recorded", "`make deploy`")]}, "No release is recorded", "make deploy"),
        (
            {"workloads": [status._workload(live(0), {}, [], None, {}, "has 0 pods, the minimum is 2")]},
            "Deployment agent-service: has 0 pods",
            "make deploy",
        ),
    ],
)
def test_each_problem_has_its_remedy(changed: dict[str, Any], words: str, remedy: str) -> None:
    ((what, todo),) = problems(**changed)
    assert words in what
    assert remedy in todo
    assert health.screen([(what, todo)]) == [f"  {what}", f"      -> {todo}"]


def test_what_a_restore_stopped_is_not_ready_and_status_says_what_to_do() -> None:
    row = seen(live(0, replicas_before_restore="3"))
    assert (row["ready"], row["stopped_by_restore"]) == (False, True)
    lines = status.screen(status.State(workloads=[row]), "local", "https://there", "ns", NOW)
    assert "0 of 1 ready" in lines[0]
    assert "  Deployment agent-service: stopped by a restore, with 3 pods before it" in lines
    assert "make restart S=all" in lines[-1]


@pytest.mark.parametrize("obj", [live(0), live(2, replicas_before_restore="3")], ids=["by hand", "started since"])
def test_what_no_restore_stops_is_as_ready_as_ever(obj: dict[str, Any]) -> None:
    row = seen(obj)
    assert (row["ready"], row["stopped_by_restore"]) == (True, False)
    assert "restore" not in "\n".join(status.screen(status.State(workloads=[row]), "local", "", "ns", NOW))


def test_status_has_a_row_for_a_missing_workload() -> None:
    obj = live(2) | {"spec": live(2)["spec"] | {"replicas": 3}}
    gone = declared.Missing("services", obj)
    state = status.State(workloads=[status._absent(gone, 1)], missing=[gone])
    lines = status.screen(state, "local", "https://there", "ns", NOW)
    assert "0 of 1 ready" in lines[0]
    row = next(line for line in lines if line.startswith("services"))
    assert row.split() == ["services", "agent-service", "missing", "agent"]
    assert "  Deployment agent-service: missing" in lines
    data = state.data()
    assert (data["ready"], data["workloads"][0]["missing"], data["workloads"][0]["desired"]) == (False, True, 3)
    assert data["missing"] == [{"tier": "services", "kind": "Deployment", "name": "agent-service", "deleting": False}]


def test_a_scratch_volume_is_mounted_by_its_pod() -> None:
    assert set(status._mounted([pod("drill-x", {"name": "work", "ephemeral": {}})])) == {"drill-x-work"}
