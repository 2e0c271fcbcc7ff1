"""Reads a dict of user input: each value cast to its type, each fault noted with its path, unknown keys refused.

Values from ``-e`` and AWX surveys are strings, so "3" is an integer and "false" is a boolean here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .problems import Problems, suggest

TRUE = frozenset({"y", "yes", "on", "1", "true", "t", "1.0"})
FALSE = frozenset({"n", "no", "off", "0", "false", "f", "0.0"})
_MISSING: Any = object()


def to_boolean(value: Any) -> bool | None:
    """A boolean from what Ansible accepts as one (its BOOLEANS), None for anything else."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int | float) else ""
    if word in TRUE:
        return True
    return False if word in FALSE else None


def to_integer(value: Any) -> int | None:
    """An integer from 3, "3" or 3.0; None for anything else, booleans included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]+\s*", value):
        return int(value)
    return None


def to_text(value: Any) -> str:
    """A scalar as an environment variable holds it: booleans as true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class Reader:
    """A cursor over one dict.

    data: the dict. path: how a user would name it. problems: where faults go.
    hints: for keys that are not known but often tried, what to write instead.
    """

    def __init__(
        self, data: Any, path: str, problems: Problems, known: Iterable[str], hints: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.problems = problems
        self._known = frozenset(known)
        self._data: Mapping[Any, Any] = {}
        if data is None:
            return
        if not isinstance(data, Mapping):
            problems.add(
                path, data, "is not a dictionary", f"Write it as keys and values: {', '.join(sorted(self._known))}"
            )
            return
        self._data = data
        for key in data:
            if key not in self._known:
                remedy = (hints or {}).get(str(key)) or suggest(str(key), self._known)
                problems.add(f"{path}.{key}", None, "is not a known key", remedy)

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.path}.{key}"

    def has(self, key: str) -> bool:
        """Whether the key is there with a value."""
        return self._data.get(key) is not None

    def raw(self, key: str, default: Any = None) -> Any:
        """The value as it came, default where it is absent or null."""
        value = self._data.get(key)
        return default if value is None else value

    def integer(self, key: str, low: int, high: int, default: int = _MISSING, remedy: str = "") -> int:
        """A whole number from low to high, both included."""
        value = self._data.get(key)
        if value is None:
            if default is not _MISSING:
                return default
            self.problems.add(self.at(key), None, "is missing", remedy or f"Give a whole number from {low} to {high}")
            return low
        number = to_integer(value)
        if number is None:
            self.problems.add(self.at(key), value, "is not a whole number", f"Give one from {low} to {high}")
        elif not low <= number <= high:
            self.problems.add(self.at(key), value, f"is outside {low} to {high}", remedy or "Choose a number inside")
        else:
            return number
        return low if default is _MISSING else default

    def boolean(self, key: str, default: bool) -> bool:
        """A boolean."""
        value = self._data.get(key)
        if value is None:
            return default
        truth = to_boolean(value)
        if truth is None:
            self.problems.add(self.at(key), value, "is neither true nor false", "Write true or false")
            return default
        return truth

    def text(self, key: str, default: str, pattern: str = "", remedy: str = "") -> str:
        """A string; with a pattern it must match from start to end, and the remedy says what that means."""
        value = self._data.get(key)
        if value is None:
            return default
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            self.problems.add(self.at(key), value, "is not a text", remedy or "Write a text")
            return default
        if pattern and not re.fullmatch(pattern, str(value)):
            self.problems.add(self.at(key), value, "is malformed", remedy)
            return default
        return str(value)

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        value = self._data.get(key)
        if value is None:
            return default
        if isinstance(value, str) and value in choices:
            return str(value)
        self.problems.add(self.at(key), value, "is not one of the choices", suggest(str(value), filter(None, choices)))
        return default

    def names(self, key: str, known: Iterable[str] | None, what: str) -> list[str]:
        """A list of names without repetition, in the order written; each must be known unless known is None."""
        value = self._data.get(key)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self.problems.add(self.at(key), value, "is not a list", f"Write a list of {what}: [a, b]")
            return []
        accepted: dict[str, None] = {}
        for index, item in enumerate(value):
            at = f"{self.at(key)}[{index}]"
            if not isinstance(item, str):
                self.problems.add(at, item, f"is not the name of a {what}", "Write a name")
            elif known is not None and item not in (known if isinstance(known, set | frozenset | dict) else set(known)):
                self.problems.add(at, item, f"is no {what}", suggest(item, known))
            elif item in accepted:
                self.problems.add(at, item, "is listed twice", "Remove one of them")
            else:
                accepted[str(item)] = None
        return list(accepted)

    def texts(self, key: str) -> list[str]:
        """A list of texts as a command line has them: in order, with repetitions, numbers as text."""
        value = self._data.get(key)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self.problems.add(self.at(key), value, "is not a list", "Write a list of words: [python, manage.py]")
            return []
        accepted = []
        for index, item in enumerate(value):
            if item is None or isinstance(item, Mapping | list | tuple):
                self.problems.add(f"{self.at(key)}[{index}]", item, "is not a plain value", "Write a text")
            else:
                accepted.append(to_text(item))
        return accepted

    def environment(self, key: str) -> dict[str, str]:
        """Environment variables: valid names, scalar values, which become text."""
        value = self._data.get(key)
        if value is None:
            return {}
        return environment(value, self.at(key), self.problems)

    def nested(self, key: str, known: Iterable[str], hints: Mapping[str, str] | None = None) -> Reader:
        """A reader over a dict inside this one."""
        return Reader(self._data.get(key), self.at(key), self.problems, known, hints)


def environment(value: Any, path: str, problems: Problems) -> dict[str, str]:
    """Environment variables as a ConfigMap or a container takes them: name to text."""
    if not isinstance(value, Mapping):
        problems.add(path, value, "is not a dictionary", "Write NAME: value pairs")
        return {}
    texts: dict[str, str] = {}
    for name, content in value.items():
        at = f"{path}.{name}"
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            problems.add(
                at,
                None,
                "is no name of an environment variable",
                "Use letters, digits and _, not starting with a digit",
            )
        elif content is None or isinstance(content, Mapping | list | tuple):
            problems.add(at, content, "is not a plain value", "Write a text, a number, true or false")
        else:
            texts[str(name)] = to_text(content)
    return texts
