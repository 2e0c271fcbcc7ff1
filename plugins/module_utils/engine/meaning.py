"""Whether two values of a field mean the same, however they are spelled."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..platform.quantity import QuantityError, parse
from .compare import QUANTITIES, TEXTS
from .fieldsets import MISSING, Path, at

# Lists whose order means nothing.
_SETS = frozenset(
    (
        *("accessModes", "policyTypes", "drop", "add", "finalizers", "hostnames", "hosts", "except"),
        *("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"),
    )
)
_DURATIONS = frozenset({"timeouts", "timeout", "interval", "duration"})
# https://gateway-api.sigs.k8s.io/geps/gep-2257/
_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def same(one: Mapping[str, Any], other: Mapping[str, Any], path: Path) -> bool:
    """Whether two objects of the same kind have equal values at ``path`` in meaning; both were defaulted."""
    left, right = at(one, path), at(other, path)
    if left is MISSING or right is MISSING:
        return left is right
    names = [element[2:] for element in path if element.startswith("f:")]
    if TEXTS.intersection(names[:-1]):
        return bool(left == right)
    field, within = ["", "", *names][:-3:-1]
    return bool(_canonical(left, field, within) == _canonical(right, field, within))


def _canonical(value: Any, field: str, within: str) -> Any:
    if isinstance(value, Mapping):
        if field in TEXTS:
            return value
        return {key: _canonical(item, key, field) for key, item in value.items()}
    if isinstance(value, list):
        items = [_canonical(item, field, within) for item in value]
        return sorted(items, key=_order) if field in _SETS else items
    if isinstance(value, str | int | float) and not isinstance(value, bool) and {field, within} & QUANTITIES:
        try:
            return parse(value).amount
        except QuantityError:
            return value
    if isinstance(value, str) and {field, within} & _DURATIONS and _DURATION.fullmatch(value):
        return sum(int(n) * _MILLISECONDS[unit] for n, unit in re.findall(r"([0-9]+)(ms|h|m|s)", value))
    # True is not 1.
    return (type(value).__name__, value)


def _order(item: Any) -> str:
    return json.dumps(item, sort_keys=True, default=str)
