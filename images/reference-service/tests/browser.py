"""Headless Chromium, the one of the system, and a page with what it logged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from graph import ROOT

playwright = pytest.importorskip("playwright.sync_api")

SHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / ".artifacts" / "screenshots"))
DESK = {"width": 1280, "height": 1100}
PHONE = {"width": 390, "height": 844}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """The browser; skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    SHOTS.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page with what it logged."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.console: list[str] = []
        self.page.on(
            "console", lambda message: message.type in {"error", "warning"} and self.console.append(message.text)
        )
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.goto(url)

    def part(self, name: str) -> Any:
        return self.page.locator(f'.node[data-part="{name}"]')

    def expect(self, name: str, state: str, seconds: float = 8) -> None:
        playwright.expect(self.part(name)).to_have_attribute("data-state", state, timeout=seconds * 1000)

    def shot(self, name: str) -> None:
        self.page.wait_for_timeout(400)  # the change of a colour
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
