"""The quick reader of YAML gives what PyYAML gives, or leaves the text to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.filters import Filters
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import manifests, yamltext

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"

UNDERSTOOD = [
    "",
    "---\n",
    "a: 1\n---\n---\nb: [x, 2, {c: ~}]\n",
    "a: {b: -0, c: +12, d: 0, e: 007, f: 1_000, g: 0x1f, h: 0o17, i: 0b1}",
    "[true, True, TRUE, tRUE, false, False, yes, no, on, off, y, n]",
    "[null, Null, NULL, nULL, ~, '', \"\", '~']",
    "[1.5, -1.5, 10., 1.5.2, 10.0.0.1, 1e3, 1.5Gi, 500m, '1.5', 8080:80, 2026-01-01]",
    "[-, ., .., '.', -x, +x, =x, <x, <<x, ''' ']",
    "a: |\n  1\n  two\nb: >-\n  3\n  four\n",
    "2: two\ntrue: yes\n~: none\n",
    "a: &x {b: [1, 2]}\nc: *x\n",
    "- - 1\n  -\n- {}\n- []\n",
    "text: ä ö 😀\n",
    "a: [.inf, -.INF, .nan, 1.5e+3, 1:30.5, 190:20:30.15, .0_, .5, -.5, +.5, 1.0e7, =]",
]
LEFT_TO_PYYAML = [
    "a: !!str 1",
    "a: !secret x",
    "a: &x {b: 1}\nc:\n  <<: *x\n",
    "a: 1\na: 2\n",
    "? [1, 2]\n: sequence as key\n",
    "a: [1, 2",
    "a: *nobody",
    "a: \tb: c",
]


def by_pyyaml(text: str) -> list[Any]:
    return list(yaml.load_all(text, Loader=manifests._Loader))


def typed(value: Any) -> Any:
    """With types, since 1 == True == 1.0."""
    if isinstance(value, dict):
        return [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value), value


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_same_as_pyyaml(text: str) -> None:
    assert typed(yamltext.load(text)) == typed(by_pyyaml(text))


@pytest.mark.parametrize("text", LEFT_TO_PYYAML)
def test_what_is_unusual_or_wrong_is_left_to_pyyaml(text: str) -> None:
    assert yamltext.load(text) is None


@pytest.mark.parametrize("file", sorted(GOLDEN.rglob("*.yaml")), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_rendered_manifests_are_read_quickly_and_the_same(file: Path) -> None:
    text = file.read_text()
    assert typed(yamltext.load(text)) == typed(by_pyyaml(text))


TEXTS = [
    "Hello 🎉",
    "🎉🎉",
    "\\🎉",
    "\\ud83c\\udf89",
    "\\\\ud83c\\udf89🎉",
    "a\u2028b\x85c\x7f",
    "{{ x }} $$ # : - \n0x1 1e3 yes ---",
    "\u0000\t",
]


@pytest.mark.parametrize("text", TEXTS)
def test_json_is_yaml_of_the_same_text(text: str) -> None:
    written = yamltext.from_json(json.dumps([text, {text: text}]))
    assert yamltext.load(written) == [[text, {text: text}]]
    assert json.loads(written) == [text, {text: text}]


@pytest.mark.parametrize("name", ["to_json", "to_nice_json", "ansible.builtin.to_json"])
def test_filter_of_a_template_writes_every_text_for_yaml(name: str) -> None:
    for text in TEXTS:
        assert yamltext.load(Filters()[name](text)) == [text]
