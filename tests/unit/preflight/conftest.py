"""The collection's argument specs and the shipped values, as preflight sees them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def specs() -> Any:
    # Imported late: a conftest is read before pytest-ansible has installed the finder of collections.
    from ansible_collections.multi_agent.platform.plugins.module_utils.platform.specs import Specs  # noqa: PLC0415

    roles = {}
    for file in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        entries = yaml.safe_load(file.read_text())["argument_specs"].values()
        roles[file.parents[1].name] = {k: v for entry in entries for k, v in (entry.get("options") or {}).items()}
    return Specs(roles)


@pytest.fixture(scope="session")
def shipped() -> dict[str, dict[str, Any]]:
    """Defaults by role."""
    return {
        file.parents[1].name: yaml.safe_load(file.read_text()) or {}
        for file in sorted(ROOT.glob("roles/*/defaults/main.yml"))
    }


@pytest.fixture
def values(shipped: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What a run with the shipped defaults resolves; expressions are left out, as only a run can say what they are."""
    everything = {name: value for defaults in shipped.values() for name, value in defaults.items()}
    return {name: copy.deepcopy(value) for name, value in everything.items() if "{{" not in str(value)}
