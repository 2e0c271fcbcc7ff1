"""Lines for people while a tier is applied."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from ansible.utils.display import Display

from ..engine import gates
from ..engine.applier import Outcome
from ..engine.manifests import describe
from ..engine.tier import Listener
from ..operations import releases

# A line about a wait at most this often, and where nothing has changed this often.
WAIT_LINE_SECONDS = 10.0
SAME_LINE_SECONDS = 60.0
# So many objects of a tier are named one by one; of the others it is said how many are done.
NAMED = 40

display = Display()


def _redraws() -> bool:
    """Whether standard output is a terminal that somebody looks at. AWX's runner gives a job one, and records it."""
    recorded = any(name in os.environ for name in ("AWX_ISOLATED_DATA_DIR", "JOB_ID", "CI"))
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not recorded


# Asked where plugins are imported: a worker's own standard output is none.
REDRAWS = _redraws()


class Progress:
    """Lines for people while a tier is applied: what changed, what is awaited, and in the end how it went.

    ``alone``: nobody else prints meanwhile, so that a line on a terminal may be drawn anew.
    """

    def __init__(self, tier: str, check: bool, *, alone: bool = False) -> None:
        self._tier = tier
        self._would = "would be " if check else ""
        self._redraws = REDRAWS and alone
        self._drawn = False
        self._began = time.monotonic()
        self._last = self._began + WAIT_LINE_SECONDS / 5 - WAIT_LINE_SECONDS
        self._shown = ""
        self._total = 0
        # What changed, for the record of the release.
        self.changes: list[str] = []
        self.migrations: list[dict[str, str]] = []

    def listener(self) -> Listener:
        """What the engine calls meanwhile."""
        return Listener(self.wrote, self.pruned, self.waits, self.say, self.plans, self.replaced)

    def plans(self, total: int) -> None:
        """So many objects are about to be written."""
        self._total = total

    def change(self, failure: str) -> releases.Change:
        """What happened, as a release records it."""
        return releases.Change(self.changes, failure, self.migrations)

    def wrote(self, outcome: Outcome) -> None:
        """An object was written."""
        if outcome.changed:
            self.changes.append(f"{outcome.action} {describe(outcome.desired)}")
            if part := gates.workload_of(outcome.desired):
                self.migrations.append(_migration(part, outcome.desired))
            self._name(f"{describe(outcome.desired)} {self._would}{outcome.action}")

    def pruned(self, obj: Mapping[str, Any]) -> None:
        """An object that nobody declares any more was deleted."""
        self.changes.append(f"pruned {describe(obj)}")
        self._name(f"{describe(obj)} {self._would}pruned")

    def kept(self, obj: Mapping[str, Any], reason: str) -> None:
        """An object that nobody declares any more stays."""
        self._line(f"{describe(obj)} kept: it {reason}")

    def replaced(self, pod: Mapping[str, Any], reason: str) -> None:
        """A pod that was stuck on an earlier revision was deleted, so that one of the new revision takes its place."""
        name = f"Pod {pod['metadata']['name']}"
        self.changes.append(f"replaced {name}")
        self._line(
            f"{name} {self._would}replaced: it is of an earlier revision and cannot start ({reason}); its volume stays"
        )

    def say(self, line: str) -> None:
        """Something else that is worth a line."""
        self._clear()
        display.display(f"  {line}")

    def waits(self, done: int, total: int, waiting: Mapping[str, str]) -> None:
        """So many are ready, and this is what the others wait for."""
        if not waiting:
            self._clear()
            return
        first = [f"{name} ({message})" for name, message in sorted(waiting.items())[:3]]
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        self._state(f"{done} of {total} ready, waiting for {', '.join(first)}{more}")

    def ends(self, counts: Mapping[str, int]) -> None:
        """The last line of a tier that changed, with how many objects had which action."""
        self._clear()
        if self.changes:
            said = ", ".join(f"{number} {action}" for action, number in counts.items() if number)
            self._line(f"{said} in {time.monotonic() - self._began:.0f} s")

    def stops(self) -> None:
        """Nothing more is said of this tier."""
        self._clear()

    def _name(self, text: str) -> None:
        if len(self.changes) <= NAMED:
            self._line(text)
        else:
            total = max(self._total, len(self.changes))
            self._state(f"{len(self.changes)} of {total} objects {self._would}done")

    def _line(self, text: str) -> None:
        self._clear()
        display.display(f"  {self._tier}: {text}")

    def _state(self, text: str) -> None:
        """Where the tier is by now: drawn over the last, or a line once in a while."""
        now = time.monotonic()
        if self._redraws:
            if text != self._shown:
                self._drawn = True
                line = f"  {self._tier}: {text}"[: display.columns]
                display.display(f"\r\x1b[2K{line}", newline=False, screen_only=True)
        elif now - self._last < (SAME_LINE_SECONDS if text == self._shown else WAIT_LINE_SECONDS):
            return
        else:
            self._last = now
            display.display(f"  {self._tier}: {text}")
        self._shown = text

    def _clear(self) -> None:
        if self._drawn:
            self._drawn, self._shown = False, ""
            display.display("\r\x1b[2K", newline=False, screen_only=True)


def _migration(part: str, job: Mapping[str, Any]) -> dict[str, str]:
    image = job["spec"]["template"]["spec"]["containers"][0]["image"]
    return {"part": part, "job": job["metadata"]["name"], "image": image}
