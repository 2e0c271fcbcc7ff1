"""What the user sees while something takes long: which of how many, and for how long already."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_HEARTBEAT_SECONDS = 60.0
"""How often a log (no terminal) hears that a long step is still running."""


class Progress:
    """Writes to standard error: one live line on a terminal, plain lines without control characters elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()

    def say(self, message: str) -> None:
        """One finished line."""
        clear = "\r\x1b[K" if self._live else ""
        self._stream.write(f"{clear}{message}\n")
        self._stream.flush()

    @contextmanager
    def step(self, number: int, total: int, name: str) -> Iterator[None]:
        """Show that step `number` of `total` runs, until the block ends; its line then says how long it took."""
        label = f"[{number}/{total}] {name}"
        started = time.monotonic()
        ended = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(label, started, ended), daemon=True)
        ticker.start()
        try:
            yield
        except BaseException:
            ended.set()
            ticker.join()
            self.say(f"{label}: stopped after {_duration(started)}")
            raise
        ended.set()
        ticker.join()
        self.say(f"{label}: {_duration(started)}")

    def _tick(self, label: str, started: float, ended: threading.Event) -> None:
        interval = 1.0 if self._live else _HEARTBEAT_SECONDS
        while True:
            if self._live:
                self._stream.write(f"\r\x1b[K{label} ... {_duration(started)}")
                self._stream.flush()
            if ended.wait(interval):
                return
            if not self._live:
                self.say(f"{label}: running for {_duration(started)}")


def _duration(started: float) -> str:
    seconds = time.monotonic() - started
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
