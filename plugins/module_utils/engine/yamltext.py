"""YAML text to plain data, for what templates render: quicker than PyYAML's constructors, with the same result.

PyYAML parses in C (libyaml) and then spends most of its time in Python, on nodes, tags and generators. Here values are
made from the parser's events straight away. Tags, merge keys and every error are left to PyYAML: ``load`` returns None.

Plain scalars: only ``true`` and ``false`` (also True, TRUE ...) are booleans, only decimal digits make a number. Octal,
hexadecimal, base 60, digits with ``_``, exponents, infinity and dates are text, unlike for kubectl: the API server then
refuses a text where it wants a number, which is better than a mode or a commit id that turned into another number.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

_PARSER = getattr(yaml, "CLoader", yaml.Loader)
_WORDS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
# First characters of plain scalars that may be anything else than text.
_DOUBTFUL = frozenset("tTfFnN~-+.0123456789<")
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)\Z")


# JSON's escape of a character beyond U+FFFF, behind an even number of backslashes.
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})")


def from_json(text: str) -> str:
    """JSON that YAML reads as the same data: YAML does not know JSON's pair of escapes for one character (an emoji)."""
    return _PAIR.sub(lambda match: match[1] + json.loads(f'"{match[2]}"'), text) if "\\ud" in text else text


class _UnusualError(Exception):
    """Left to PyYAML."""


def load(text: str) -> list[Any] | None:
    """The documents of ``text``, empty ones as None; None altogether where PyYAML has to be asked."""
    documents: list[Any] = []
    events = yaml.parse(text, Loader=_PARSER)
    try:
        for event in events:
            if type(event) is DocumentStartEvent:
                documents.append(_value(next(events), events, {}))
                if type(next(events)) is not DocumentEndEvent:
                    return None
    except (yaml.YAMLError, _UnusualError, ValueError, TypeError):
        return None
    return documents


def _value(event: Any, events: Any, anchors: dict[str, Any]) -> Any:
    kind = type(event)
    if kind is ScalarEvent:
        if event.tag is not None:
            raise _UnusualError
        value = event.value
        if event.implicit[0] and (not value or value[0] in _DOUBTFUL):
            value = _plain(value)
    elif kind is MappingStartEvent:
        value = _mapping(event, events, anchors)
    elif kind is SequenceStartEvent:
        value = _sequence(event, events, anchors)
    else:
        if kind is AliasEvent and event.anchor in anchors:
            return anchors[event.anchor]
        raise _UnusualError
    if event.anchor is not None:
        anchors[event.anchor] = value
    return value


def _mapping(start: Any, events: Any, anchors: dict[str, Any]) -> dict[Any, Any]:
    if start.tag is not None:
        raise _UnusualError
    mapping: dict[Any, Any] = {}
    for event in events:
        if type(event) is MappingEndEvent:
            return mapping
        key = _value(event, events, anchors)
        if key in mapping or (key == "<<" and event.implicit[0]):
            raise _UnusualError
        mapping[key] = _value(next(events), events, anchors)
    raise _UnusualError


def _sequence(start: Any, events: Any, anchors: dict[str, Any]) -> list[Any]:
    if start.tag is not None:
        raise _UnusualError
    items: list[Any] = []
    for event in events:
        if type(event) is SequenceEndEvent:
            return items
        items.append(_value(event, events, anchors))
    raise _UnusualError


def _plain(value: str) -> Any:
    """A plain scalar that may be no text."""
    if value in _WORDS:
        return _WORDS[value]
    if INTEGER.match(value):
        return int(value)
    if FLOAT.match(value):
        return float(value)
    if value == "<<":
        raise _UnusualError
    return value
