"""What releases remember of migrations, and what a rollback says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible_collections.multi_agent.platform.plugins.module_utils.engine.gates import GATE
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import history, releases, rollback


def release(number: int, *images: str) -> releases.Release:
    migrations = [{"part": "agent-service", "job": f"m-{image}", "image": image} for image in images]
    change = releases.Change(["created Job m"], migrations=migrations)
    return releases.Release(number, {"changes": {"services": change.data()}})


def test_a_rollback_names_the_migrations_that_it_leaves_in_place() -> None:
    every = [release(1, "agent:1"), release(2), release(3, "agent:2"), release(4, "agent:3")]
    newer, older = rollback.migrated(every, 2)
    assert newer.startswith("Release 4 migrated the schema of agent-service by agent:3.")
    assert "version of release 2" in older
    assert rollback.migrated(every, 4) == []


def test_releases_of_before_migrations_were_recorded_have_none() -> None:
    old = releases.Release(1, {"changes": {"services": {"counts": {}, "objects": [], "failed": ""}}})
    assert old.migrations == []


def test_a_rollback_runs_no_migration_of_an_earlier_version() -> None:
    metadata = {"name": "m", "annotations": {GATE: "agent-service"}}
    job: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}
    other = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "postgres-roles-1"}}
    assert rollback.without_migrations([job, other]) == [other]


def test_a_run_that_works_on_a_tier_again_adds_to_what_it_did() -> None:
    first = releases.Change(["configured Secret a", "created Job m"]).data()
    both = releases.Change(["configured Secret a", "configured Deployment b"]).data(first)
    assert both["counts"] == {"configured": 3, "created": 1}
    assert both["objects"] == ["configured Deployment b", "configured Secret a", "created Job m"]


def test_details_show_them() -> None:
    body = {"cluster": "c", "versions": {}, "time": "2026-01-01T00:00:00+00:00", "by": "x", "inventory": "i"}
    body |= {"revision": "", "note": "", "changes": release(3, "agent:2").body["changes"]}
    text = "\n".join(history.details(releases.Release(3, body), datetime.now(UTC)))
    assert "migrated agent-service by agent:2 (Job m-agent:2)" in text
