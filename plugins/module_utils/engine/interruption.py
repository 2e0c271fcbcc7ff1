"""Being told to stop: a run ends at its next request or pause, puts in order what it must, and says where it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import EngineError

# How soon a pause notices.
_SLICE_SECONDS = 0.1


class Interrupted(EngineError):
    """Somebody told the run to stop. ``what``: where it was."""

    def __init__(self, reason: str, what: str = "") -> None:
        super().__init__(
            " ".join(filter(None, [f"Stopped by {reason}.", what])),
            "Applied changes are kept. Rerun to continue.",
        )
        self.reason = reason


class Interruption:
    """Whether a run was told to stop. Told by a signal handler, hence no locks; heeded in every thread of the run."""

    def __init__(self) -> None:
        self.reason = ""
        self._shields = 0

    def tell(self, reason: str) -> None:
        """End the run at its next request or pause. ``reason`` completes "Stopped by ..."."""
        self.reason = self.reason or reason

    @property
    def told(self) -> bool:
        """Whether the run has to end now."""
        return bool(self.reason) and not self._shields

    def check(self) -> None:
        """Raises Interrupted where the run has to end now."""
        if self.told:
            raise Interrupted(self.reason)

    def sleep(self, seconds: float) -> None:
        """Pause. Raises Interrupted as soon as the run has to end."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, _SLICE_SECONDS))
        self.check()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """What has to be done all the same: the report, the Lease, the record. To be kept short."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
