"""A part's entry may say what runs before a version of it is rolled out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from .test_catalogue import derive


def derived(defaults: dict[str, Any], part: str = "agent", **migration: Any) -> dict[str, Any]:
    return derive(defaults, overrides={part: {"migration": migration}})


def test_defaults_and_casts(defaults: dict[str, Any]) -> None:
    migration = derived(defaults, args=["migrate", 3], env={"A": True}, backoff_limit="2")["by_name"]["agent"][
        "migration"
    ]
    assert migration == {
        "command": [],
        "args": ["migrate", "3"],
        "env": {"A": "true"},
        "timeout_seconds": 600,
        "backoff_limit": 2,
    }
    assert derive(defaults)["by_name"]["agent"]["migration"] is None


def test_its_pod_has_room_in_the_quota(defaults: dict[str, Any]) -> None:
    before, after = derive(defaults)["quota"], derived(defaults, args=["migrate"])["quota"]
    assert int(after["pods"]) == int(before["pods"]) + 1
    assert after["limits.memory"] != before["limits.memory"]


@pytest.mark.parametrize(
    ("part", "migration", "message"),
    [
        ("agent", {"env": {"A": "b"}}, "platform_services.agent.migration.command: is missing"),
        ("agent", {"command": "alembic upgrade"}, 'migration.command = "alembic upgrade": is not a list'),
        ("agent", {"args": [["x"]]}, "migration.args[0]"),
        ("agent", {"args": ["x"], "timeout": 5}, "migration.timeout: is not a known key"),
        ("agent", {"args": ["x"], "timeout_seconds": 0}, "migration.timeout_seconds = 0"),
        ("agent", {"args": ["x"], "image": "other"}, "It runs the image of the part"),
        ("agent", {"args": ["x"], "env": {"DB_PASSWORD": "hunter22"}}, "migration.env.DB_PASSWORD: reads as a secret"),
        ("agent", {"args": ["x"], "env": {"PORT": "1"}}, "migration.env.PORT: is set by the platform"),
        ("frontend", {"args": ["x"]}, "platform_services.frontend.migration"),
    ],
)
def test_faults(defaults: dict[str, Any], part: str, migration: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        derived(defaults, part, **migration)
    assert message in str(caught.value)
    assert "hunter22" not in str(caught.value)
