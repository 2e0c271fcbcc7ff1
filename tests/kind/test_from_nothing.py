"""From nothing, when images load slowly or a store is late: it comes up, and nobody is restarted by impatience."""

from __future__ import annotations

import re
import time

import pytest

from .platform import PARTS, STORES, Platform
from .registry import slow_registry

pytestmark = pytest.mark.slow

# Seconds that an image takes; longer than the minute that a liveness probe needs to give up on a part.
IMAGE, STORE = 75.0, 100.0


def pulls(platform: Platform) -> list[float]:
    """How long each pull took, in seconds."""
    events = platform.get("events", "--field-selector=reason=Pulled")["items"]
    found = (re.search(r"Successfully pulled .* in (?:(\d+)m)?([\d.]+)s", event["message"]) for event in events)
    return sorted(60 * int(match[1] or 0) + float(match[2]) for match in found if match)


def test_images_that_load_slowly(restored: Platform) -> None:
    local = restored.images()
    restored.forget()
    slow = {name: (local[name], IMAGE) for name in STORES} | {"part": (local["gateway"], IMAGE)}
    with slow_registry(restored, slow, python=local["gateway"]) as references:
        names = {name: references.get(name, references["part"]) for name in local}
        run = restored.site(kind_images=names)
        restored.rolled_out()
        took = pulls(restored)
        print(f"from nothing in {run.seconds:.0f} s; {len(took)} pulls of {took[0]:.0f} to {took[-1]:.0f} s")
        assert took[-1] >= 0.9 * IMAGE  # the registry spreads the bytes; asking for them takes no time
        assert run.seconds >= IMAGE
        assert {pod: count for pod, count in restored.restarts().items() if count} == {}
        assert restored.site(kind_images=names).recap["changed"] == 0
        restored.round_trip()


def test_a_store_that_is_late(restored: Platform) -> None:
    local = restored.images()
    restored.forget()
    with slow_registry(restored, {"postgres": (local["postgres"], STORE)}, python=local["gateway"]) as late:
        begin = time.monotonic()
        restored.site(platform_wait=False, kind_images=late)
        running = {part: restored.pods(part) for part in PARTS}
        assert all(running.values()), "parts start beside the store, not after it"
        run = restored.site(kind_images=late)
        restored.rolled_out()
        print(f"the store's image took {pulls(restored)[-1]:.0f} s, the platform {time.monotonic() - begin:.0f} s")
        assert time.monotonic() - begin >= STORE
        assert run.recap["failed"] == 0
        assert {pod: count for pod, count in restored.restarts().items() if count} == {}
        restored.round_trip()
