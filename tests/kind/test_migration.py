"""A migration runs before its version: where it fails the old one serves on, where it succeeds it is not run again."""

from __future__ import annotations

from typing import Any

import pytest

from .platform import Platform
from .test_releases import EVERYWHERE, RATE

pytestmark = pytest.mark.slow

PART, OBJECT = "orchestration", "orchestration-service"
REASON = "column agents.id is still referenced"


def version(env: str, **migration: str) -> dict[str, Any]:
    return {"kind_overrides": {PART: {"env": {"RELEASE": env}, "migration": {"args": ["migrate"], "env": migration}}}}


def jobs(platform: Platform) -> dict[str, str]:
    """Name and UID of the migrations that are there."""
    found = platform.get("jobs", "--selector=app.kubernetes.io/component=migration")["items"]
    return {job["metadata"]["name"]: job["metadata"]["uid"] for job in found}


def rows(platform: Platform) -> str:
    return platform.sql("SELECT count(*) FROM orchestration.schema_versions", check=False)


def release(platform: Platform) -> str:
    containers = platform.get("deployment", OBJECT)["spec"]["template"]["spec"]["containers"]
    return next((str(v["value"]) for v in containers[0]["env"] if v["name"] == "RELEASE"), "")


def test_migrations(restored: Platform) -> None:
    """One after the other: each begins where the one before it ended."""
    restored.site(kind_overrides={PART: {"env": {"RELEASE": "1"}}})

    with restored.load("load-migration-fails", EVERYWHERE, RATE) as end:
        run = restored.site(fails=True, **version("2", MIGRATION_FAIL=REASON))
        report = end()
    print(run.output[-2500:])
    assert f'"error": "{REASON}"' in run.output, "its log says why"
    assert "No workload of this tier was changed." in run.output
    assert report["failed"] == 0, report
    assert release(restored) == "1"
    assert rows(restored) == "", "it left nothing"
    again = restored.site(fails=True, **version("2", MIGRATION_FAIL=REASON))
    assert "-migration-" in again.output
    assert release(restored) == "1"

    restored.site(**version("2"))
    assert (release(restored), rows(restored)) == ("2", "1")
    done = jobs(restored)
    assert len(done) == 1, "the one that failed is gone"
    assert restored.site(**version("2")).recap["changed"] == 0
    # What a release adds beside the migration does not run it again.
    restored.site(**version("3"))
    assert (release(restored), jobs(restored)) == ("3", done)

    with restored.load("load-rollback", EVERYWHERE, RATE) as end:
        back = restored.play("playbooks/rollback.yml", rollback_to=first(restored))
        report = end()
    assert f"migrated the schema of {OBJECT}" in back.output
    assert report["failed"] == 0, report
    assert (release(restored), jobs(restored)) == ("1", done)
    assert restored.site(**version("3")).recap["failed"] == 0
    assert jobs(restored) == done, "going back and forth runs nothing again"
    restored.round_trip()


def first(platform: Platform) -> int:
    """The release before the migration that failed: the fourth from the end."""
    items = platform.get("configmaps", "--selector=multi-agent.platform/release")["items"]
    numbers = sorted(int(item["metadata"]["labels"]["multi-agent.platform/release"]) for item in items)
    return numbers[-5]
