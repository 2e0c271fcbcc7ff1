"""Tiers stand in several playbooks, as tags and loops are static: they have to be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.tags import chosen
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.target import TIERS

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
EVERY = ["namespace", "netpol", "services"]


def tiers(playbook: str, variable: str) -> list[str]:
    found: list[str] = yaml.safe_load((PLAYBOOKS / f"{playbook}.yml").read_text())[0]["vars"][variable]
    return found


def test_site_plan_and_teardown_know_the_same_tiers() -> None:
    site = tiers("site", "__platform_tiers")
    assert tiers("plan", "__platform_tiers") == site
    assert sorted(tiers("teardown", "__teardown_tiers")) == sorted(site) == sorted(TIERS)


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        ({}, EVERY),
        ({"ansible_run_tags": ["all"]}, EVERY),
        ({"ansible_run_tags": ["services", "namespace"]}, ["namespace", "services"]),
        ({"ansible_skip_tags": ["namespace"]}, ["netpol", "services"]),
        ({"ansible_run_tags": ["services", "netpol"], "ansible_skip_tags": ["netpol"]}, ["services"]),
        ({"ansible_run_tags": ["tagged"]}, EVERY),
        ({"ansible_run_tags": ["always"]}, []),
        ({"ansible_run_tags": ["servces"]}, []),
    ],
)
def test_tags_leave(tags: dict[str, Any], left: list[str]) -> None:
    assert chosen(EVERY, tags.get) == left


def test_a_tag_of_the_task_s_own_means_all_its_tiers() -> None:
    assert chosen(EVERY, {"ansible_run_tags": ["deploy"]}.get, ["deploy", "always"]) == EVERY
    assert chosen(EVERY, {"ansible_run_tags": ["netpol"]}.get, ["netpol", "services"]) == ["netpol"]
