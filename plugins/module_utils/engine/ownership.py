"""Whether what we declared last is still in force, by what the server records of it.

The server keeps, for each manager, the fields that it applied, and takes a field off that record as soon as anybody
else changes it. So a field that is still on our record has the value that we sent, however the server spells or
completes it: this needs no knowledge of a kind's defaults, list keys or quantities, and works for custom resources too.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .cluster import FIELD_MANAGER

# A leaf of FieldsV1: a scalar, a list that is owned as a whole, or a map that is, or with no member of ours left.
_LEAF: Mapping[str, Any] = {}
# Structs that the API replaces as a whole, and inside of which it fills in defaults.
_ATOMIC = frozenset({"matchConstraints", "matchResources"})


def ours(managed_fields: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Of an object's ``managedFields`` only the entry of our server-side applies: none, or one."""
    return [
        entry
        for entry in managed_fields or []
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]


def in_force(desired: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether each field of ``desired`` has its value in ``live`` or is still on our record there.

    Sound only where ``desired`` is what we sent last (equal input hashes). The record must be of the same apiVersion.
    """
    entries = ours(live["metadata"].get("managedFields"))
    return any(
        entry.get("apiVersion") == desired["apiVersion"] and _held(desired, live, entry.get("fieldsV1"))
        for entry in entries
    )


def _held(desired: Any, live: Any, owned: Mapping[str, Any] | None, field: str = "") -> bool:
    """``owned`` is FieldsV1 below this point, None where we own nothing."""
    if type(desired) is type(live) and desired == live:
        return True
    if owned is None:
        return False
    if isinstance(desired, Mapping) and desired and not (owned == _LEAF and field in _ATOMIC):
        members = live if isinstance(live, Mapping) else {}
        # Of a leaf the members have to be equal: this holds for a whole map with defaults, and for an abandoned one.
        return all(_held(value, members.get(key), owned.get(f"f:{key}"), key) for key, value in desired.items())
    if owned == _LEAF:
        return True
    if isinstance(desired, list) and isinstance(live, list):
        return _items_held(desired, live, owned)
    return False


def _items_held(desired: list[Any], live: list[Any], owned: Mapping[str, Any]) -> bool:
    """Lists of items that are owned one by one, by key (``k:{...}``) or by value (``v:...``)."""
    last = -1
    for item in desired:
        if not isinstance(item, Mapping):
            if item not in live and f"v:{json.dumps(item)}" not in owned:
                return False
            continue
        # The order among our elements matters (env may refer to what stands before it), and no record has it. What has
        # answered one item does not answer another, which may be gone.
        found = _by_key(item, live, owned, last + 1)
        if found is None or not _held(item, live[found[0]], found[1]):
            return False
        last = found[0]
    return True


def _by_key(
    item: Mapping[str, Any], live: list[Any], owned: Mapping[str, Any], first: int
) -> tuple[int, Mapping[str, Any]] | None:
    """Where the live element of ``item`` is, from position ``first`` on, and what we own of it.

    A key that ``item`` leaves out is defaulted.
    """
    for name, below in owned.items():
        if not name.startswith("k:"):
            continue
        keys: dict[str, Any] = json.loads(name[2:])
        if any(item.get(key, value) != value for key, value in keys.items()):
            continue
        for position, element in enumerate(live[first:], first):
            if isinstance(element, Mapping) and all(element.get(key) == value for key, value in keys.items()):
                return position, below
    return None
