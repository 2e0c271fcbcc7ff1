"""The page in headless Chromium: over all eight parts, on a desk and on a phone, dark and light."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser import DESK, PHONE, Visit, chromium, playwright
from graph import PARTS, Platform, Stores, free_port, http, running


@pytest.fixture(scope="module")
def platform(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """As behind an edge: the API answers on another origin than the page."""
    gateway, frontend = free_port(), free_port()
    extra = {
        "agent": {"SERVICE_VERSION": "2026.11.27-release-candidate-0123456789abcdef"},
        "gateway": {"CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{frontend}"},
        "frontend": {"NEXT_PUBLIC_API_URL": f"http://localhost:{gateway}"},
    }
    with running(
        stores, tmp_path_factory.mktemp("logs"), extra, {"gateway": gateway, "frontend": frontend}
    ) as platform:
        yield platform


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Any, platform: Platform, request: pytest.FixtureRequest) -> Iterator[Visit]:
    options = {"viewport": DESK, "color_scheme": "dark", **getattr(request, "param", {})}
    visit = Visit(browser, platform["frontend"].url, **options)
    yield visit
    visit.context.close()


def test_shows_every_part_and_edge_without_a_complaint(visit: Visit, platform: Platform) -> None:
    for part in PARTS:
        visit.expect(part, "ready")
    edges = sum(len(calls) for calls, _ in PARTS.values())
    playwright.expect(visit.page.locator(".edge[data-up=true]")).to_have_count(edges)
    playwright.expect(visit.page.locator("#overall-text")).to_have_text("All 8 parts ready")
    playwright.expect(visit.page.locator("#route")).to_have_text(f"Live through localhost:{platform['gateway'].port}")
    visit.shot("desk-dark")
    assert visit.console == []


@pytest.mark.parametrize("visit", [{}, {"viewport": PHONE, "has_touch": True, "color_scheme": "light"}], indirect=True)
def test_runs_a_round_trip_from_the_button(visit: Visit) -> None:
    visit.expect("model", "ready")
    visit.page.click("#run")
    playwright.expect(visit.page.locator("#trace li")).to_have_count(17)
    visit.page.wait_for_timeout(500)
    phone = visit.page.viewport_size == PHONE
    visit.shot("phone-light-running" if phone else "desk-dark-running")
    playwright.expect(visit.page.locator("#run")).to_be_enabled(timeout=10_000)
    playwright.expect(visit.page.locator("#trace-summary")).to_contain_text("through 7 parts in 17 hops")
    playwright.expect(visit.page.locator("#run-note")).to_contain_text("17 hops, just now")
    visit.shot("phone-light-done" if phone else "desk-dark-done")
    assert visit.console == []


@pytest.mark.parametrize(
    "visit",
    [{"viewport": PHONE}, {"viewport": {"width": 320, "height": 640}}, {"color_scheme": "light"}],
    indirect=True,
)
def test_fits_its_screen(visit: Visit) -> None:
    visit.expect("tool", "ready")
    page = visit.page
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        "[...document.querySelectorAll('.node text')].filter((t) => { const a = t.getBoundingClientRect(),"
        " b = t.closest('.node').querySelector('.card').getBoundingClientRect();"
        " return a.right > b.right || a.left < b.left }).map((t) => t.textContent)"
    )
    assert outside == []
    painted_over = page.evaluate(
        "[...document.querySelectorAll('.node .uses circle')].filter((dot) => { const a = dot.getBoundingClientRect();"
        " return [...dot.closest('.node').querySelectorAll(':scope > text, :scope > .lamp')].some((text) => {"
        " const b = text.getBoundingClientRect();"
        " return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom }) }).length"
    )
    assert painted_over == 0
    visit.shot({390: "phone-dark", 320: "phone-small-dark"}.get(width, "desk-light"))


def test_details_of_a_part_by_keyboard_alone(visit: Visit) -> None:
    visit.expect("agent", "ready")
    visit.part("agent").focus()
    visit.page.keyboard.press("Enter")
    dialog = visit.page.locator("#details")
    playwright.expect(dialog).to_be_visible()
    playwright.expect(dialog).to_contain_text("OPENAI_API_KEY: present")
    visit.shot("desk-dark-details")
    visit.page.keyboard.press("Escape")
    playwright.expect(dialog).to_be_hidden()
    assert visit.page.evaluate("document.activeElement.dataset.part") == "agent"
    assert "hush" not in visit.page.content()


def test_shows_a_stopped_part_as_down_within_seconds(visit: Visit, platform: Platform) -> None:
    visit.expect("tool", "ready")
    platform["tool"].signal()
    try:
        visit.expect("tool", "down", seconds=8)
        visit.expect("agent", "ready")
        playwright.expect(visit.page.locator("#overall")).to_have_attribute("data-state", "down")
        playwright.expect(visit.page.locator("#live")).to_contain_text("tool is down")
        playwright.expect(visit.page.locator('.edge[data-up="false"]')).to_have_count(2)
        visit.page.click("#run")
        playwright.expect(visit.page.locator("#trace .failed")).to_have_count(4)
        playwright.expect(visit.page.locator("#run")).to_be_enabled(timeout=20_000)
        visit.shot("desk-dark-down")
    finally:
        platform["tool"].wait()
        platform["tool"].start().wait_ready()
    visit.expect("tool", "ready")


def test_shows_a_stopped_gateway_and_goes_on_when_it_is_back(visit: Visit, platform: Platform) -> None:
    visit.expect("model", "ready")
    platform["gateway"].signal()
    try:
        visit.expect("gateway", "down")
        visit.expect("model", "unknown")
        visit.expect("frontend", "ready")
        playwright.expect(visit.page.locator("#banner")).to_contain_text("The gateway cannot be reached")
        visit.shot("desk-dark-gateway-down")
    finally:
        platform["gateway"].wait()
        platform["gateway"].start().wait_ready()
    visit.expect("model", "ready")
    playwright.expect(visit.page.locator("#banner")).to_be_hidden()


def test_falls_back_to_its_own_host_where_the_api_host_is_not_there(browser: Any, platform: Platform) -> None:
    visit = Visit(browser, "about:blank", viewport=DESK)
    visit.page.route(f"http://localhost:{platform['gateway'].port}/**", lambda route: route.abort())
    visit.page.goto(platform["frontend"].url)
    visit.expect("model", "ready")
    playwright.expect(visit.page.locator("#route")).to_have_text("Live through this host")
    visit.page.click("#run")
    playwright.expect(visit.page.locator("#trace-summary")).to_contain_text("17 hops")
    visit.context.close()


def test_page_loads_nothing_from_elsewhere(platform: Platform) -> None:
    answer = http(platform["frontend"].url)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for name in ("index.html", "style.css", "app.js", "map.js", "trace.js", "api.js", "icon.svg"):
        text = http(f"{platform['frontend'].url}/{name}").body.decode().replace("http://www.w3.org/", "")
        assert "http://" not in text
        assert "https://" not in text
