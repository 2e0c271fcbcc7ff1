"""Argument specs and defaults of every role say the same; the checks agree with Ansible's own."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.problems import Problems
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.specs import Specs, check_values

ROLES = ("platform", "namespace", "netpol", "datastores", "nats", "services", "frontend", "ingress")
# Options whose default is not repeated in the spec: the catalogue, for its length.
UNREPEATED = {"platform_services"}


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_specs_have_the_same_keys(role: str, specs: Specs, shipped: dict[str, Any]) -> None:
    assert set(specs.roles[role]) == set(shipped[role])
    assert all(name.startswith(f"{role}_") for name in shipped[role])


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_specs_have_the_same_values(role: str, specs: Specs, shipped: dict[str, Any]) -> None:
    for name, value in shipped[role].items():
        documented = specs.roles[role][name].get("default")
        if name in UNREPEATED or ("{{" in str(value) and documented is None):
            continue  # an expression may be described in words instead
        assert documented == value, name


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_described_and_typed(role: str, specs: Specs) -> None:
    def check(path: str, option: dict[str, Any]) -> None:
        assert option.get("description"), path
        assert option.get("type"), path
        if option["type"] == "list":
            assert option.get("elements"), path
        for key, nested in (option.get("options") or {}).items():
            check(f"{path}.{key}", nested)

    for name, option in specs.roles[role].items():
        check(name, dict(option))


def test_shipped_values_are_sound(specs: Specs, values: dict[str, Any]) -> None:
    problems = Problems()
    check_values(specs, values, problems)
    assert not problems, str(problems)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ({"type": "int"}, "3"),
        ({"type": "int"}, "three"),
        ({"type": "int"}, True),
        ({"type": "int"}, 3.0),
        ({"type": "float"}, "0.5"),
        ({"type": "bool"}, "false"),
        ({"type": "bool"}, "nope"),
        ({"type": "bool"}, 0),
        ({"type": "str"}, 1.34),
        ({"type": "str", "choices": ["a", "b"]}, "b"),
        ({"type": "str", "choices": ["a", "b"]}, "c"),
        ({"type": "list", "elements": "int"}, "1,2"),
        ({"type": "list", "elements": "int"}, ["1", "x"]),
        ({"type": "list", "elements": "str"}, 7),
        ({"type": "dict"}, '{"a": 1}'),
        ({"type": "dict"}, "a=1"),
        ({"type": "dict"}, [1]),
        ({"type": "dict", "options": {"n": {"type": "int", "required": True}}}, {"n": "1"}),
        ({"type": "dict", "options": {"n": {"type": "int", "required": True}}}, {}),
        ({"type": "dict", "options": {"n": {"type": "int", "default": 4}}}, {}),
        ({"type": "dict", "options": {"n": {"type": "int"}}}, {"m": 1}),
        ({"type": "list", "elements": "dict", "options": {"n": {"type": "int"}}}, [{"n": "2"}]),
        ({"type": "list", "elements": "dict", "options": {"n": {"type": "int"}}}, [{"m": "2"}]),
    ],
)
def test_agrees_with_ansibles_own_validator(option: dict[str, Any], value: Any) -> None:
    theirs = ArgumentSpecValidator({"x": option}).validate({"x": value})
    problems = Problems()
    ours = check_values(Specs({"r": {"x": option}}), {"x": value}, problems)
    assert bool(problems) == bool(theirs.error_messages), str(problems) or theirs.error_messages
    if not problems:
        assert ours["x"] == theirs.validated_parameters["x"]
