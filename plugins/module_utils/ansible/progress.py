"""Lines for people while a tier is applied."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.utils.display import Display

from ..engine import gates
from ..engine.applier import Outcome
from ..engine.manifests import describe
from ..engine.tier import Listener
from ..operations import releases

# A line about a wait at most this often.
WAIT_LINE_SECONDS = 10.0

display = Display()


class Progress:
    """Lines for people while a tier is applied: what changed, and what is awaited."""

    def __init__(self, tier: str, check: bool) -> None:
        self._tier = tier
        self._would = "would be " if check else ""
        self._next = time.monotonic() + WAIT_LINE_SECONDS / 5
        # What changed, for the record of the release.
        self.changes: list[str] = []
        self.migrations: list[dict[str, str]] = []

    def listener(self) -> Listener:
        """What the engine calls meanwhile."""
        return Listener(self.wrote, self.pruned, self.waits, self.say)

    def change(self, failure: str) -> releases.Change:
        """What happened, as a release records it."""
        return releases.Change(self.changes, failure, self.migrations)

    def wrote(self, outcome: Outcome) -> None:
        if outcome.changed:
            self.changes.append(f"{outcome.action} {describe(outcome.desired)}")
            if part := gates.workload_of(outcome.desired):
                self.migrations.append(_migration(part, outcome.desired))
            display.display(f"  {self._tier}: {describe(outcome.desired)} {self._would}{outcome.action}")

    def pruned(self, obj: Mapping[str, Any]) -> None:
        self.changes.append(f"pruned {describe(obj)}")
        display.display(f"  {self._tier}: {describe(obj)} {self._would}pruned")

    def kept(self, obj: Mapping[str, Any], reason: str) -> None:
        name = f"{obj['kind']}/{obj['metadata']['name']}"
        display.display(f"  {self._tier}: {describe(obj)} kept: it {reason} (platform_prune_data: [{name}] lets it go)")

    def say(self, line: str) -> None:
        display.display(f"  {line}")

    def waits(self, done: int, total: int, waiting: Mapping[str, str]) -> None:
        now = time.monotonic()
        if not waiting or now < self._next:
            return
        self._next = now + WAIT_LINE_SECONDS
        first = [f"{name} ({message})" for name, message in sorted(waiting.items())[:3]]
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        display.display(f"  {self._tier}: {done} of {total} ready, waiting for {', '.join(first)}{more}")


def _migration(part: str, job: Mapping[str, Any]) -> dict[str, str]:
    image = job["spec"]["template"]["spec"]["containers"][0]["image"]
    return {"part": part, "job": job["metadata"]["name"], "image": image}
