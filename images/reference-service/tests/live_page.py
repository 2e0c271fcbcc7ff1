"""The page of a live platform, through its edge. Not collected by itself: tests/kind/test_edge.py runs it.

LIVE_PAGE is JSON: {page: its URL, api: the API's host, arguments: [of Chromium], stop: [command], start: [command]}.
The commands stop and start the part `tool`.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from browser import DESK, Visit, chromium, playwright
from graph import PARTS

LIVE = json.loads(os.environ["LIVE_PAGE"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium(*LIVE["arguments"]) as browser:
        yield browser


@pytest.fixture
def visit(browser: Any) -> Iterator[Visit]:
    visit = Visit(browser, LIVE["page"], viewport=DESK, color_scheme="dark")
    yield visit
    visit.context.close()


def test_shows_every_part_through_the_api_host_without_a_complaint(visit: Visit) -> None:
    for part in PARTS:
        visit.expect(part, "ready", 30)
    playwright.expect(visit.page.locator("#overall-text")).to_have_text(f"All {len(PARTS)} parts ready")
    playwright.expect(visit.page.locator("#route")).to_have_text(f"Live through {LIVE['api']}")
    visit.shot("kind-ready")
    assert visit.console == []


def test_runs_a_round_trip_from_the_button(visit: Visit) -> None:
    visit.expect("model", "ready", 30)
    visit.page.click("#run")
    playwright.expect(visit.page.locator("#trace-summary")).to_contain_text(
        "through 7 parts in 17 hops", timeout=20_000
    )
    visit.shot("kind-round-trip")
    assert visit.console == []


def test_shows_a_stopped_part_as_down_within_seconds(visit: Visit) -> None:
    visit.expect("tool", "ready", 30)
    subprocess.run(LIVE["stop"], check=True)
    try:
        begin = time.monotonic()
        visit.expect("tool", "down", 15)
        print(f"shown as down {time.monotonic() - begin:.1f} s after its pods were gone")
        visit.expect("agent", "ready")
        visit.shot("kind-stopped-part")
    finally:
        subprocess.run(LIVE["start"], check=True)
    visit.expect("tool", "ready", 90)
