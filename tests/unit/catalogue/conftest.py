"""Inputs as the role's defaults give them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def shipped() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "roles/platform/defaults/main.yml").read_text())
    return values


@pytest.fixture
def defaults(shipped: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(shipped)
