"""The tier of backups and its verbs, as far as the API goes: pods of the embedded cluster run no program."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
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
        ("site", {"backup_schedule": "daily"}, "is no schedule of cron"),
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
    assert "has left no report" in platform.run("restore", "-i", str(fleet), "--limit", "second", expect=2, **wanted)


def test_a_restore_hears_a_signal(platform: Platform) -> None:
    """No node takes its pod, so that it waits."""

    def choose_nodes(labels: dict[str, str] | None) -> None:
        body = {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"nodeSelector": labels}}}}}}
        platform.kubectl("patch", "cronjob", "restore", "--type=merge", f"--patch={json.dumps(body)}")

    def inspecting() -> set[str]:
        return {name for name in platform.kubectl("get", "pods", "--output=name").split() if "restore-inspect-" in name}

    before = inspecting()
    choose_nodes({"nowhere": "true"})
    with platform.started("restore", restore_from="latest", restore_name=platform.namespace, **ENABLED) as process:
        err = interrupted(process, lambda: inspecting() - before)
    assert "Stopped by SIGINT while Job restore-inspect-" in err
    assert "it goes on" in err
    choose_nodes(None)


def test_what_is_disabled_goes_and_what_was_kept_stays(platform: Platform) -> None:
    # A whole tier goes: that is refused until it is said to be meant.
    assert "platform_prune_most=true" in platform.run("site", expect=2)
    platform.run("site", platform_prune_most=True)
    assert names(platform, "cronjobs,networkpolicies,secrets,serviceaccounts") == set()
    assert "backups" in {item["metadata"]["name"] for item in platform.get("persistentvolumeclaims")["items"]}
    platform.run("teardown")
    assert "backups" in {item["metadata"]["name"] for item in platform.get("persistentvolumeclaims")["items"]}
