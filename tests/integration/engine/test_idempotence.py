"""A second run changes nothing and writes nothing, whatever the server made of the first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import objects
from .support import Engine

pytestmark = pytest.mark.cluster


def test_second_run_writes_nothing(engine: Engine) -> None:
    wanted = objects.namespaced()
    first = engine.apply(wanted)
    assert set(first.actions.values()) == {"created"}
    second = engine.apply(wanted)
    assert {name: action for name, action in second.actions.items() if action != "unchanged"} == {}
    assert second.writes == []


def test_second_run_writes_nothing_cluster_wide(engine: Engine, cluster_scope: Callable[[str, str], None]) -> None:
    wanted = objects.cluster_wide(engine.namespace)
    for obj in wanted:
        if obj["kind"] != "Widget":
            cluster_scope(obj["kind"], obj["metadata"]["name"])
    first = engine.apply(wanted)
    assert set(first.actions.values()) == {"created"}
    second = engine.apply(wanted)
    assert second.writes == []
    assert not second.result.changed
