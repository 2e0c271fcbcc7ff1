"""Jobs made of CronJobs, refusals of a restore, credentials, and when a backup is too old."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.backup import (
    jobs,
    quiet,
    restoring,
    screens,
    success,
)
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import doctor
from ansible_collections.multi_agent.platform.plugins.module_utils.platform import backup as settings
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.problems import Problems

from .world import cron_job as rendered

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def cron_job(name="backup", **status):
    return {**rendered(name), "status": status}


def environment(container):
    return {v["name"]: v.get("value") for v in container["env"]}


def test_a_job_by_hand_is_the_schedule_s_but_for_what_it_is_told():
    source = cron_job()
    job = jobs.made_of(source, jobs.Wanted({"REASON": "asked for"}))
    assert job["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert job["spec"]["backoffLimit"] == 0
    assert source["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 2
    pod = job["spec"]["template"]["spec"]
    assert environment(pod["containers"][0])["REASON"] == "asked for"
    assert [v["name"] for v in pod["containers"][0]["env"]].count("REASON") == 1


def test_a_look_keeps_one_container():
    pod = jobs.made_of(cron_job("restore"), jobs.Wanted({}, only="restore", args=("list",)), "list")["spec"]["template"]
    assert pod["spec"]["initContainers"] == []
    assert [c["args"] for c in pod["spec"]["containers"]] == [["list"]]


def test_stores_of_a_drill_are_told_nothing():
    pod = jobs.made_of(cron_job("restore-drill"), jobs.Wanted({"FROM": "x"}))["spec"]["template"]["spec"]
    told = [
        c["name"]
        for c in [*pod["initContainers"], *pod["containers"]]
        if environment(c | {"env": c.get("env", [])}).get("FROM") == "x"
    ]
    assert told == ["prepare", "load", "drill"]


@pytest.mark.parametrize(
    ("message", "words", "remedy"),
    [
        (json.dumps({"message": "It is full.", "remedy": "Make room."}), "It is full.", "Make room."),
        ("pg_dump: error: No space left on device", "The backup volume is full", "volume_size"),
        ("anything", "anything", "log"),
    ],
)
def test_what_a_container_says_becomes_the_failure(message, words, remedy):
    error = jobs.told(message)
    assert words in error.message
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("backup", "parts", "words"),
    [
        ("latest", ["tapes"], "There is no part 'tapes'"),
        ("latest", ["postgres,credentials"], "Credentials are restored alone"),
        ("", [], "No backup was named"),
        (None, [], "No backup was named"),
    ],
)
def test_a_restore_that_makes_no_sense_is_refused(backup, parts, words):
    with pytest.raises(EngineError, match=words):
        restoring.Asked.of(backup, parts)


def test_live_data_wants_its_name():
    live = {"live": {"postgres": {"agent.runs": 3}, "nats": {}}}
    empty = {"live": {"postgres": {"agent.runs": 0}, "nats": {}}}
    restoring.confirm("agents", live, "agents")
    restoring.confirm("agents", empty, "")
    for given in ("", "Agents"):
        with pytest.raises(EngineError, match="name was not given"):
            restoring.confirm("agents", live, given)


def test_credentials_open_with_the_right_key_only(tmp_path):
    pyrage = pytest.importorskip("pyrage")
    mine, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    data = pyrage.encrypt(json.dumps({"jwt_secret": "hunter2"}).encode(), [mine.to_public()])
    for name, text in (("mine", f"# public key: x\n{mine}\n"), ("other", str(other)), ("none", "nonsense")):
        (tmp_path / name).write_text(text)
    assert restoring.decrypt(data, str(tmp_path / "mine")) == {"jwt_secret": "hunter2"}
    for file, words in (("other", "does not open"), ("none", "holds no private key"), ("missing", "cannot be read")):
        with pytest.raises(EngineError, match=words) as refused:
            restoring.decrypt(data, str(tmp_path / file))
        assert "AGE-SECRET-KEY-1" not in refused.value.message
    with pytest.raises(EngineError, match="no private key was given"):
        restoring.decrypt(data, "")


class FakeCluster:
    """A Secret with values, or none; ``written`` is what was written and how."""

    def __init__(self, **values):
        data = {key: base64.b64encode(v.encode()).decode() for key, v in values.items()}
        self.secret = {"data": data} if values else None
        self.written = None

    def find(self, *_arguments):
        return self.secret

    def apply(self, _kind, obj, **_options):
        self._write("apply", obj)

    def patch(self, _kind, _namespace, _name, body, writer):
        assert body.keys() == {"data"}  # labels and annotations stay
        self._write(writer, body)

    def _write(self, how, body):
        self.written = how, {key: base64.b64decode(value).decode() for key, value in body["data"].items()}


def test_credentials_that_are_there_stay():
    cluster: Any = FakeCluster(a="1", b="")
    written = restoring.write_credentials(cluster, "n", "s", {"a": "2", "b": "3", "nobody_gave": ""}, check=False)
    assert (written, cluster.written) == ((["b"], ["a"]), ("rotation", {"b": "3"}))
    cluster = FakeCluster(a="1")
    assert restoring.write_credentials(cluster, "n", "s", {"a": "2"}, check=False) == ([], ["a"])
    assert cluster.written is None
    cluster = FakeCluster()
    assert restoring.write_credentials(cluster, "n", "s", {"a": "2"}, check=False) == (["a"], [])
    assert cluster.written == ("apply", {"a": "2"})


def ago(**before):
    return (NOW - timedelta(**before)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("status", "line", "levels"),
    [
        ({"lastSuccessfulTime": ago(hours=5)}, "Last backup: 5h ago", []),
        ({"lastSuccessfulTime": ago(hours=30)}, "Last backup: 1d ago, TOO LONG", [doctor.PROBLEM]),
        ({}, "Last backup: none has succeeded yet", []),
    ],
)
def test_a_backup_that_is_too_old_is_said(status, line, levels):
    job = cron_job(**status)
    assert success.line({"backup": job}, NOW).startswith(line)
    assert [f.level for f in doctor._backups(doctor.Facts(objects={"CronJob": [job]}), NOW)] == levels


def test_a_schedule_that_a_restore_suspended_is_said():
    job = cron_job(lastSuccessfulTime=ago(hours=5))
    job["metadata"]["annotations"] = {quiet.SUSPEND: "false"}
    assert success.line({"backup": job}, NOW) == "Last backup: 5h ago, SUSPENDED by a restore"
    ((what, todo),) = success.problems({"backup": job}, NOW)
    assert what == "A restore suspended the schedule of backups"
    assert "make restart S=all" in todo


def test_a_drill_that_failed_is_a_problem():
    drill = cron_job("restore-drill", lastSuccessfulTime=ago(days=9), lastScheduleTime=ago(days=1))
    made = cron_job(lastSuccessfulTime=ago(hours=1))
    (finding,) = doctor._backups(doctor.Facts(objects={"CronJob": [made, drill]}), NOW)
    assert "drill failed" in finding.what
    assert "FAILED" in success.line({"backup": made, "restore-drill": drill}, NOW)


def test_prod_without_backups_is_advised():
    found = [f.what for f in doctor._backups(doctor.Facts(environment="prod"), NOW)]
    assert found == ["Nothing makes backups"]


KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
SOUND = {
    "platform_backup": {"enabled": True},
    "backup_schedule": "17 2 * * *",
    "backup_credentials": True,
    "backup_age_recipients": [KEY],
}


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"backup_schedule": "daily"}, "backup_schedule"),
        ({"backup_schedule": ""}, "backup_schedule"),
        ({"backup_drill_schedule": "1 2 3"}, "backup_drill_schedule"),
        ({"backup_age_recipients": []}, "backup_age_recipients"),
        ({"backup_age_recipients": ["AGE-SECRET-KEY-1QQQ"]}, "backup_age_recipients[0]"),
        ({"backup_s3": {"bucket": "b"}}, "backup_s3.secret"),
        ({"backup_s3": {"bucket": "b", "secret": "s"}, "backup_existing_claim": "c"}, "backup_existing_claim"),
        ({"backup_timeout": 5}, "backup_timeout"),
        ({"backup_retention": {"last": -1}}, "backup_retention"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, at):
    problems = Problems()
    settings.check(SOUND | change, problems)
    assert at in str(problems)
    assert "AGE-SECRET-KEY-1QQQ" not in str(problems)
    sound = Problems()
    settings.check(SOUND, sound)
    settings.check({"backup_schedule": "nonsense"}, sound)  # nobody asked for backups
    assert not sound


def test_screens_read_as_text():
    counts = {"rows": 1, "tables": 2, "points": 0, "collections": 0, "messages": 3, "streams": 1}
    made = {"name": "n", "counts": counts, "bytes": 2048, "parts": ["nats"], "started": ago(hours=2), "reason": "r"}
    assert screens.backup(made) == (
        "Backup n: 1 row in 2 tables, 0 points in 0 collections, 3 messages in 1 stream, 2Ki, without credentials."
    )
    lines = screens.listing([made, {"name": "m", "problem": "is damaged"}], NOW)
    assert lines[1].split() == ["n", "2h", "2Ki", "1", "0", "3", "left", "out", "r"]
    assert lines[2].endswith("is damaged")


def test_credentials_of_other_secrets_are_not_restored() -> None:
    left, note = restoring.without_referred({"jwt_secret": "a", "openai_api_key": "b"}, {"openai_api_key": "ai-keys"})
    assert left == {"jwt_secret": "a"}
    assert (
        note == "Not restored: platform_credentials_from takes openai_api_key from Secret ai-keys, which is only read."
    )
    assert restoring.without_referred({"jwt_secret": "a"}, {"openai_api_key": "ai-keys"}) == ({"jwt_secret": "a"}, "")
