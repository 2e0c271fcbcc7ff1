"""Stores whose only pod was replaced by one that cannot start come back by the next run, with their data."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from .platform import STORES, Platform
from .test_data import counts, kept, volumes

pytestmark = pytest.mark.slow

WRONG: dict[str, dict[str, Any]] = {
    "image that cannot be pulled": {"image": "registry.invalid/store:17.99"},
    "crash": {"command": ["/no-such-program"]},
    "node that does not exist": {"nodeSelector": {"example.test/none": "true"}},
}


def break_store(platform: Platform, store: str, fields: dict[str, Any]) -> None:
    """Apply the StatefulSet with ``fields`` as a run without any proof would; returns when its pod cannot start."""
    live = platform.get("statefulset", store)
    pod = live["spec"]["template"]["spec"]
    (pod if "nodeSelector" in fields else pod["containers"][0]).update(fields)
    metadata = {"name": store, "namespace": live["metadata"]["namespace"], "labels": live["metadata"]["labels"]}
    wanted = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": live["spec"]}
    how = ("--server-side", "--force-conflicts", "--field-manager=multi-agent-platform", "--filename=-")
    platform.kubectl("apply", *how, stdin=json.dumps(wanted))
    deadline = time.monotonic() + 180
    while not broken(platform, store):
        assert time.monotonic() < deadline, platform.get("pod", f"{store}-0")["status"]
        time.sleep(1)


def broken(platform: Platform, store: str) -> bool:
    live = platform.get("statefulset", store)
    if live["status"].get("observedGeneration") != live["metadata"]["generation"]:
        return False
    for pod in platform.pods(store):
        status = pod["status"]
        waiting = [c["state"].get("waiting", {}) for c in status.get("containerStatuses", ())]
        reasons = {state.get("reason") for state in waiting} | {c.get("reason") for c in status.get("conditions", ())}
        stuck = reasons & {"ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff", "RunContainerError", "Unschedulable"}
        if stuck and pod["metadata"]["labels"]["controller-revision-hash"] == live["status"]["updateRevision"]:
            return True
    return False


@pytest.mark.parametrize("wrong", WRONG)
def test_next_run_replaces_the_pods_and_keeps_the_data(restored: Platform, wrong: str) -> None:
    run_id = restored.round_trip()
    before, claims = counts(kept(restored, run_id)), volumes(restored)
    for store in STORES:
        break_store(restored, store, WRONG[wrong])
    run = restored.site()
    assert "Pod postgres-0 replaced: it is of an earlier revision and cannot start" in run.output
    restored.rolled_out()
    assert volumes(restored) == claims
    assert counts(kept(restored, run_id)) == before
    restored.round_trip()
    assert restored.site().recap["changed"] == 0
