"""What a restore stops and starts: after every way it can end, and by a restart."""

from __future__ import annotations

import types
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.action import restart, restore
from ansible_collections.multi_agent.platform.plugins.module_utils.backup import jobs, quiet, restoring
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import diagnosis
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.interruption import Interrupted
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.transport import Disconnected

from .world import COMPLETE, FAILED, Listed, World, cron_job, ended, pod

REPORT = {"backup": {"name": "kept"}, "parts": ["postgres"], "restored": "b", "seconds": 1, "gone": {}}
WAITS = {"waiting": {"reason": "PodInitializing"}}


@pytest.fixture(autouse=True)
def _report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_result", lambda *_: REPORT)
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0)
    monkeypatch.setattr(quiet, "_POLL_SECONDS", 0)


def restored(cluster: Any, *, keep: bool = True) -> dict[str, Any]:
    users = {"postgres": ["agent-service", "tool-service"]}
    args = {"namespace": "ns", "users": users, "keep": keep, "pods_timeout": 0, "wait_timeout": 60}
    asked = restoring.Asked("b", ("postgres",))
    return restore.ActionModule.__new__(restore.ActionModule)._restore(cluster, asked, args, True)


def environment(job: Any) -> dict[str, str]:
    return {v["name"]: v.get("value") for v in job["spec"]["template"]["spec"]["containers"][0]["env"]}


def of_restore(status: dict[str, Any]) -> Any:
    """The restore's own Job has this status, that of the backup before it is complete."""
    return lambda job: status if job["metadata"]["name"].startswith("restore-") else COMPLETE


def test_a_restore_keeps_what_is_there_and_leaves_all_as_it_was() -> None:
    seen = []

    def complete(_job: Any) -> Any:
        seen.append((cluster.replicas(), cluster.suspended()))
        return COMPLETE

    cluster = World(complete)
    assert restored(cluster)["kept"] == "kept"
    assert seen == [([0, 0], True)] * 2
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)
    told = environment(cluster.made[0])
    assert (told["REASON"], told["KEEP_ALL"]) == ("before a restore", "true")
    assert "KEEP_ALL" not in environment(cluster.made[1])
    annotations = [obj["metadata"].get("annotations") or {} for obj in cluster.objects.values()]
    assert not any(found.get(key) for found in annotations for key in (quiet.REPLICAS, quiet.SUSPEND))


def test_a_schedule_that_was_suspended_before_stays_so() -> None:
    cluster = World()
    cluster.objects["CronJob", "backup"]["spec"]["suspend"] = True
    restored(cluster)
    assert cluster.suspended()


class Stubborn(World):
    """One whose pods do not end, and which is told to stop while they are waited for."""

    def list(self, kind: Any, _namespace: str, *, labels: str = "", fields: str = "") -> Listed:
        if kind.kind == "Pod":
            self.interruption.tell("SIGINT")
            return [{"metadata": {"name": "agent-service-1"}, "status": {"phase": "Running"}}], ""
        return super().list(kind, _namespace, labels=labels, fields=fields)


def test_what_was_stopped_goes_on_where_a_restore_is_told_to_stop() -> None:
    cluster = Stubborn()
    with pytest.raises(EngineError) as stopped:
        restored(cluster)
    assert "The live data is as it was. Started again: agent-service, tool-service." in stopped.value.remedy
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)


def told_in(name: str) -> World:
    """A world in which the run is told to stop once Job ``name`` has begun."""

    def begun(job: Any) -> Any:
        if job["metadata"]["name"].rpartition("-")[0] != name:
            return COMPLETE
        cluster.interruption.tell("SIGINT")
        return {}

    cluster = World(begun)
    return cluster


def test_a_restore_that_is_told_to_stop_while_it_keeps_what_is_there_starts_what_it_stopped() -> None:
    cluster = told_in("backup")
    with pytest.raises(EngineError) as stopped:
        restored(cluster)
    assert "Stopped by SIGINT while Job backup-" in stopped.value.message
    assert "stay stopped" not in stopped.value.remedy
    assert cluster.replicas() == [3, 2]


def test_a_restore_that_is_told_to_stop_halfway_says_how_to_go_on() -> None:
    cluster = told_in("restore")
    with pytest.raises(EngineError) as stopped:
        restored(cluster)
    assert "Stopped by SIGINT while Job restore-" in stopped.value.message
    for words in (
        "kubectl logs job/restore-",
        "The services stay stopped",
        "when the Job has ended (make restore FROM=b NAME=ns)",
        "make restore FROM=kept NAME=ns",
        "make restart S=all",
    ):
        assert words in stopped.value.remedy
    assert "Rerun to continue" not in stopped.value.remedy
    assert (cluster.replicas(), cluster.suspended()) == ([0, 0], True)


def test_services_that_a_restore_starts_are_all_started_when_it_is_told_to_stop() -> None:
    cluster: Any = World()
    assert quiet.stop(cluster, "ns", ["agent-service"], 0) == ["agent-service"]
    cluster.interruption.tell("SIGTERM")
    with pytest.raises(Interrupted) as stopped:
        quiet.start(cluster, "ns", 60, lambda *_: None)
    assert "The data is restored" in stopped.value.remedy
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)


@pytest.mark.parametrize(
    ("pods", "words"),
    [
        ([pod(prepare=ended(1, "Postgres cannot be reached."), load=WAITS, restore=WAITS)], "cannot be reached"),
        ([pod(prepare=ended(0), load=ended(1, "The dump is bad."), restore=WAITS)], "The dump is bad"),
        ([pod(prepare=ended(0), load=ended(137, "", "OOMKilled"), restore=WAITS)], "more memory than it may"),
    ],
    ids=["prepare", "load", "memory"],
)
def test_services_start_again_where_a_restore_fails_before_it_replaces_anything(pods: Any, words: str) -> None:
    cluster = World(of_restore(FAILED), *pods)
    with pytest.raises(EngineError, match=words) as failed:
        restored(cluster)
    assert "The live data is as it was. Started again: agent-service, tool-service." in failed.value.remedy
    assert "stay stopped" not in failed.value.remedy
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)


@pytest.mark.parametrize(
    "pods",
    [
        [pod(prepare=ended(0), load=ended(0), restore=ended(1, "A stream is missing."))],
        [],
        [pod(prepare=ended(0), load=ended(0), restore=WAITS)],
        [pod(prepare={"running": {}}, restore=WAITS)],
    ],
    ids=["the last container", "no pod left", "lost with its node", "lost early"],
)
def test_services_stay_stopped_where_a_restore_may_have_replaced_something(pods: Any) -> None:
    cluster = World(of_restore(FAILED), *pods)
    with pytest.raises(EngineError) as failed:
        restored(cluster)
    assert "The services stay stopped" in failed.value.remedy
    assert "make restart S=all" in failed.value.remedy
    assert (cluster.replicas(), cluster.suspended()) == ([0, 0], True)


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_a_job_that_cannot_start_is_gone_and_services_start_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def findings(_self: Any, found: Any, **_: Any) -> Any:
        own = found[0]["metadata"]["name"].startswith(f"{name}-")
        return [(found[0], diagnosis.Finding("Pod x", "Unschedulable", "no node has room"))] if own else []

    monkeypatch.setattr(diagnosis.Diagnosis, "fatal", findings)
    cluster = World(lambda job: {} if job["metadata"]["name"].startswith(f"{name}-") else COMPLETE)
    with pytest.raises(jobs.NothingDone, match="cannot start: Pod x: Unschedulable"):
        restored(cluster)
    assert name not in cluster.jobs()
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)


def test_a_job_that_cannot_be_taken_back_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = diagnosis.Finding("Pod x", "Unschedulable", "no node has room")
    monkeypatch.setattr(diagnosis.Diagnosis, "fatal", lambda _self, found, **_: [(found[0], finding)])

    class Deaf(World):
        def delete(self, kind: Any, _namespace: str, name: str) -> bool:
            raise EngineError(f"{kind.kind} {name}: nobody answers")

    cluster = Deaf(lambda _job: {})
    with pytest.raises(EngineError) as failed:
        restored(cluster, keep=False)
    assert "cannot start" in failed.value.message
    assert "may still start; delete it: kubectl delete job/restore-" in failed.value.remedy
    assert cluster.replicas() == [0, 0]


def test_a_job_that_cannot_be_made_has_restored_nothing() -> None:
    cluster = World()
    cluster.broken = {"Job"}
    with pytest.raises(jobs.NothingDone, match="exceeded quota"):
        restored(cluster, keep=False)
    assert cluster.replicas() == [3, 2]


def test_the_first_error_is_said_where_services_cannot_be_started_either() -> None:
    def failed_now(_job: Any) -> Any:
        cluster.broken = {"Deployment"}
        return FAILED

    cluster = World(failed_now, pod(prepare=ended(1, "The checksum is wrong."), restore=WAITS))
    with pytest.raises(EngineError) as failed:
        restored(cluster, keep=False)
    assert failed.value.message == "The checksum is wrong."
    for words in ("The live data is as it was", "are still stopped", "etcd is away", "make restart S=all"):
        assert words in failed.value.remedy
    assert cluster.replicas() == [0, 0]


def test_what_an_earlier_restore_stopped_is_not_started_by_one_that_does_nothing() -> None:
    """The earlier one may have replaced one store and not another."""
    cluster = World(of_restore(FAILED), pod(prepare=ended(1, "No."), restore=WAITS))
    cluster.stopped("agent-service", 3)
    with pytest.raises(EngineError) as failed:
        restored(cluster)
    assert "Started again: tool-service." in failed.value.remedy
    assert "Still stopped by an earlier restore: agent-service" in failed.value.remedy
    assert (cluster.replicas(), cluster.suspended()) == ([0, 2], True)
    cluster.becomes = lambda _job: COMPLETE
    for name in [name for kind, name in cluster.objects if kind == "Job"]:
        del cluster.objects["Job", name]
    assert set(restored(cluster)["started"]) == {"agent-service", "tool-service"}
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)


def test_what_was_started_by_hand_keeps_the_number_it_has() -> None:
    cluster = World()
    cluster.stopped("agent-service", 3)
    cluster.objects["Deployment", "agent-service"]["spec"]["replicas"] = 5
    restored(cluster)
    assert cluster.replicas() == [5, 2]


def under_way(cluster: World, app: str) -> World:
    job = jobs.made_of(cron_job(app), jobs.Wanted({}))
    cluster.objects["Job", job["metadata"]["name"]] = job | {"status": {"active": 1}}
    return cluster


@pytest.mark.parametrize(("app", "words"), [("restore", "restore is under way"), ("backup", "backup is being made")])
def test_a_restore_is_refused_beside_another_or_a_backup(app: str, words: str) -> None:
    action = restore.ActionModule.__new__(restore.ActionModule)
    cluster: Any = under_way(World(), app)
    with pytest.raises(EngineError, match=words) as refused:
        action.operate(cluster, {"namespace": "ns", "backup": "b", "parts": []})
    assert "Wait for it" in refused.value.remedy
    assert cluster.made == []


def test_a_backup_that_was_scheduled_just_before_a_restore_ends_it() -> None:
    cluster = under_way(World(), "backup")
    with pytest.raises(EngineError, match="backup is being made"):
        restored(cluster)
    assert cluster.made == []
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)


def test_a_log_is_asked_for_again_where_the_connection_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [Disconnected(OSError("reset")), types.SimpleNamespace(status=200, data=b"RESULT {}")]

    class Transport:
        def request(self, *_arguments: Any) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    cluster: Any = World()
    cluster.transport = Transport()
    monkeypatch.setattr(jobs, "delays", lambda: iter([0.0]))
    with_container = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "restore"}]}}
    assert jobs._log(cluster, "ns", "restore-1", with_container) == (200, "RESULT {}")


# --- restart ----------------------------------------------------------------------------------------------------------


def restarted(cluster: Any, part: str, *, check: bool = False) -> str:
    action: Any = restart.ActionModule.__new__(restart.ActionModule)
    action._task = types.SimpleNamespace(check_mode=check)
    said: list[str] = []
    action.say = said.append
    action.operate(cluster, {"namespace": "ns", "part": part, "wait": False, "prove": False})
    return "\n".join(said)


def broken_off() -> World:
    """As a restore leaves it that broke off halfway."""
    cluster = World()
    quiet.stop(cluster, "ns", ["agent-service", "tool-service"], 0)  # type: ignore[arg-type]
    return cluster


def test_a_restart_starts_what_a_restore_stopped() -> None:
    cluster = broken_off()
    assert "Deployment agent-service (3 pods)" in restarted(cluster, "agent-service")
    assert (cluster.replicas(), cluster.suspended()) == ([3, 0], True)
    restarted(cluster, "tool-service")
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)
    assert "Restarting Deployment tool-service" in restarted(cluster, "tool-service")


def test_a_restart_of_all_starts_everything_and_the_schedule() -> None:
    cluster = broken_off()
    said = restarted(cluster, "all", check=True)
    assert "Would start what a restore stopped: Deployment agent-service (3 pods)" in said
    assert (cluster.replicas(), cluster.suspended()) == ([0, 0], True)
    assert "the schedule of backups" in restarted(cluster, "all")
    assert (cluster.replicas(), cluster.suspended()) == ([3, 2], False)
    assert "what a restore stopped" not in restarted(cluster, "all")


def test_a_restart_of_all_takes_up_a_schedule_alone() -> None:
    cluster = World()
    quiet.stop(cluster, "ns", [], 0)  # type: ignore[arg-type]
    assert cluster.suspended()
    restarted(cluster, "tool-service")
    assert cluster.suspended()
    restarted(cluster, "all")
    assert not cluster.suspended()


@pytest.mark.parametrize("app", ["restore", "backup"])
def test_a_restart_starts_nothing_while_a_restore_is_under_way(app: str) -> None:
    cluster = under_way(broken_off(), app)
    with pytest.raises(EngineError, match="Nothing was started"):
        restarted(cluster, "agent-service")
    assert cluster.replicas() == [0, 0]
    # What no restore stopped is none of its business.
    cluster.objects["Deployment", "agent-service"]["spec"]["replicas"] = 1
    assert "Restarting Deployment agent-service" in restarted(cluster, "agent-service")
