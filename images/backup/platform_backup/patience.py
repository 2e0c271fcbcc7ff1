"""Waiting for stores that are about to answer: one restarts, or the network does not know of this new pod yet."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import Unreachable
from .report import say
from .settings import Settings

_PAUSE = 2.0  # seconds


def until_reached(settings: Settings, *asks: Callable[[], object]) -> None:
    """Return when each has had an answer. Raises Unreachable when the time is over."""
    deadline = time.monotonic() + float(settings.text("PATIENCE", "90"))
    for ask in asks:
        while True:
            try:
                ask()
                break
            except Unreachable as error:
                if time.monotonic() > deadline:
                    raise
                say(f"{error.message} Trying again.")
                time.sleep(_PAUSE)
