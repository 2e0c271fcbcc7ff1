"""Lines of many sources on one terminal, each after the name of its source in a colour of its own."""

import os
import threading
from collections.abc import Iterable
from typing import TextIO

# Of the 16 colours that every terminal has, those that can be read on black and on white.
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94, 31)
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"


class Screen:
    """One line at a time. Colours on a terminal only, and not where NO_COLOR is set (https://no-color.org)."""

    def __init__(self, stream: TextIO, colours: bool | None = None) -> None:
        self._stream = stream
        self._colours = stream.isatty() and not os.environ.get("NO_COLOR") if colours is None else colours
        self._lock = threading.Lock()
        self._objects: list[str] = []

    def know(self, objects: Iterable[str]) -> None:
        """The objects whose pods have logs: each gets a colour, the same in each run."""
        self._objects = sorted(objects, key=len, reverse=True)

    def say(self, line: str) -> None:
        """A line of the loop itself."""
        self._write(f"{_BOLD}{line}{_RESET}" if self._colours else line)

    def log(self, line: str) -> None:
        """A line of a pod, as ``<pod> | <text>``."""
        pod, _, text = line.partition(" | ")
        name = self._short(pod.strip())
        prefix = f"{name:<20} |"
        if self._colours:
            prefix = f"\x1b[{self._colour(pod)}m{prefix}{_RESET}"
        self._write(f"{prefix} {text}")

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def _object(self, pod: str) -> str:
        return next((name for name in self._objects if pod.startswith(f"{name}-")), pod)

    def _short(self, pod: str) -> str:
        owner = self._object(pod)
        return owner if owner == pod else f"{owner.removesuffix('-service')}-{pod.rpartition('-')[2]}"

    def _colour(self, pod: str) -> int:
        owner = self._object(pod)
        position = sorted(self._objects).index(owner) if owner in self._objects else len(self._objects)
        return _COLOURS[position % len(_COLOURS)]
