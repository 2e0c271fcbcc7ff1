"""Ansible's variables as templates see them: strings of -e and surveys become what the argument specs say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.expressions import evaluate
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.variables import Variables

from .imports import errors

SPEC = {
    "n_replicas": {"type": "int"},
    "n_wait": {"type": "bool"},
    "n_hosts": {"type": "list", "elements": "str"},
    "n_ratio": {"type": "float"},
    "n_map": {"type": "dict"},
    "n_mode": {"type": "str", "choices": ["a", "b"]},
}


@pytest.fixture
def role(tmp_path: Path) -> Path:
    (tmp_path / "meta").mkdir()
    specs = {"argument_specs": {"main": {"options": SPEC}}}
    (tmp_path / "meta" / "argument_specs.yml").write_text(yaml.safe_dump(specs))
    return tmp_path


def variables(role: Path, **values: Any) -> Variables:
    return Variables(Templar(loader=DataLoader(), variables=values), values, [role])


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("n_replicas", "3", 3),
        ("n_replicas", 3, 3),
        ("n_wait", "false", False),
        ("n_wait", "yes", True),
        ("n_wait", False, False),
        ("n_hosts", "a,b", ["a", "b"]),
        ("n_ratio", "0.5", 0.5),
        ("n_map", '{"a": 1}', {"a": 1}),
        ("n_mode", "a", "a"),
        ("other", "3", "3"),
        ("n_replicas", None, None),
    ],
)
def test_cast(role: Path, name: str, given: Any, value: Any) -> None:
    found = variables(role, **{name: given}).resolve(name)
    assert found == value
    assert type(found) is type(value)


def test_templates_in_values(role: Path) -> None:
    values = {"base": 2, "n_replicas": trust_as_template("{{ base + 1 }}"), "n_wait": trust_as_template("{{ base }}")}
    found = variables(role, **values)
    assert found.resolve("n_replicas") == 3
    with pytest.raises(errors.EngineError, match="n_wait"):
        found.resolve("n_wait")


@pytest.mark.parametrize(
    "text",
    [
        "{{ word }}\n",
        "{{ word }}\n\n",
        "{{ line }}\n",
        "{{ line }}",
        "{{ number }}\n",
        "{{ items }}\n",
        "{{ empty }}\n",
        "a {{ word }}\n",
        "{{ block }}",
        "{{ block }}\n",
        "{{ block }}b",
        "{{ word }}\n{{ word }}\n",
        "{# a comment #}\n{{ word }}\n",
    ],
)
def test_newlines_of_a_block_are_as_ansible_leaves_them(role: Path, text: str) -> None:
    block = trust_as_template("{{ word }}\n")
    values = {"word": "x", "line": "x\n", "number": 5, "items": [1], "empty": "", "block": block}
    found = variables(role, **values, other=trust_as_template(text))
    simple = evaluate(trust_as_template(text), found.resolve)
    assert simple == found._by_ansible("other")
    assert type(simple) is type(found._by_ansible("other"))


@pytest.mark.parametrize(
    ("name", "given"), [("n_replicas", "three"), ("n_wait", "perhaps"), ("n_mode", "c"), ("n_map", "x")]
)
def test_what_cannot_be_cast_is_named(role: Path, name: str, given: str) -> None:
    with pytest.raises(errors.EngineError, match=name) as caught:
        variables(role, **{name: given}).resolve(name)
    assert name in caught.value.remedy


def test_an_undefined_reference_is_named(role: Path) -> None:
    found = variables(role, n_map={"a": trust_as_template("{{ nowhere }}")})
    with pytest.raises(errors.EngineError, match="nowhere"):
        found.resolve("n_map")
    assert not found.defined("nowhere")
