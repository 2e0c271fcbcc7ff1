"""What is wrong with an input, gathered so that a user sees all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_LONGEST_VALUE = 80


@dataclass(frozen=True)
class Problem:
    """One thing to correct.

    variable: the path as a user would write it, for example ``platform_services.agent.port``.
    value: how the value reads, cut to one line; None where there is none to show or where it is secret.
    problem: what is wrong with it. remedy: what to do about it, as an imperative sentence.
    """

    variable: str
    value: str | None
    problem: str
    remedy: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f" = {self.value}"
        return f"{self.variable}{shown}: {self.problem}. {self.remedy}."


@dataclass
class Problems:
    """A growing list of problems."""

    found: list[Problem] = field(default_factory=list)
    # What could not be checked, as sentences: no reason to stop a run.
    notes: list[str] = field(default_factory=list)

    def add(self, variable: str, value: Any, problem: str, remedy: str) -> None:
        """Note a problem whose value may be shown."""
        self.found.append(Problem(variable, show(value), problem, remedy))

    def add_secret(self, variable: str, problem: str, remedy: str) -> None:
        """Note a problem whose value must never be shown."""
        self.found.append(Problem(variable, None, problem, remedy))

    def concern(self, variable: str) -> bool:
        """Whether a problem of exactly this variable was noted."""
        return any(problem.variable == variable for problem in self.found)

    def __bool__(self) -> bool:
        return bool(self.found)

    def __str__(self) -> str:
        return "\n".join(f"- {problem}" for problem in self.found)


def show(value: Any) -> str | None:
    """How a value reads in a message: strings quoted, one line, cut where it is long. None stays None."""
    if value is None:
        return None
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def suggest(word: str, known: Iterable[str]) -> str:
    """``Did you mean "x"`` for a word close to a known one, else the known ones; no full stop at the end."""
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6) or [
        choice for choice in choices if len(choice) > 2 and word.lower().startswith(choice)
    ]
    if close:
        return f'Did you mean "{close[0]}"'
    if not choices:
        return "Remove it"
    if len(choices) > 20:
        return f"Known are {', '.join(choices[:20])} and {len(choices) - 20} more"
    return f"Known are {', '.join(choices)}"
