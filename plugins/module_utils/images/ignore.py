"""Which files of a build context .dockerignore leaves out.

The rules are those of the builder's own matcher, github.com/moby/patternmatcher: the last pattern that matches a path
or one of its folders decides, ``!`` takes back, ``**`` stands for any number of folders. A pattern that the builder
refuses is refused here too. https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import ConfigurationError

_WILDCARD = re.compile(r"[*?\[\\]")
# One character of a class, alone or as the end of a range; `-` and `]` need a backslash (Go: path/filepath.Match).
_MEMBER = re.compile(r"(?:\\(?P<escaped>.)|(?P<plain>[^-\]\\]))", re.DOTALL)


class BadPatternError(ValueError):
    """A pattern that the builder does not accept; the text says what is wrong."""


@dataclass(frozen=True)
class _Pattern:
    regex: re.Pattern[str]
    keeps: bool
    # The text before the first wildcard: only folders that agree with it can hold what is kept.
    fixed: str


class Ignore:
    """The patterns of one file, in order. Raises BadPatternError."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._patterns = [pattern for line in lines if (pattern := _pattern(line))]

    @classmethod
    def of(cls, context: Path, dockerfile: Path) -> Ignore:
        """Of a context: ``<Dockerfile>.dockerignore`` next to the Dockerfile wins over the context's own.

        Raises ConfigurationError naming the file and the pattern.
        """
        for file in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore"):
            if file.is_file():
                try:
                    return cls(file.read_text(encoding="utf-8-sig").split("\n"))
                except BadPatternError as error:
                    raise ConfigurationError(
                        f"{file}: {error}.", "docker build refuses this file too; correct or remove the line."
                    ) from None
        return cls()

    def leaves_out(self, path: str) -> bool:
        """Whether the file or folder ``path``, relative with ``/``, is not sent to the builder."""
        with_folders = [path, *_folders(path)]
        out = False
        for pattern in self._patterns:
            if pattern.keeps == out and any(pattern.regex.fullmatch(name) for name in with_folders):
                out = not out
        return out

    def closed(self, folder: str) -> bool:
        """Whether nothing below ``folder`` is sent, so that it need not be looked into."""
        below = f"{folder}/"
        return self.leaves_out(folder) and not any(
            pattern.keeps and (pattern.fixed.startswith(below) or below.startswith(pattern.fixed))
            for pattern in self._patterns
        )


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _pattern(line: str) -> _Pattern | None:
    if line.startswith("#") or not (text := line.strip()):
        return None
    keeps = text.startswith("!")
    text = text.removeprefix("!").strip()
    if not text:
        raise BadPatternError('the pattern "!" names nothing that is kept')
    text = posixpath.normpath(text).lstrip("/")
    if text in {"", "."}:
        return None
    wildcard = _WILDCARD.search(text)
    return _Pattern(re.compile(_regex(text), re.DOTALL), keeps, text[: wildcard.start()] if wildcard else text)


def _regex(pattern: str) -> str:
    if pattern.startswith("**") and not _WILDCARD.search(pattern, 2):
        # Before plain text, ** is any beginning, within a name too: **.pyc. Behind a /, whole folders.
        rest = pattern[2:]
        return f"(?:.*/)?{re.escape(rest[1:])}" if rest.startswith("/") else f".*{re.escape(rest)}"
    regex, rest = "", pattern
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            regex += "(?:.*/)?" if rest else ".*"
        elif rest[0] == "*":
            regex, rest = regex + "[^/]*", rest[1:]
        elif rest[0] == "?":
            regex, rest = regex + "[^/]", rest[1:]
        elif rest[0] == "[":
            group, rest = _class(rest[1:], pattern)
            regex += group
        elif rest[0] == "\\":
            if len(rest) == 1:
                raise BadPatternError(f'the pattern "{pattern}" ends in a backslash')
            regex, rest = regex + re.escape(rest[1]), rest[2:]
        else:
            regex, rest = regex + re.escape(rest[0]), rest[1:]
    return regex


def _class(rest: str, pattern: str) -> tuple[str, str]:
    """The regex of a class of characters, and the text behind it; ``rest`` begins behind its ``[``."""
    negated = rest.startswith("^")
    rest = rest.removeprefix("^")
    members = ""
    while not (members and rest.startswith("]")):
        low, rest = _member(rest, pattern)
        members += re.escape(low)
        if rest.startswith("-"):
            high, rest = _member(rest[1:], pattern)
            if high < low:
                raise BadPatternError(f'the range {low}-{high} of the pattern "{pattern}" is empty')
            members += f"-{re.escape(high)}"
    return f"[{'^' if negated else ''}{members}]", rest[1:]


def _member(rest: str, pattern: str) -> tuple[str, str]:
    match = _MEMBER.match(rest)
    if not match:
        raise BadPatternError(f'the pattern "{pattern}" has a [ without a valid list of characters and ]')
    return match["escaped"] or match["plain"], rest[match.end() :]
