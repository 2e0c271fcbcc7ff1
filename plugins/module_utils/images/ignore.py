"""What .dockerignore leaves out of a build context.

Rules as of the builder's own matcher: the last pattern that matches a path or one of its folders decides, ``!`` takes
back, ``**`` stands for any number of folders. https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_WILDCARD = re.compile(r"[*?\[\\]")


@dataclass(frozen=True)
class _Pattern:
    regex: re.Pattern[str]
    keeps: bool
    # What stands before the first wildcard: only folders that agree with it can hold what is kept.
    fixed: str


class Ignore:
    """The patterns of one file, in order."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._patterns = [pattern for line in lines if (pattern := _pattern(line))]

    @classmethod
    def of(cls, context: Path, dockerfile: Path) -> Ignore:
        """Of a context: ``<Dockerfile>.dockerignore`` beside the Dockerfile wins over the context's own."""
        for file in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore"):
            if file.is_file():
                return cls(file.read_text(encoding="utf-8-sig").splitlines())
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
    if line.startswith("#"):
        return None
    text = line.strip()
    keeps = text.startswith("!")
    text = text.removeprefix("!").strip()
    if not text:
        return None
    text = posixpath.normpath(text).lstrip("/")
    if text == ".":
        return None
    wildcard = _WILDCARD.search(text)
    return _Pattern(re.compile(_regex(text), re.DOTALL), keeps, text[: wildcard.start()] if wildcard else text)


def _regex(pattern: str) -> str:
    regex, rest = "", pattern
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            regex += "(?:.*/)?" if rest else ".*"
        elif rest[0] == "*":
            regex, rest = regex + "[^/]*", rest[1:]
        elif rest[0] == "?":
            regex, rest = regex + "[^/]", rest[1:]
        elif rest[0] == "[" and (group := re.match(r"\[\^?[^\]/]+\]", rest)):
            regex, rest = regex + group[0], rest[group.end() :]
        else:
            literal = rest[1:2] if rest[0] == "\\" and len(rest) > 1 else rest[0]
            regex, rest = regex + re.escape(literal), rest[2 if rest[0] == "\\" and len(rest) > 1 else 1 :]
    return regex
