"""Sets of fields as the server records them (FieldsV1), and what an object has at them.

A field is a path of elements: ``f:<name>`` in a map, ``k:<keys>``, ``v:<value>`` or ``i:<index>`` in a list.
https://pkg.go.dev/sigs.k8s.io/structured-merge-diff/v6/fieldpath#PathElement
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]

MISSING = object()


def paths(fields: Mapping[str, Any] | None) -> frozenset[Path]:
    """The fields of a FieldsV1."""
    return frozenset(_walk(fields or {}, ()))


def _walk(fields: Mapping[str, Any], prefix: Path) -> Iterator[Path]:
    for name, below in fields.items():
        if name == ".":
            yield prefix
        elif below:
            yield from _walk(below, (*prefix, name))
        else:
            yield (*prefix, name)


def fields_v1(fields: Iterable[Path]) -> dict[str, Any]:
    """The FieldsV1 of ``fields``."""
    root: dict[str, Any] = {}
    every = sorted(fields)
    above = ancestors(every)
    for path in every:
        node = root
        for name in path:
            node = node.setdefault(name, {})
        if path in above:
            node["."] = {}
    return root


def ancestors(fields: Iterable[Path]) -> frozenset[Path]:
    """Every proper prefix of ``fields``."""
    return frozenset(path[:length] for path in fields for length in range(len(path)))


def outermost(fields: Iterable[Path]) -> list[Path]:
    """``fields`` without those below another of them, in order."""
    every = frozenset(fields)
    return sorted(path for path in every if not any(path[:length] in every for length in range(1, len(path))))


def at(value: Any, path: Path) -> Any:
    """What ``value`` has at ``path``, or MISSING."""
    for element in path:
        key = _key(value, element)
        if key is None:
            return MISSING
        value = value[key]
    return value


def without(obj: dict[str, Any], gone: Collection[Path], kept: Iterable[Path] = ()) -> dict[str, Any]:
    """A copy of ``obj`` without the fields of ``gone``; a map or list stays if a field of ``kept`` is in it.

    As in a server-side apply, a map or list that becomes empty is removed as well.
    """
    result: dict[str, Any] = copy.deepcopy(obj)
    staying = {*kept, *ancestors(kept)}
    for path in sorted(gone, key=len):
        _remove(result, path, staying)
    return result


def _remove(obj: dict[str, Any], path: Path, staying: Collection[Path]) -> None:
    while path and path not in staying:
        holder = at(obj, path[:-1])
        key = _key(holder, path[-1])
        if key is None:
            return
        del holder[key]
        if holder:
            return
        path = path[:-1]


def _key(value: Any, element: str) -> Any:
    """The key or position of ``element`` in ``value``, None if it has none."""
    sort, _, text = element.partition(":")
    if sort == "f":
        return text if isinstance(value, Mapping) and text in value else None
    if not isinstance(value, list):
        return None
    wanted = json.loads(text)
    if sort == "i":
        return wanted if wanted < len(value) else None
    for position, item in enumerate(value):
        if item == wanted if sort == "v" else _has(item, wanted):
            return position
    return None


def _has(item: Any, keys: Mapping[str, Any]) -> bool:
    return isinstance(item, Mapping) and all(item.get(key) == value for key, value in keys.items())


def spelled(path: Path) -> str:
    """``path`` as the server spells it in a conflict: ``.spec.ports[port=80].name``."""
    return "".join(map(_element, path))


def _element(name: str) -> str:
    sort, _, value = name.partition(":")
    if sort == "f":
        return f".{value}"
    if sort == "k":
        keys = sorted(json.loads(value).items())
        return f"[{','.join(f'{key}={json.dumps(of, ensure_ascii=False)}' for key, of in keys)}]"
    return f"[={value}]" if sort == "v" else f"[{value}]"
