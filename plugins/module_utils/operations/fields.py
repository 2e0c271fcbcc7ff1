"""Fields of objects by path, and who wrote them last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from ..engine.cluster import FIELD_MANAGER

Object = Mapping[str, Any]

# What tells elements of a list apart for people, in this order.
_KEYS = ("name", "mountPath", "containerPort", "port", "topologyKey", "type", "key", "ip", "host", "path")


@dataclass(frozen=True)
class Field:
    """A field that differs. ``None`` stands for a field that is not there."""

    path: str
    wanted: Any
    found: Any


@dataclass(frozen=True)
class Writer:
    """A field manager and the time of its last write (RFC 3339)."""

    manager: str
    time: str


def differences(wanted: Any, found: Any, path: str = "") -> Iterator[Field]:
    """The fields in which two objects differ, outermost where one side lacks a whole branch."""
    if wanted == found:
        return
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in sorted({*wanted, *found}):
            yield from differences(wanted.get(key), found.get(key), f"{path}.{key}" if path else str(key))
        return
    if isinstance(wanted, list) and isinstance(found, list):
        left, right = _by_key(wanted), _by_key(found)
        if left is not None and right is not None and list(left) != list(right) and left.keys() == right.keys():
            yield Field(path, list(left), list(right))  # the order alone, of environment variables for example
            return
        if left is not None and right is not None:
            for key in [*left, *(k for k in right if k not in left)]:
                yield from differences(left.get(key), right.get(key), f"{path}[{key}]")
            return
        if len(wanted) == len(found) and any(isinstance(item, dict | list) for item in wanted):
            for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
                yield from differences(one, other, f"{path}[{index}]")
            return
    yield Field(path, wanted, found)


def _by_key(items: list[Any]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for item in items:
        key = _key(item) if isinstance(item, Mapping) else None
        if key is None or key in found:
            return None
        found[key] = item
    return found


def _key(item: Mapping[str, Any]) -> str | None:
    return next((str(item[key]) for key in _KEYS if key in item), None)


def writers(obj: Object) -> dict[str, Writer]:
    """Path -> who else than us wrote it last, from ``metadata.managedFields``."""
    found: dict[str, Writer] = {}
    for entry in sorted(obj["metadata"].get("managedFields") or [], key=lambda e: str(e.get("time", ""))):
        if entry.get("manager") == FIELD_MANAGER or entry.get("subresource") == "status":
            continue
        writer = Writer(str(entry.get("manager")), str(entry.get("time") or ""))
        for path in _paths(entry.get("fieldsV1") or {}, ""):
            found[path] = writer
    return found


def _paths(owned: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, below in owned.items():
        here = _below(path, name)
        if below:
            yield from _paths(below, here)
        yield here


def readable(path: Iterable[str]) -> str:
    """A path of FieldsV1 for people: ``spec.ports[http].port``."""
    return reduce(_below, path, "")


def _below(path: str, name: str) -> str:
    kind, _, text = name.partition(":")
    if kind == "f":
        return f"{path}.{text}" if path else text
    return f"{path}[{_key(json.loads(text)) or text}]" if kind == "k" else path


def writer_of(path: str, known: Mapping[str, Writer]) -> Writer | None:
    """Who wrote the field at ``path``, or the nearest below or above it."""
    if path in known:
        return known[path]
    below = [writer for other, writer in known.items() if other.startswith((f"{path}.", f"{path}["))]
    if below:
        return max(below, key=lambda writer: writer.time)
    return None


def latest(known: Mapping[str, Writer], ignored: frozenset[str]) -> Writer | None:
    """Who else wrote to the object last: a field that was removed has no owner, only the writer is on record."""
    candidates = {writer for writer in known.values() if writer.manager not in ignored}
    return max(candidates, key=lambda writer: writer.time, default=None)


def shown(value: Any, width: int = 60) -> str:
    """A value in one short line."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) and value else json.dumps(value, sort_keys=True)
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 3]}..."
