"""Plain text for a terminal: tables, ages and sizes. No colours, so that logs and files stay readable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ..platform.quantity import QuantityError, parse

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Aligned lines, the header first. A column in which no row has a value is left out."""
    every = [[str(cell) for cell in row] for row in rows]
    kept = [i for i in range(len(header)) if any(row[i] for row in every)]
    lines = [[header[i] for i in kept], *([row[i] for i in kept] for row in every)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(kept))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def moment(timestamp: str | None) -> datetime | None:
    """The time of an API timestamp (RFC 3339), None where there is none."""
    return datetime.fromisoformat(timestamp) if timestamp else None


def age(timestamp: str | datetime | None, now: datetime | None = None) -> str:
    """How long ago, in its largest unit: ``4d``; of a time to come, how long until then."""
    then = timestamp if isinstance(timestamp, datetime) else moment(timestamp)
    if then is None:
        return ""
    seconds = abs(((now or datetime.now(UTC)) - then).total_seconds())
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return "0s"


def size(quantity: float | str) -> str:
    """Bytes (a number or a Kubernetes quantity) in the largest binary unit that keeps them above 1: ``3.2Gi``."""
    try:
        value = float(parse(quantity).amount if isinstance(quantity, str) else quantity)
    except QuantityError:
        return str(quantity)
    for unit in ("", "Ki", "Mi", "Gi", "Ti"):
        if value < 1024 or unit == "Ti":
            return f"{value:.1f}".removesuffix(".0") + unit
        value /= 1024
    raise AssertionError("the last unit takes everything")


def count(number: int, one: str, many: str = "") -> str:
    """``1 change``, ``2 changes``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def plain_image(reference: str) -> str:
    """An image without its registry and digest's tail: what tells versions apart."""
    name, _, digest = reference.partition("@")
    short = name.rpartition("/")[2]
    return f"{short}@{digest[7:19]}" if digest else short
