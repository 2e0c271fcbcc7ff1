"""Resource requests and limits of one container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import quantity
from .problems import Problems, suggest

NATIVE = ("cpu", "memory", "ephemeral-storage")
SCRATCH = {"requests": "64Mi", "limits": "512Mi"}  # ephemeral-storage where an entry states none
_LEAST_MEMORY = quantity.parse("4Mi")  # container runtimes refuse less
_MOST_CPU = quantity.parse("512")

Resources = dict[str, dict[str, str]]


def read(value: Any, path: str, problems: Problems) -> Resources:
    """Requests and limits with every quantity checked and as written (a number becomes its text).

    cpu and memory are demanded on both sides: the HPA scales by the requests, the quota counts the limits.
    Extended resources (a name with a domain, such as example.org/gpu) pass as they are.
    """
    if not isinstance(value, Mapping):
        problems.add(
            path,
            value,
            "is missing" if value is None else "is not a dictionary",
            "Give requests and limits of cpu and memory",
        )
        return {"requests": {}, "limits": {}}
    for key in value:
        if key not in ("requests", "limits"):
            problems.add(f"{path}.{key}", None, "is not a known key", suggest(str(key), ("requests", "limits")))
    sides = {side: _side(value.get(side), side, f"{path}.{side}", problems) for side in ("requests", "limits")}
    for name, request in sides["requests"].items():
        limit = sides["limits"].get(name)
        if limit is not None and quantity.parse(limit) < quantity.parse(request):
            problems.add(
                f"{path}.requests.{name}",
                request,
                f"is above the limit of {limit}",
                f"Lower it or raise {path}.limits.{name}",
            )
    return sides


def _side(value: Any, side: str, path: str, problems: Problems) -> dict[str, str]:
    if value is not None and not isinstance(value, Mapping):
        problems.add(path, value, "is not a dictionary", "Give cpu and memory")
        return {}
    given: Mapping[Any, Any] = value or {}
    amounts: dict[str, str] = {}
    for name in NATIVE[:2]:
        if given.get(name) is None:
            problems.add(
                f"{path}.{name}",
                None,
                "is missing",
                "Give a quantity, such as " + ("250m" if name == "cpu" else "256Mi"),
            )
    for name, amount in given.items():
        at = f"{path}.{name}"
        if name not in NATIVE and "/" not in str(name):
            problems.add(at, amount, "is no resource", suggest(str(name), NATIVE))
        elif amount is not None and check_amount(str(name), amount, at, problems):
            amounts[str(name)] = str(amount)
    amounts.setdefault("ephemeral-storage", SCRATCH[side])
    return amounts


def check_amount(name: str, amount: Any, path: str, problems: Problems) -> bool:
    """Whether the amount is one that a container can have of the resource; notes why not."""
    try:
        parsed = quantity.parse(amount)
    except quantity.QuantityError:
        example = "250m" if name == "cpu" else "256Mi"
        problems.add(path, amount, "is no Kubernetes quantity", f"Write a number and a unit, such as {example}")
        return False
    fault = _fault(name, amount, parsed)
    if fault:
        problems.add(path, amount, *fault)
    return fault is None


def _fault(name: str, written: Any, amount: quantity.Quantity) -> tuple[str, str] | None:
    """What is wrong with an amount of a resource and what to do about it."""
    if amount <= quantity.ZERO:
        return "is not above zero", "Give a positive quantity"
    if name == "cpu":
        if (amount.amount * 1000).denominator != 1:
            return "is finer than a thousandth of a core", "Round it to 1m"
        if amount > _MOST_CPU:
            return "is more cores than a node has", f'Write "{written}m" for thousandths of a core'
    elif amount.amount.denominator != 1:
        return "is a fraction of a byte (m means a thousandth)", "Use M or Mi for megabytes"
    elif name == "memory" and amount < _LEAST_MEMORY:
        return "is too little memory for a container (a number without a unit counts bytes)", "Use Mi or Gi"
    return None
