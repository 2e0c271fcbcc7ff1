"""The tier of backups and its verbs, as far as the API goes: pods of the embedded cluster run no program."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Cluster, interrupted
from .test_verbs import Platform

KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
ENABLED: dict[str, Any] = {"platform_backup": {"enabled": True}, "backup_age_recipients": [KEY]}


@pytest.fixture(scope="module")
def platform(cluster: Cluster) -> Iterator[Platform]:
    """A platform with backups."""
    made = Platform(cluster, f"backup-{secrets.token_hex(4)}")
    made.run("site", **ENABLED)
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


def names(platform: Platform, kinds: str) -> set[str]:
    return {
        item["metadata"]["name"]
        for item in platform.get(kinds, "--selector=app.kubernetes.io/component=backup")["items"]
    }


def test_a_second_run_changes_nothing(platform: Platform) -> None:
    assert "configured" not in platform.run("site", **ENABLED).replace("0 configured", "")
    assert names(platform, "cronjobs") == {"backup", "restore", "restore-drill"}
    assert "Last backup: none has succeeded yet; no restore drill yet" in platform.run("status", **ENABLED)


def test_a_rotation_reaches_what_backs_up(platform: Platform) -> None:
    before = platform.get("secret", "backup-credentials")["data"]
    platform.run("rotate", rotate="postgres,superuser,nats,jwt,qdrant", rotate_overlap=0, **ENABLED)
    after = platform.get("secret", "backup-credentials")["data"]
    assert {key for key in after if after[key] != before[key]} >= {"POSTGRES_PASSWORD", "QDRANT_API_KEY"}
    current = platform.get("secret", "platform-credentials")["data"]
    assert after["POSTGRES_PASSWORD"] == current["postgres_password"]
    everything = platform.get("secret", "backup-everything")["data"]
    assert everything == {key: current[key] for key in everything}
    assert "nothing to change" in platform.plan(expect=0, **ENABLED)


def test_the_image_that_is_not_there_is_no_traceback(platform: Platform) -> None:
    # Its pods end at once and say nothing.
    assert "has left no report" in platform.run("backups", expect=2, **ENABLED)
    assert "Would make a backup" in platform.run("backup", "--check", **ENABLED)


@pytest.mark.parametrize(
    ("playbook", "variables", "words"),
    [
        ("restore", {}, "No backup was named"),
        ("restore", {"restore_from": "latest", "restore_parts": "tapes"}, "There is no part 'tapes'"),
        ("backup", {"platform_namespace": "nowhere"}, "Nothing makes backups in namespace nowhere"),
        ("backups", {"platform_namespace": "nowhere"}, "Nothing makes backups in namespace nowhere"),
        (
            "restore",
            {"platform_namespace": "nowhere", "restore_from": "x"},
            "Nothing makes backups in namespace nowhere",
        ),
        ("restore_drill", {"platform_namespace": "nowhere"}, "Nothing makes backups in namespace nowhere"),
        ("site", {"backup_age_recipients": []}, "names nobody who could read the credentials"),
        ("site", {"backup_schedule": "daily"}, "does not have the five fields of a schedule"),
    ],
)
def test_bad_input_is_a_sentence(platform: Platform, playbook: str, variables: dict[str, Any], words: str) -> None:
    assert words in platform.run(playbook, expect=2, **(ENABLED | variables))


def test_a_restore_is_of_one_cluster(platform: Platform, tmp_path: Path) -> None:
    fleet = tmp_path / "hosts.yml"
    fleet.write_text(json.dumps({"all": {"hosts": {"second": {}}}}))
    wanted = {**ENABLED, "restore_from": "latest", "restore_name": platform.namespace}
    jobs = platform.get("jobs")["items"]
    said = platform.run("restore", "-i", str(fleet), expect=2, **wanted)
    assert "2 clusters at once would lose what they have (local, second)" in said
    assert "--limit second" in said
    assert platform.get("jobs")["items"] == jobs
    # The one that is named is gone on with: its pods say nothing here.
    assert "has left no report" in platform.run("restore", "-i", str(fleet), "--limit", "local", expect=2, **wanted)


def merge(platform: Platform, kind: str, name: str, body: dict[str, Any], manager: str = "kubectl-patch") -> None:
    how = ("--type=merge", f"--field-manager={manager}")
    platform.kubectl("patch", kind, name, *how, f"--patch={json.dumps(body)}")


@contextmanager
def waiting(platform: Platform, name: str) -> Iterator[None]:
    """No node takes the pods of this CronJob's Jobs, so that they wait."""

    def choose_nodes(labels: dict[str, str] | None) -> None:
        body = {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"nodeSelector": labels}}}}}}
        merge(platform, "cronjob", name, body)

    choose_nodes({"nowhere": "true"})
    try:
        yield
    finally:
        choose_nodes(None)


@contextmanager
def under_way(platform: Platform, name: str) -> Iterator[str]:
    """A Job of this CronJob that does not end; its name."""
    job = f"{name}-0a1b2c3d"
    with waiting(platform, name):
        platform.kubectl("create", "job", job, f"--from=cronjob/{name}")
    try:
        yield job
    finally:
        platform.kubectl("delete", "job", job)


def inspecting(platform: Platform, kinds: str) -> set[str]:
    return {name for name in platform.kubectl("get", kinds, "--output=name").split() if "restore-inspect-" in name}


def test_a_restore_hears_a_signal(platform: Platform) -> None:
    before = inspecting(platform, "pods")
    wanted = {**ENABLED, "restore_from": "latest", "restore_name": platform.namespace}
    with waiting(platform, "restore"), platform.started("restore", **wanted) as process:
        err = interrupted(process, lambda: inspecting(platform, "pods") - before)
    assert "Stopped by SIGINT while Job restore-inspect-" in err
    assert "it goes on" in err


def test_a_job_that_cannot_start_is_taken_back(platform: Platform) -> None:
    before = inspecting(platform, "jobs")
    with waiting(platform, "restore"):
        said = platform.run("restore", expect=2, restore_from="latest", restore_name=platform.namespace, **ENABLED)
    assert "cannot start: Pod restore-inspect-" in said
    assert "Unschedulable" in said
    assert inspecting(platform, "jobs") <= before


@pytest.mark.parametrize(("name", "words"), [("restore", "restore is under way"), ("backup", "backup is being made")])
def test_a_restore_does_not_run_beside_another_or_a_backup(platform: Platform, name: str, words: str) -> None:
    with under_way(platform, name) as job:
        said = platform.run("restore", expect=2, restore_from="latest", restore_name=platform.namespace, **ENABLED)
        refused = platform.run("backup", expect=2, **ENABLED)
    expected = f"{words}{' already' if name == 'restore' else ''}, by Job {job}"
    assert expected in said
    assert expected in refused


STOPPED = ("agent-service", "tool-service")


@pytest.fixture
def broken_off(platform: Platform) -> None:
    """As a restore leaves it that breaks off halfway: here its pods do not get that far."""
    for name in STOPPED:
        annotations = {"multi-agent.platform/replicas-before-restore": "2"}
        body = {"metadata": {"annotations": annotations}, "spec": {"replicas": 0}}
        merge(platform, "deployment", name, body, "multi-agent-platform-restore")
    annotations = {"multi-agent.platform/suspend-before-restore": "false"}
    body = {"metadata": {"annotations": annotations}, "spec": {"suspend": True}}
    merge(platform, "cronjob", "backup", body, "multi-agent-platform-operator")


def state(platform: Platform) -> tuple[list[int], bool]:
    """Pods that are wanted of what was stopped, and whether backups are suspended."""
    replicas = [platform.get("deployment", name)["spec"]["replicas"] for name in STOPPED]
    return replicas, bool(platform.get("cronjob", "backup")["spec"].get("suspend"))


@pytest.mark.usefixtures("broken_off")
def test_what_a_restore_stopped_is_said_and_started_by_a_restart(platform: Platform) -> None:
    status = platform.run("status", **ENABLED)
    assert "9 of 11 ready" in status
    assert "Deployment agent-service: stopped by a restore, with 2 pods before it" in status
    assert "SUSPENDED by a restore" in status
    health = platform.run("check_health", expect=2, **ENABLED)
    assert "A restore stopped agent-service, tool-service" in health
    assert "A restore suspended the schedule of backups" in health
    assert "make restart S=all" in health
    # Neither is declared, so neither is changed by a run, or drift.
    platform.run("site", **ENABLED)
    assert "none." in platform.run("drift", drift_fail=True, **ENABLED)
    assert state(platform) == ([0, 0], True)
    with under_way(platform, "restore") as job:
        said = platform.run("restart", expect=2, part="agent", **ENABLED)
    assert f"A restore is under way already, by Job {job}. Nothing was started." in said
    assert "Deployment agent-service (2 pods)" in platform.run("restart", "--check", part="all", **ENABLED)
    assert state(platform) == ([0, 0], True)
    said = platform.run("restart", part="agent", **ENABLED)
    assert "Starting what a restore stopped: Deployment agent-service (2 pods)." in said
    assert state(platform) == ([2, 0], True)
    said = platform.run("restart", part="all", **ENABLED)
    assert "Starting what a restore stopped: Deployment tool-service (2 pods), the schedule of backups." in said
    assert "All pods are new and ready" in said
    assert state(platform) == ([2, 2], False)
    status = platform.run("status", **ENABLED)
    assert "11 of 11 ready" in status
    assert "by a restore" not in status
    assert "before-restore" not in platform.kubectl("get", "deployments,cronjobs", "--output=yaml")


def test_what_is_disabled_goes_and_what_was_kept_stays(platform: Platform) -> None:
    # A whole tier goes: that is refused until it is said to be meant.
    assert "platform_prune_most=true" in platform.run("site", expect=2)
    platform.run("site", platform_prune_most=True)
    assert names(platform, "cronjobs,networkpolicies,secrets,serviceaccounts") == set()
    assert "backups" in {item["metadata"]["name"] for item in platform.get("persistentvolumeclaims")["items"]}
    platform.run("teardown")
    assert "backups" in {item["metadata"]["name"] for item in platform.get("persistentvolumeclaims")["items"]}
