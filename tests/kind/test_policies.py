"""Policies bite: every edge of the catalogue works, everything else is closed, and what was undone by hand is found."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from .containers import beside, engine, nodes
from .platform import NAMESPACE, ROOT, Platform

OUTSIDE = ("169.254.169.254", "1.1.1.1")  # verify_metadata_address and verify_internet_address


def policies(outcomes: dict[str, str]) -> dict[str, str]:
    return {name: outcome for name, outcome in outcomes.items() if name.startswith("policies: ")}


def left_behind(platform: Platform) -> list[str]:
    return [
        item["metadata"]["name"]
        for namespace in (NAMESPACE, "default")
        for item in platform.get("jobs,pods", "--selector=multi-agent.platform/verify", namespace=namespace)["items"]
    ]


@pytest.fixture
def world(platform: Platform) -> Iterator[None]:
    """The cloud's metadata service and a public address answer, as they do elsewhere: beside the nodes, by a route."""
    python = platform.images()["gateway"]
    with beside(platform, "world", python, "world_server.py", "--cap-add=NET_ADMIN") as address:
        for node in nodes(platform):
            for outside in OUTSIDE:
                engine("exec", node, "ip", "route", "replace", outside, "via", address)
        yield
        for node in nodes(platform):
            for outside in OUTSIDE:
                engine("exec", node, "ip", "route", "delete", outside)


@pytest.mark.usefixtures("world")
def test_every_edge_is_open_and_everything_else_is_closed(platform: Platform) -> None:
    begin = time.monotonic()
    outcomes = platform.verify()
    seconds = time.monotonic() - begin
    told = policies(outcomes)
    print(f"{len(told)} pairs told apart in {seconds:.0f} s")
    assert len(told) > 200
    assert set(told.values()) == {"passed"}, "every pair can be told, also metadata and internet"
    assert "policies: the network plugin enforces policies" in told
    assert {"policies: tool-service to metadata", "policies: agent-service to internet"} <= set(told)
    assert outcomes["round trip: POST /run at the gateway"] == "passed"
    assert {outcomes[f"stores: {s}"] for s in ("postgres to agent-service", "qdrant to vector-service")} == {"passed"}
    assert not left_behind(platform)


def test_a_policy_removed_by_hand_is_found_and_restored(restored: Platform) -> None:
    restored.kubectl("delete", "networkpolicy", "model-service", "default-deny")
    failed = {
        name for name, outcome in restored.verify("verify-policy-removed", fails=True).items() if outcome == "failed"
    }
    # Without a policy of its own and without the one that denies, the part takes whatever comes; and it reaches
    # nothing, as the policy for names still keeps it from going out.
    assert "policies: (other namespace) to model-service" in failed
    assert "policies: model-service to postgres:5432" in failed
    assert "policies: agent-service to model-service" not in failed
    restored.site()
    assert "failed" not in restored.verify("verify-policy-restored").values()


@pytest.mark.slow
def test_an_edge_closed_by_hand_is_found(restored: Platform) -> None:
    restored.kubectl("delete", "networkpolicy", "tool-service")
    failed = {
        name for name, outcome in restored.verify("verify-edge-closed", fails=True).items() if outcome == "failed"
    }
    assert {"policies: agent-service to tool-service", "policies: orchestration-service to tool-service"} <= failed
    assert "policies: agent-service to model-service" not in failed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_verify_that_is_interrupted_leaves_nothing_behind(platform: Platform, number: signal.Signals) -> None:
    command, environment = platform.command("playbooks/verify.yml")
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 90
        while len(left_behind(platform)) < 6 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert left_behind(platform), "no probe was made"
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()
    deadline = time.monotonic() + 60
    while left_behind(platform) and time.monotonic() < deadline:
        time.sleep(1)
    assert not left_behind(platform)
