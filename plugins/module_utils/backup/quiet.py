"""Stopping what writes to the stores while they are restored, and starting it again as it was.

How many pods there were is written on each Deployment before they go, so that a restore that was interrupted is ended
by the next one. An autoscaler leaves a Deployment of 0 pods alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..operations.cluster_view import DEPLOYMENT, POD
from ..operations.workloads import Progress, wait

Object = dict[str, Any]

REPLICAS = "multi-agent.platform/replicas-before-restore"
_POLL_SECONDS = 1.0


def stop(cluster: Cluster, namespace: str, names: Iterable[str], seconds: float) -> list[str]:
    """Let no pod of these Deployments run; those that there are. Raises EngineError where pods stay."""
    stopped = []
    for name in names:
        live = cluster.find(DEPLOYMENT, namespace, name)
        if live is None:
            continue
        before = (live["metadata"].get("annotations") or {}).get(REPLICAS)
        number = before or str(live["spec"].get("replicas", 1))
        _patch(cluster, live, number, 0)
        stopped.append(name)
    deadline = time.monotonic() + seconds
    while left := _pods(cluster, namespace, stopped):
        if time.monotonic() > deadline:
            raise EngineError(
                f"These pods have not ended after {seconds:.0f} s: {', '.join(left[:5])}. Nothing was restored.",
                "They are told to end; see what holds them, then restore again.",
            )
        cluster.interruption.sleep(_POLL_SECONDS)
    return stopped


def start(cluster: Cluster, namespace: str, seconds: float, progress: Progress) -> list[str]:
    """Start every Deployment that a restore stopped, as it was, and wait until it is ready; their names.

    A run that is told to stop starts all of them all the same. Raises EngineError where they do not become ready.
    """
    with cluster.interruption.shielded():
        stopped = [
            live
            for live in cluster.list(DEPLOYMENT, namespace)[0]
            if REPLICAS in (live["metadata"].get("annotations") or {})
        ]
        started = [_patch(cluster, live, None, int(live["metadata"]["annotations"][REPLICAS])) for live in stopped]
    if seconds and started:
        try:
            wait(cluster, namespace, started, seconds, progress)
        except EngineError as error:
            error.remedy = "The data is restored and every service was started: `make status` says when they are ready."
            raise
    return [live["metadata"]["name"] for live in stopped]


def _patch(cluster: Cluster, live: Object, annotation: str | None, replicas: int) -> Object:
    metadata = live["metadata"]
    body = {"metadata": {"annotations": {REPLICAS: annotation}}, "spec": {"replicas": replicas}}
    return cluster.patch(DEPLOYMENT, metadata["namespace"], metadata["name"], body, "operator")


def _pods(cluster: Cluster, namespace: str, names: list[str]) -> list[str]:
    if not names:
        return []
    found = cluster.list(POD, namespace, labels=f"app in ({','.join(names)})")[0]
    return [pod["metadata"]["name"] for pod in found if pod["status"].get("phase") not in {"Succeeded", "Failed"}]
