"""What the verbs of backups show: plain text of what the Jobs report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ..operations.screen import age, count, size, table

Data = Mapping[str, Any]


def backup(made: Data) -> str:
    """A backup in a line."""
    return f"Backup {made['name']}: {contents(made['counts'])}, {size(made['bytes'])}{_credentials(made)}."


def contents(counts: Data) -> str:
    """Rows, points and messages, and what holds them."""
    return ", ".join(
        f"{count(counts[things], things[:-1])} in {count(counts[holders], holders[:-1])}"
        for things, holders in (("rows", "tables"), ("points", "collections"), ("messages", "streams"))
    )


def _credentials(made: Data) -> str:
    return ", credentials encrypted" if "credentials" in made["parts"] else ", without credentials"


def listing(backups: Iterable[Data], now: datetime) -> list[str]:
    """All backups, newest first."""
    rows = [_row(made, now) for made in backups]
    if not rows:
        return ["There is no backup; `make backup` makes one."]
    return table(("BACKUP", "AGE", "SIZE", "ROWS", "POINTS", "MESSAGES", "CREDENTIALS", "WHY", "PROBLEM"), rows)


def _row(made: Data, now: datetime) -> tuple[str, ...]:
    if "problem" in made:
        return (made["name"], *[""] * 7, made["problem"])
    counts = made["counts"]
    encrypted = "encrypted" if "credentials" in made["parts"] else "left out"
    numbers = (str(counts[what]) for what in ("rows", "points", "messages"))
    return made["name"], age(made["started"], now), size(made["bytes"]), *numbers, encrypted, made["reason"], ""


def inspected(plan: Data, namespace: str) -> list[str]:
    """What a restore would bring and what it would replace."""
    made = plan["backup"]
    lines = [backup(made), "Its checksums are right. It would replace in namespace " + namespace + ":"]
    things = {"postgres": ("table", "row"), "qdrant": ("collection", "point"), "nats": ("stream", "message")}
    for part, live in plan["live"].items():
        holder, thing = things[part]
        lines.append(f"  {part}: {count(len(live), holder)} with {count(sum(live.values()), thing)}")
    return lines


def drill(report: Data, seconds: float) -> list[str]:
    """The outcome of a restore drill."""
    lines = [backup(report["backup"])]
    lines += [f"  {'ok' if passed else 'DIFFERS':8} {name}" for name, passed in report["checks"].items()]
    lines.append(
        f"RPO: {_duration(report['rpo_seconds'])} of work would be lost now; the longest gap between two backups is "
        f"{_duration(report['longest_gap_seconds'])}."
    )
    lines.append(
        f"RTO: {_duration(report['rto_seconds'])} to check, load and compare; {_duration(seconds)} with the start of "
        "the stores."
    )
    return lines


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{seconds:.0f} s"
    if whole < 2 * 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
