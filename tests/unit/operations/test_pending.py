"""Which changes of an inventory are a command's own, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.applier import Outcome
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.tier import Result
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import pending


def config(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "ns"}, "data": data}


def case(*changed: str, pruned: tuple[str, ...] = ()) -> Callable[[], dict[str, Result]]:
    """A dry run that would configure some ConfigMaps, prune others, and leave one alone."""
    outcomes = [Outcome(config(n), "configured", config(n, a="1"), config(n, a="2")) for n in changed]
    outcomes.append(Outcome(config("same"), "unchanged"))
    return lambda: {"services": Result(outcomes, [config(name) for name in pruned])}


def names(*cases: Callable[[], dict[str, Result]]) -> list[str]:
    return [item.obj["metadata"]["name"] for _, item in pending.find(cases)]


def test_only_what_every_case_changes_is_pending() -> None:
    assert names(case("a", "b", pruned=("c",))) == ["a", "b", "c"]
    assert names(case("a", "b"), case("b", "d")) == ["b"]


def test_cases_are_asked_until_nothing_is_left() -> None:
    def costly() -> dict[str, Result]:
        pytest.fail("not needed")

    assert names(case(), costly) == []
    assert names(case("a"), case("b"), costly) == []


def test_a_refusal_names_object_field_and_way_out() -> None:
    with pytest.raises(EngineError) as caught:
        pending.refuse(pending.find([case("a", pruned=("c",))]), "`make rotate`")
    assert str(caught.value).splitlines() == [
        "Nothing was changed: the inventory holds other changes, which `make rotate` would apply too.",
        "- services: ConfigMap a (configured)",
        "    data.a: 1 -> 2",
        "- services: ConfigMap c (pruned)",
        "Apply them first (`make plan`, then `make deploy`) or take them back, then run `make rotate` again.",
    ]


def test_a_command_that_has_to_come_first_says_its_own_way() -> None:
    with pytest.raises(EngineError) as caught:
        pending.refuse(pending.find([case("a")]), "`make expand-storage`", "Set the former sizes again.")
    assert caught.value.remedy == "Set the former sizes again."


def test_a_refusal_of_many_objects_says_how_many_more() -> None:
    with pytest.raises(EngineError, match="and 5 more objects"):
        pending.refuse(pending.find([case(*(f"c{number}" for number in range(25)))]), "`make rotate`")


def test_nothing_pending_is_not_refused() -> None:
    pending.refuse(pending.find([case()]), "`make rotate`")
