"""Fixtures over the golden manifests."""

from __future__ import annotations

import pytest

from tests.golden import rendering

from .manifests import Platform
from .manifests import platform as load


@pytest.fixture(params=rendering.WHOLE)
def platform(request: pytest.FixtureRequest) -> Platform:
    """Each case of which every tier is kept."""
    return load(request.param)


@pytest.fixture
def local() -> Platform:
    """The platform with nothing changed."""
    return load("local")
