"""The outcome of a check, as every part of the verification gives it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a check ended with. SKIPPED: it could not be asked here; the message says why."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One thing that was asked: a line of the table and a case of the JUnit file. ``message`` never holds a secret."""

    group: str
    name: str
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


def passed(group: str, name: str, message: str = "", seconds: float = 0.0) -> Check:
    return Check(group, name, Outcome.PASSED, message, seconds)


def failed(group: str, name: str, message: str, seconds: float = 0.0) -> Check:
    return Check(group, name, Outcome.FAILED, message, seconds)


def skipped(group: str, name: str, message: str) -> Check:
    return Check(group, name, Outcome.SKIPPED, message)


def judge(group: str, name: str, problems: list[str], good: str = "") -> Check:
    """Passed without problems, else failed with all of them."""
    return failed(group, name, "; ".join(problems)) if problems else passed(group, name, good)
