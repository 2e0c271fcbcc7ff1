"""Releases that cannot run, under load: what serves is not touched, and the next good run converges by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .platform import STORES, Platform
from .test_releases import EARLY, EVERYWHERE, RATE, STORES_RATE
from .test_releases import STORES as TOUCHING_STORES

MISSING = "multi-agent/reference-service:missing"
TOO_MUCH = {"requests": {"cpu": "100", "memory": "256Mi"}, "limits": {"cpu": "100", "memory": "1Gi"}}


def no_image(store: str, _platform: Platform) -> dict[str, Any]:
    return {"kind_images": {store: MISSING}}


def crash(store: str, platform: Platform) -> dict[str, Any]:
    if store == "postgres":
        return {"datastores_postgres_settings": {"shared_buffers": "lots"}}
    # The service's image has neither of these programs.
    return {"kind_images": {store: platform.images()["tool"]}}


def no_node(store: str, _platform: Platform) -> dict[str, Any]:
    return {"platform_stores_overrides": requests() | {store: {"resources": TOO_MUCH, "storage": {"size": "1Gi"}}}}


def requests(**other: str) -> dict[str, Any]:
    """The stores as inventories/kind has them, some with another request of CPU."""
    cpu = {"postgres": "100m", "qdrant": "100m", "nats": "50m"} | other
    return {name: {"resources": {"requests": {"cpu": cpu[name]}}, "storage": {"size": "1Gi"}} for name in STORES}


def pods(platform: Platform, *apps: str) -> dict[str, str]:
    """Name -> uid of the pods of these objects."""
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for app in apps for pod in platform.pods(app)}


def generations(platform: Platform) -> dict[str, int]:
    items = platform.get("statefulsets")["items"]
    return {item["metadata"]["name"]: item["metadata"]["generation"] for item in items}


@contextmanager
def under_load(platform: Platform, name: str) -> Iterator[None]:
    """Requests through every part, and some that every store answers: none of them fails."""
    with (
        platform.load(f"load-{name}", EVERYWHERE, RATE) as end,
        platform.load(f"stores-{name}", TOUCHING_STORES, STORES_RATE) as end_stores,
    ):
        yield
        reports = [end(), end_stores()]
    assert [report["failed"] for report in reports] == [0, 0], reports
    print(f"{name}: none of {sum(report['sent'] for report in reports)} requests failed")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (no_image, dict.fromkeys(STORES, "ImagePull")),
        pytest.param(
            crash,
            {"postgres": 'invalid value for parameter "shared_buffers"', "qdrant": "Failed", "nats": "Failed"},
            marks=pytest.mark.slow,
        ),
        pytest.param(no_node, dict.fromkeys(STORES, "Insufficient cpu"), marks=pytest.mark.slow),
    ],
    ids=["image", "crash", "room"],
)
def test_store_that_cannot_run_is_not_touched(restored: Platform, fault: Any, words: dict[str, str]) -> None:
    before, versions = pods(restored, *STORES), generations(restored)
    with under_load(restored, f"bad-{fault.__name__.replace('_', '-')}"):
        for store in STORES:
            run = restored.site(fails=True, **fault(store, restored))
            said = " ".join(run.output.split())
            assert f"StatefulSet {store}: the new version does not start on a pod of its own" in said, run.output
            assert words[store] in said, run.output
            assert run.seconds < EARLY
            assert pods(restored, *STORES) == before
            assert generations(restored) == versions
            assert restored.get("jobs", "--selector=multi-agent.platform/proof-of")["items"] == []
        healed = restored.site()
    assert healed.recap["failed"] == 0
    assert pods(restored, *STORES) == before
    assert restored.site().recap["changed"] == 0
    restored.round_trip()


@pytest.mark.slow
def test_store_is_replaced_once_its_new_version_is_proven(restored: Platform) -> None:
    before = pods(restored, *STORES)
    run = restored.site(
        datastores_postgres_settings={"max_connections": 250, "shared_buffers": "128MB"},
        platform_stores_overrides=requests(**dict.fromkeys(STORES, "60m")),
    )
    for store in STORES:
        assert f"StatefulSet {store} is proven" in run.output, run.output
    after = pods(restored, *STORES)
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert restored.sql("show max_connections") == "250"
    restored.round_trip()


@pytest.mark.parametrize(
    ("name", "variables", "words"),
    [
        (
            "crash",
            {"kind_overrides": {"tool": {"env": {"GRACE_SECONDS": "never"}}}},
            ["CrashLoopBackOff", "GRACE_SECONDS is 'never'"],
        ),
        pytest.param("image", {"kind_images": {"tool": MISSING}}, ["ImagePull"], marks=pytest.mark.slow),
        pytest.param(
            "room",
            {"kind_overrides": {"tool": {"resources": TOO_MUCH}}},
            ["Unschedulable", "Insufficient cpu"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["crash", "image", "room"],
)
def test_component_that_cannot_run_hurts_nobody(
    restored: Platform, name: str, variables: dict[str, Any], words: list[str]
) -> None:
    before = pods(restored, "tool-service")
    with under_load(restored, f"bad-tool-{name}"):
        run = restored.site(fails=True, **variables)
        still = pods(restored, "tool-service")
        assert before.items() <= still.items()
        healed = restored.site()
    assert run.seconds < EARLY
    assert "tool-service" in run.output
    for word in words:
        assert word in run.output, run.output
    assert healed.recap["failed"] == 0
    restored.round_trip()
