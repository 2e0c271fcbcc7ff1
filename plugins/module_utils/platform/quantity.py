"""Kubernetes quantities ("500m", "1Gi", "1e3"), exact.

Grammar and canonical form are those of ``k8s.io/apimachinery/pkg/api/resource.Quantity``: a signed decimal number with
a binary (Ki ... Ei), decimal (n ... E) or exponent (e3) suffix; nothing finer than a nano unit (the server rounds up);
canonical is the largest suffix that needs no fraction, and binary suffixes are only used from 1024 on.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

Format = Literal["binary", "decimal", "exponent"]

_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = Fraction(1, 10**9)
_PATTERN = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)


class QuantityError(ValueError):
    """A text that is no Kubernetes quantity; the message says which and how one is written."""


@dataclass(frozen=True)
class Quantity:
    """An exact amount and the family of suffixes that it was written with."""

    amount: Fraction
    format: Format = "decimal"

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < other.amount

    def __le__(self, other: Quantity) -> bool:
        return self.amount <= other.amount

    def __add__(self, other: Quantity) -> Quantity:
        """The sum; zero takes the format of what is added to it, as in apimachinery's Add."""
        return Quantity(self.amount + other.amount, self.format if self.amount else other.format)

    def __mul__(self, times: int) -> Quantity:
        return Quantity(self.amount * times, self.format)

    def __str__(self) -> str:
        return canonical(self)


ZERO = Quantity(Fraction(0))


def parse(value: Any) -> Quantity:
    """A quantity from its text, or from a plain number as YAML gives it.

    Raises QuantityError for anything else, booleans included.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise QuantityError(f"{value!r} is no Kubernetes quantity")
    return _parse_text(str(value))


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> Quantity:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise QuantityError(f'"{text}" is no Kubernetes quantity, which is a number and a suffix, such as 250m or 1Gi')
    amount = Fraction(match["number"])
    suffix, exponent = match["suffix"], match["exponent"]
    family: Format = "decimal"
    if exponent is not None:
        amount *= Fraction(10) ** int(exponent)
        family = "exponent"
    elif suffix in _BINARY:
        amount *= 2 ** _BINARY[suffix]
        family = "binary"
    elif suffix:
        amount *= Fraction(10) ** _DECIMAL[suffix]
    if (amount / _NANO).denominator != 1:  # finer than nano: away from zero, as the API server does
        steps = amount / _NANO
        amount = (math.ceil(steps) if amount > 0 else math.floor(steps)) * _NANO
    return Quantity(amount, family)


def canonical(quantity: Quantity) -> str:
    """The one text that the API server would store for the amount."""
    amount, family = quantity.amount, quantity.format
    if not amount:
        return "0"
    if family == "binary" and abs(amount) >= 1024 and amount.denominator == 1:
        whole = int(amount)
        for suffix, bits in reversed(_BINARY.items()):
            if whole % (1 << bits) == 0:
                return f"{whole >> bits}{suffix}"
        return str(whole)
    for suffix, power in reversed(_DECIMAL.items()):
        scaled = amount / Fraction(10) ** power
        if scaled.denominator == 1:
            if family == "exponent":
                return f"{scaled}e{power}" if power else str(scaled)
            return f"{scaled}{suffix}"
    raise QuantityError(f"{amount} is finer than a nano unit")
