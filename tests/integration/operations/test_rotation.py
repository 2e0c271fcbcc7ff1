"""Rotation and migrations as far as the API goes: what is written, in which order, and what is left of it."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from ..conftest import Cluster
from .test_verbs import Platform

NEXT = ("jwt_secret_next", "nats_password_agent_next", "postgres_password_agent_next")
MIGRATION: dict[str, Any] = {"args": ["migrate"]}


@pytest.fixture(scope="module")
def platform(cluster: Cluster) -> Iterator[Platform]:
    made = Platform(cluster, f"rotation-{secrets.token_hex(4)}")
    made.run("site")
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


def credentials(platform: Platform) -> dict[str, str]:
    data = platform.get("secret", "platform-credentials")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def version(tag: str, **migration: Any) -> dict[str, Any]:
    return {
        "platform_services_overrides": {"agent": {"migration": {**MIGRATION, **migration}}},
        "platform_image_overrides": {"agent": f"multi-agent/agent-service:{tag}"},
    }


def jobs(platform: Platform) -> dict[str, str]:
    """Image -> UID of the migrations."""
    found = platform.get("jobs", "--selector=app.kubernetes.io/component=migration")["items"]
    return {
        job["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]: job["metadata"]["uid"]
        for job in found
    }


def test_everything_rotates_and_nothing_is_left_of_it(platform: Platform) -> None:
    before = credentials(platform)
    output = platform.run("rotate", rotate="postgres,superuser,nats,jwt,qdrant", rotate_overlap=0)
    after = credentials(platform)
    assert not [name for name in after if name.endswith(("_next", "_previous"))]
    unchanged = {name for name in before if before[name] == after[name]}
    assert unchanged == {"anthropic_api_key", "nats_password_system", "openai_api_key", "qdrant_read_only_api_key"}
    values = {value for name, value in {**before, **after}.items() if "_user_" not in name}
    assert not [value for value in values if value in output]
    assert {after[f"{store}_user_agent"] for store in ("postgres", "nats")} == {"agent_b"}
    part = platform.get("secret", "agent-service-credentials")["data"]
    assert base64.b64decode(part["POSTGRES_USER"]).decode() == "agent_b"
    assert "JWT_SECRET_PREVIOUS" not in platform.get("secret", "gateway-service-credentials")["data"]
    assert "nothing to change" in platform.plan(expect=0)
    assert "none." in platform.run("drift", drift_fail=True)


def test_a_value_of_the_inventory_is_used_and_must_be_new(platform: Platform) -> None:
    given: dict[str, Any] = {"platform_credentials": {"jwt_secret": secrets.token_urlsafe(48)}}
    platform.run("rotate", rotate="jwt", rotate_overlap=0, **given)
    assert credentials(platform)["jwt_secret"] == given["platform_credentials"]["jwt_secret"]
    refused = platform.run("rotate", rotate="jwt", expect=2, **given)
    assert "platform_credentials.jwt_secret gives the value that is in force" in refused
    assert given["platform_credentials"]["jwt_secret"] not in refused


def test_site_in_the_middle_of_a_rotation_renders_both_values(platform: Platform) -> None:
    active = credentials(platform)["postgres_user_agent"]
    other = {"agent": "agent_b", "agent_b": "agent"}[active]
    # As a Secret of the user's own is rotated by hand, or a run leaves it that is killed after its first step.
    data = {name: base64.b64encode(b"a-value-of-by-and-by").decode() for name in NEXT}
    platform.kubectl("patch", "secret", "platform-credentials", "--patch", json.dumps({"data": data}))
    platform.run("site")
    gateway = platform.get("secret", "gateway-service-credentials")["data"]
    assert gateway["JWT_SECRET_PREVIOUS"] == data["jwt_secret_next"]
    (container,) = platform.get("deployment", "gateway-service")["spec"]["template"]["spec"]["containers"]
    assert "JWT_SECRET_PREVIOUS_FILE" in {variable["name"] for variable in container["env"]}
    assert {f"role-{active}", f"role-{other}"} <= platform.get("secret", "postgres-credentials")["data"].keys()
    users = base64.b64decode(platform.get("secret", "nats-credentials")["data"]["auth.conf"]).decode()
    assert users.count("a-value-of-by-and-by") == 1
    part = platform.get("secret", "agent-service-credentials")["data"]
    assert base64.b64decode(part["POSTGRES_USER"]).decode() == active, "parts do not use it yet"
    assert "none." in platform.run("drift", drift_fail=True)
    output = platform.run("rotate", rotate="jwt,nats,postgres", rotate_overlap=0)
    assert "jwt_secret: a new value is accepted already; going on from there" in output
    after = credentials(platform)
    assert after["jwt_secret"] == after["postgres_password_agent"] == "a-value-of-by-and-by"
    assert after["postgres_user_agent"] == other
    assert not [name for name in after if name.endswith(("_next", "_previous"))]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "Nothing to rotate is named"),
        ({"rotate": "jtw"}, "jtw: cannot be rotated"),
        ({"rotate": "ai"}, "openai_api_key is issued by its provider"),
        ({"rotate": "jwt", "platform_existing_secret": "theirs"}, "platform_existing_secret names theirs"),
    ],
)
def test_refusals_change_nothing(platform: Platform, variables: dict[str, Any], message: str) -> None:
    before = credentials(platform)
    assert message in platform.run("rotate", expect=2, **variables)
    assert credentials(platform) == before


def test_tags_are_refused(platform: Platform) -> None:
    before = credentials(platform)
    said = platform.run("rotate", "--tags", "nats", expect=2, rotate="nats")
    assert "--tags nats: a rotation concerns every tier" in said
    assert credentials(platform) == before


def test_check_mode_says_what_would_be_done(platform: Platform) -> None:
    before = credentials(platform)
    assert "jwt_secret: a new value was generated (would be done)" in platform.run("rotate", "--check", rotate="jwt")
    assert credentials(platform) == before


def test_a_migration_runs_once_a_version_and_is_on_record(platform: Platform) -> None:
    assert "+ Job agent-service-migration-" in platform.plan(expect=2, **version("2.0.0"))
    platform.run("site", **version("2.0.0"))
    first = jobs(platform)
    assert first.keys() == {"2.0.0"}
    assert "nothing to change" in platform.plan(expect=0, **version("2.0.0"))
    # Neither another size of the part nor another deadline is another migration.
    platform.run("site", **version("2.0.0", timeout_seconds=900))
    assert jobs(platform) == first
    assert "none." in platform.run("drift", drift_fail=True)

    platform.run("site", **version("3.0.0"))
    both = jobs(platform)
    assert both.keys() == {"2.0.0", "3.0.0"}
    last = platform.releases()[-1]
    assert [m["image"] for m in last["changes"]["services"]["migrations"]] == ["multi-agent/agent-service:3.0.0"]
    assert "migrated agent-service by multi-agent/agent-service:3.0.0" in platform.run(
        "releases", release=last["number"]
    )

    back = platform.run("rollback")
    assert f"Release {last['number']} migrated the schema of agent-service by multi-agent/agent-service:3.0.0" in back
    assert platform.image().endswith(":2.0.0")
    assert jobs(platform) == both
    assert "none." in platform.run("drift", drift_fail=True)
    platform.run("site", **version("2.0.0"))
    assert jobs(platform) == both, "going back by the inventory runs nothing again either"

    platform.run("site", platform_services_overrides={"agent": None, "orchestration": {"calls": ["tool"]}})
    assert jobs(platform) == {}, "with its part its record goes"
