"""Schedules of a CronJob, as the API server reads them.

The grammar is the standard parser's of github.com/robfig/cron v3, which the API server validates with: five fields, or
``@daily`` and the like, or ``@every 90m``. https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
"""

from __future__ import annotations

import re

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# Name, lowest and highest value, and names for values from the lowest on.
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_DESCRIPTORS = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_EVERY = re.compile(r"@every (?:[0-9]+(?:\.[0-9]*)?(?:h|m|s|ms|us|µs|ns))+")


def fault(schedule: str) -> str:
    """What is wrong with ``schedule``, to follow the variable's name; empty if the API server accepts it."""
    text = schedule.strip()
    if text.startswith("@"):
        return "" if text in _DESCRIPTORS or _EVERY.fullmatch(text) else "is not a known schedule"
    if text.upper().startswith(("TZ=", "CRON_TZ=")):
        return "sets a time zone, which the API server refuses in a schedule"
    values = text.split()
    if len(values) != len(_FIELDS):
        return "does not have the five fields of a schedule"
    for value, (name, low, high, names) in zip(values, _FIELDS, strict=True):
        for entry in value.split(","):
            if not _valid(entry, low, high, names):
                return f"has {entry!r} as {name}, which takes {low}-{high}, *, a-b and /step"
    return ""


def _valid(entry: str, low: int, high: int, names: list[str]) -> bool:
    span, slash, step = entry.partition("/")
    if slash and not (re.fullmatch(r"[0-9]+", step) and int(step)):
        return False
    if span in {"*", "?"}:
        return True
    first, dash, last = span.partition("-")
    begin = _number(first, low, names)
    end = _number(last, low, names) if dash else begin
    return begin is not None and end is not None and low <= begin <= end <= high


def _number(value: str, low: int, names: list[str]) -> int | None:
    if value.lower() in names:
        return low + names.index(value.lower())
    return int(value) if re.fullmatch(r"[0-9]+", value) else None
