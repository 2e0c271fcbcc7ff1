"""Simple template expressions, evaluated over plain data without Ansible's templating engine.

``{{ name | multi_agent.platform.catalogue(registry=other) }}`` costs some 40 ms through Ansible, nearly all of it for
making every value lazy and tagged, and a run needs such values in every tier. What is not simple raises NotSimple, and
the caller lets Ansible do it; the result is the same either way (a test compares both over every inventory).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jinja2
from ansible.template import is_trusted_as_template
from jinja2 import nodes

from ..engine.render import plain
from .filters import COLLECTION, Filters

_FILTERS = Filters()
_ENVIRONMENT = jinja2.Environment(trim_blocks=True)  # noqa: S701 - parses only
# Filters of ansible.builtin that do nothing but convert plain values.
_CONVERTERS = frozenset({"bool", "int", "string"})


class NotSimple(Exception):
    """This template needs Ansible's own engine."""


@cache
def _parse(text: str) -> list[nodes.Expr]:
    parts: list[nodes.Expr] = []
    for part in _ENVIRONMENT.parse(text).body:
        if not isinstance(part, nodes.Output):
            raise NotSimple
        parts.extend(part.nodes)
    return parts


def evaluate(value: Any, lookup: Callable[[str], Any]) -> Any:
    """``value`` with its templates resolved at any depth; ``lookup`` gives a variable or raises NotSimple."""
    if isinstance(value, dict):
        return {key: evaluate(item, lookup) for key, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, lookup) for item in value]
    if not isinstance(value, str) or "{" not in value:
        return plain(value)
    if not is_trusted_as_template(value):
        return str(value)  # data, whatever it looks like
    try:
        parts = [_evaluate(node, lookup) for node in _parse(str(value))]
    except jinja2.TemplateError as error:
        raise NotSimple from error
    if len(parts) == 1 and not isinstance(parts[0], str):
        return parts[0]
    if not parts or not all(isinstance(part, str) for part in parts):
        raise NotSimple
    text = "".join(parts)
    # Jinja drops the last newline of a template (of a block, ``|``); Ansible gives a text as many as the template has.
    return text + "\n" * (_newlines(value) - _newlines(text))


def _newlines(text: str) -> int:
    return len(text) - len(text.rstrip("\n"))


def _evaluate(node: nodes.Node, lookup: Callable[[str], Any]) -> Any:
    match node:
        case nodes.TemplateData():
            return node.data
        case nodes.Const():
            return node.value
        case nodes.Name():
            return lookup(node.name)
        case nodes.Getattr():
            return _member(_evaluate(node.node, lookup), node.attr)
        case nodes.Getitem():
            return _member(_evaluate(node.node, lookup), _evaluate(node.arg, lookup))
        case nodes.Or():
            return _evaluate(node.left, lookup) or _evaluate(node.right, lookup)
        case nodes.And():
            return _evaluate(node.left, lookup) and _evaluate(node.right, lookup)
        case nodes.Not():
            return not _evaluate(node.node, lookup)
        case nodes.Filter() if node.node is not None:
            return _filter(node, lookup)
    raise NotSimple


def _member(value: Any, key: Any) -> Any:
    # Attributes of dicts (their methods) come first in Jinja: leave those names to it.
    if not isinstance(value, dict) or key not in value or hasattr(dict, str(key)):
        raise NotSimple
    return value[key]


def _filter(node: nodes.Filter, lookup: Callable[[str], Any]) -> Any:
    ours = node.name.startswith(f"{COLLECTION}.")
    if not (ours or node.name in _CONVERTERS) or node.dyn_args or node.dyn_kwargs:
        raise NotSimple
    assert node.node is not None  # noqa: S101 - checked by the caller
    arguments = [_evaluate(argument, lookup) for argument in (node.node, *node.args)]
    keywords = {str(pair.key): _evaluate(pair.value, lookup) for pair in node.kwargs}
    return _FILTERS[node.name](*arguments, **keywords)
