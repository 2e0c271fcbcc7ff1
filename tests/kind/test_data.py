"""What is written stays: through lost pods, rollouts, a drained node, a teardown, and a lost Secret."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from .platform import NAMESPACE, PARTS, STORES, Platform

SERVICES = {name.removesuffix("-service") for name in PARTS if name != "frontend"}


def kept(platform: Platform, run_id: str, seconds: float = 60.0) -> dict[str, Any]:
    """What every part still holds of a run; asked again while parts find their stores."""
    deadline = time.monotonic() + seconds
    while True:
        status, answer = platform.gateway("GET", f"/run/{run_id}")
        whole = status == 200 and not answer["errors"]
        if whole or time.monotonic() > deadline:
            assert whole, answer
            return dict(answer)
        time.sleep(2)


def counts(answer: Any) -> Any:
    """The answer without times and names of pods, which change."""
    if isinstance(answer, dict):
        return {
            k: counts(v)
            for k, v in answer.items()
            if k not in {"pod", "duration_ms", "version", "latency_ms", "tries", "start_ms"}
        }
    return sorted((counts(v) for v in answer), key=json.dumps) if isinstance(answer, list) else answer


def volumes(platform: Platform) -> dict[str, str]:
    return {c["metadata"]["name"]: c["metadata"]["uid"] for c in platform.get("persistentvolumeclaims")["items"]}


def test_rows_vectors_and_messages_survive_the_loss_of_every_store_s_pod(platform: Platform) -> None:
    run_id = platform.round_trip()
    before = counts(kept(platform, run_id))
    print(json.dumps(before))
    platform.kubectl("delete", "pod", *(f"{store}-0" for store in STORES), "--now")
    platform.rolled_out()
    assert counts(kept(platform, run_id)) == before
    platform.round_trip()


@pytest.mark.slow
def test_they_survive_a_rollout_of_the_stores(platform: Platform) -> None:
    run_id = platform.round_trip()
    before = counts(kept(platform, run_id))
    platform.kubectl("rollout", "restart", *(f"statefulset/{store}" for store in STORES))
    platform.rolled_out()
    assert counts(kept(platform, run_id)) == before


@pytest.mark.slow
def test_they_survive_a_drained_node(restored: Platform) -> None:
    run_id = restored.round_trip()
    before = counts(kept(restored, run_id))
    node = restored.get("pod", "postgres-0")["spec"]["nodeName"]
    try:
        begin = time.monotonic()
        restored.kubectl(
            "drain",
            node,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--timeout=240s",
            "--pod-selector=app.kubernetes.io/part-of=multi-agent-platform",
        )
        print(f"{node} was drained in {time.monotonic() - begin:.0f} s")
        # Volumes of this cluster are a node's own: stores come back with their node, everything else goes elsewhere.
        there = {pod["spec"].get("nodeName") for part in PARTS for pod in restored.pods(part)}
        assert node not in there
    finally:
        restored.kubectl("uncordon", node)
    restored.rolled_out()
    assert counts(kept(restored, run_id)) == before


def test_they_survive_teardown_and_site(restored: Platform) -> None:
    run_id = restored.round_trip()
    before, claims = counts(kept(restored, run_id)), volumes(restored)
    restored.play("playbooks/teardown.yml")
    assert not restored.get("deployments,statefulsets")["items"]
    assert volumes(restored) == claims
    restored.site()
    assert counts(kept(restored, run_id)) == before


def test_a_lost_credentials_secret_stops_the_run_and_destroys_nothing(restored: Platform) -> None:
    secret, claims = restored.get("secret", "platform-credentials"), volumes(restored)
    run_id = restored.round_trip()
    restored.kubectl("delete", "secret", "platform-credentials")
    try:
        run = restored.site(fails=True)
        print(run.output[-1500:])
        said = " ".join(run.output.split())
        assert "Secret platform-credentials is gone" in said
        assert "Restore the Secret from a backup, or give the old values in platform_credentials" in said
        assert volumes(restored) == claims
        assert not restored.get("secrets", "--field-selector=metadata.name=platform-credentials")["items"]
        kept(restored, run_id)
    finally:
        for field in ("resourceVersion", "uid", "creationTimestamp"):
            del secret["metadata"][field]
        restored.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(secret), namespace=NAMESPACE)
