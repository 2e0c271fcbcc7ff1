"""Changes under load lose no request, and a broken release ends early, hurts nobody and is healed by the next run."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from .platform import FRONTEND, MONITORING, PARTS, Platform

# Through every part of the graph. What 2 cores take beside a rolling update of sixteen pods.
EVERYWHERE, RATE = "/work?via=*&ms=5", 20.0
# The same with every store asked under the credentials of that moment: heavier, so fewer.
STORES, STORES_RATE = f"{EVERYWHERE}&touch=1", 2.0
SAMPLE = 2000  # requests at least, however quick the rollout is
PAGE_RATE = 5.0  # at the frontend, which the others do not pass
EARLY = 300  # seconds, of the 600 that a run would wait (platform_wait_timeout)
SERVICES = [part.removesuffix("-service") for part in PARTS if part != "frontend"]


def revisions(platform: Platform) -> dict[str, str]:
    annotation = "deployment.kubernetes.io/revision"
    return {part: platform.get("deployment", part)["metadata"]["annotations"][annotation] for part in PARTS}


@pytest.mark.parametrize(
    ("what", "variables", "parts"),
    [
        ("configuration", {"platform_log_level": "warn"}, set(PARTS)),
        pytest.param(
            "secrets",
            {
                "platform_credentials": {"jwt_secret": secrets.token_urlsafe(48)}
                | {f"postgres_password_{service}": secrets.token_urlsafe(24) for service in SERVICES}
            },
            {f"{service}-service" for service in SERVICES},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "version",
            {"kind_overrides": {part: {"env": {"RELEASE": "next"}} for part in [*SERVICES, "frontend"]}},
            set(PARTS),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_change_under_load_fails_no_request(
    restored: Platform, what: str, variables: dict[str, Any], parts: set[str]
) -> None:
    before = revisions(restored)
    with (
        restored.load(f"load-{what}", EVERYWHERE, RATE) as end,
        restored.load(f"stores-{what}", STORES, STORES_RATE) as end_stores,
        # From where monitoring is let in: of the platform's own parts none may call the frontend.
        restored.load(f"page-{what}", "/version", PAGE_RATE, url=FRONTEND, namespace=MONITORING) as page_end,
    ):
        run = restored.site(**variables)
        # A quick rollout is followed by calm until the sample is large enough to mean something.
        time.sleep(max(0.0, SAMPLE / RATE - run.seconds))
        report, stores, page = end(), end_stores(), page_end()
    after = revisions(restored)
    assert {part for part in PARTS if before[part] != after[part]} >= parts, (before, after)
    assert report["sent"] >= SAMPLE, report
    assert report["failed"] == 0, report
    assert stores["failed"] == 0, stores
    assert page["failed"] == 0, page
    requests = report["sent"] + stores["sent"] + page["sent"]
    print(f"{what}, by a run of {run.seconds:.0f} s: none of {requests} requests failed")


@pytest.mark.slow
def test_a_release_that_never_becomes_ready_is_explained(restored: Platform) -> None:
    with restored.load("load-unready", EVERYWHERE, RATE) as end:
        run = restored.site(fails=True, kind_overrides={"tool": {"probes": {"readiness": "/nowhere"}}})
        healed = restored.site()
        report = end()
    assert run.seconds < EARLY
    assert "tool-service" in run.output
    assert "cannot become ready" in run.output
    assert "readiness" in run.output.lower()
    assert "last log of tool-service-" in run.output
    assert healed.recap["failed"] == 0
    assert report["failed"] == 0, report
    restored.round_trip()
