"""Quantities read, compare, add and print as apimachinery's resource.Quantity does."""

from __future__ import annotations

from fractions import Fraction

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.platform import quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("250m", Fraction(1, 4)),
        ("1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("2", Fraction(2)),
        (2, Fraction(2)),
        ("1Gi", Fraction(2**30)),
        ("1.5Gi", Fraction(3 * 2**29)),
        ("1G", Fraction(10**9)),
        ("1e3", Fraction(1000)),
        ("1E", Fraction(10**18)),
        ("100n", Fraction(1, 10**7)),
        ("0.1n", Fraction(1, 10**9)),
    ],
)
def test_reads(text: str | int, amount: Fraction) -> None:
    assert quantity.parse(text).amount == amount


@pytest.mark.parametrize("text", ["", "1 Gi", "1gi", "1GB", "Gi", "one", "0x10", "1e", True, None, [], "1,5"])
def test_refuses(text: object) -> None:
    with pytest.raises(quantity.QuantityError):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1000m", "1"),
        ("1.5", "1500m"),
        ("2000", "2k"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("1023", "1023"),
        ("0Gi", "0"),
        ("1e3", "1e3"),
        ("-2000m", "-2"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    assert str(quantity.parse(text)) == canonical


def test_adds_and_compares_exactly() -> None:
    total = quantity.ZERO
    for _ in range(10):
        total += quantity.parse("100m")
    assert str(total) == "1"
    assert quantity.parse("1Gi") < quantity.parse("1.1G")
    assert str(quantity.parse("512Mi") + quantity.parse("512Mi")) == "1Gi"
    assert str(quantity.parse("250m") * 4) == "1"
