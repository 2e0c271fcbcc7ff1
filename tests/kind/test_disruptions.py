"""Pods that are killed, stores that come late, autoscalers at work."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .containers import engine
from .platform import PARTS, Platform
from .test_releases import EVERYWHERE, RATE, SAMPLE

pytestmark = pytest.mark.slow


def test_parts_wait_for_a_late_store_and_are_not_restarted_by_their_own_impatience(restored: Platform) -> None:
    restored.kubectl("scale", "statefulset/postgres", "statefulset/nats", "--replicas=0")
    restored.kubectl("wait", "--for=delete", "pod/postgres-0", "pod/nats-0", "--timeout=120s")
    restored.kubectl("delete", "pods", f"--selector=app in ({','.join(PARTS)})", "--now", "--wait=false")
    time.sleep(75)  # longer than liveness would need to give up on a pod
    waiting = restored.restarts()
    assert {pod: count for pod, count in waiting.items() if count} == {}
    run = restored.site()
    print(f"converged {run.seconds:.0f} s after the stores were allowed to start")
    restored.rolled_out()
    assert {pod: count for pod, count in restored.restarts().items() if count} == {}
    restored.round_trip()


def kill(platform: Platform, pod: dict[str, Any]) -> None:
    """End a pod as a lost node or a lack of memory does: no signal that it could handle, no time to drain."""
    task = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    command = ("ctr", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", task)
    engine("exec", pod["spec"]["nodeName"], *command)
    platform.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")


def test_pods_killed_one_by_one_cost_no_more_than_what_they_held(platform: Platform) -> None:
    with platform.load("load-kills", EVERYWHERE, RATE, tries=8) as end:
        begin, killed = time.monotonic(), 0
        while killed < len(PARTS) or (time.monotonic() - begin) * RATE < SAMPLE:
            part = PARTS[killed % len(PARTS)]
            pod = platform.pods(part)[0]
            kill(platform, pod)
            killed += 1
            platform.kubectl("rollout", "status", f"deployment/{part}", "--timeout=300s")
        report = end()
    # The client notices a gateway's death alone and sends those requests again; parts do so with what a callee lost.
    print(
        f"{killed} pods killed under {report['sent']} requests, {report['failed']} failed. Sent again: by the client "
        f"{report['in_flight']} lost in flight and {report['refused']} not taken, by parts {report['sent_again']} calls"
    )
    assert report["failed"] == 0, report
    assert report["sent"] >= SAMPLE, report
    assert report["sent_again"] > 0, "nobody noticed that pods were killed"
    # Of each gateway what it held: it answers within a second.
    assert report["in_flight"] <= RATE * (killed // len(PARTS) + 1), report
    # And of each pod what a second brings: that long others take a dead one for alive.
    assert report["refused"] <= RATE * killed, report
    assert report["sent_again"] <= RATE * killed, report


def test_an_autoscaler_scales_out_and_back_and_site_leaves_it_alone(platform: Platform) -> None:
    def replicas() -> int:
        return int(platform.get("deployment", "gateway-service")["spec"]["replicas"])

    def until(wanted: int, seconds: float) -> float:
        begin = time.monotonic()
        while replicas() != wanted and time.monotonic() - begin < seconds:
            time.sleep(3)
        assert replicas() == wanted
        return time.monotonic() - begin

    with platform.load("load-scale", "/work?cpu=60", 8.0) as end:
        out = until(4, 240)
        run = platform.site()
        assert run.recap["changed"] == 0, run.output
        assert replicas() == 4
        report = end()
    assert report["failed"] == 0, report
    print(f"scaled out to 4 pods after {out:.0f} s")
    back = until(2, 600)
    print(f"and back to 2 after {back:.0f} s, of which 300 s are the window of stabilization")


@pytest.fixture(autouse=True)
def _whole(platform: Platform) -> None:
    platform.rolled_out()
