"""Stopping what writes to the stores, and the schedule of backups, while they are restored; starting all as it was.

How it was is written on each Deployment and on the CronJob before they stop, so that a restore that was interrupted is
ended by the next one, or by a restart. An autoscaler leaves a Deployment of 0 pods alone.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..engine import halted
from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..operations.cluster_view import CRON_JOB, DEPLOYMENT, POD, list_if_allowed
from ..operations.workloads import Progress, wait

Object = dict[str, Any]

REPLICAS, SUSPEND = halted.REPLICAS, halted.SUSPEND
# What makes backups on schedule, and lets old ones go.
SCHEDULE = "backup"
WAY_OUT = (
    "a restore that is under way starts it at its end; after one that broke off restore again, or start it with the "
    "data that is there: `make restart S=all`"
)
_POLL_SECONDS = 1.0


def pods_before(live: Mapping[str, Any]) -> int:
    """How many pods a Deployment had that a restore stopped; 0 where none did, or somebody has started it since."""
    return int(_annotation(live, REPLICAS) or 0) if _pods_now(live) == 0 else 0


def is_suspended(cron_job: Mapping[str, Any]) -> bool:
    """Whether a restore has suspended a CronJob."""
    return bool(_annotation(cron_job, SUSPEND))


def suspended(cluster: Cluster, namespace: str) -> bool:
    """Whether a restore has suspended the schedule of backups; no where this user may not see that."""
    found = list_if_allowed(cluster, CRON_JOB, namespace, fields=f"metadata.name={SCHEDULE}")
    return any(is_suspended(live) for live in found)


def stopped(cluster: Cluster, namespace: str) -> set[str]:
    """Names of the Deployments that a restore has stopped, and nobody has started since."""
    return {str(live["metadata"]["name"]) for live in _marked(cluster, namespace) if pods_before(live)}


def stop(cluster: Cluster, namespace: str, names: Iterable[str], seconds: float) -> list[str]:
    """Let no backup be scheduled, and no pod of these Deployments run; those that there are.

    Raises EngineError where pods stay.
    """
    _suspend(cluster, namespace)
    there = []
    for name in names:
        live = cluster.find(DEPLOYMENT, namespace, name)
        if live is None:
            continue
        _patch(cluster, live, str(pods_before(live) or _pods_now(live)), 0)
        there.append(name)
    deadline = time.monotonic() + seconds
    while left := _pods(cluster, namespace, there):
        if time.monotonic() > deadline:
            raise EngineError(
                f"These pods have not ended after {seconds:.0f} s: {', '.join(left[:5])}. Nothing was restored.",
                "They are told to end; see what holds them, then restore again.",
            )
        cluster.interruption.sleep(_POLL_SECONDS)
    return there


def start(cluster: Cluster, namespace: str, seconds: float, progress: Progress) -> list[str]:
    """Start everything that a restore stopped, as it was, and wait until it is ready; names of the Deployments.

    A run that is told to stop starts all of them all the same. Raises EngineError where they do not become ready.
    """
    with cluster.interruption.shielded():
        started = release(cluster, namespace, _marked(cluster, namespace))
    if seconds and started:
        try:
            wait(cluster, namespace, started, seconds, progress)
        except EngineError as error:
            error.remedy = "The data is restored and every service was started: `make status` says when they are ready."
            raise
    return [live["metadata"]["name"] for live in started]


def undo(cluster: Cluster, namespace: str, before: Collection[str]) -> list[str]:
    """Start what a restore stopped, but for what was stopped ``before`` it by another; names. Raises EngineError.

    A run that is told to stop starts all of them all the same.
    """
    with cluster.interruption.shielded():
        own = [live for live in _marked(cluster, namespace) if live["metadata"]["name"] not in before]
        return [live["metadata"]["name"] for live in release(cluster, namespace, own)]


def release(cluster: Cluster, namespace: str, deployments: Iterable[Object]) -> list[Object]:
    """Start Deployments that a restore stopped; these as they are now. With the last, backups are scheduled again.

    A run that is told to stop starts all of them all the same. Raises EngineError.
    """
    with cluster.interruption.shielded():
        try:
            started = [_patch(cluster, live, None, pods_before(live) or _pods_now(live)) for live in deployments]
            if not stopped(cluster, namespace):
                _resume(cluster, namespace)
        except EngineError as error:
            error.remedy = f"{error.remedy}\nWhat is still stopped is started by `make restart S=all`.".lstrip()
            raise
    return started


def _marked(cluster: Cluster, namespace: str) -> list[Object]:
    return [live for live in cluster.list(DEPLOYMENT, namespace)[0] if _annotation(live, REPLICAS)]


def _suspend(cluster: Cluster, namespace: str) -> None:
    live = cluster.find(CRON_JOB, namespace, SCHEDULE)
    if live and not is_suspended(live):
        before = "true" if live["spec"].get("suspend") else "false"
        _patch_schedule(cluster, namespace, before, suspend=True)


def _resume(cluster: Cluster, namespace: str) -> None:
    live = cluster.find(CRON_JOB, namespace, SCHEDULE)
    if live and is_suspended(live):
        _patch_schedule(cluster, namespace, None, suspend=_annotation(live, SUSPEND) == "true")


def _patch_schedule(cluster: Cluster, namespace: str, annotation: str | None, *, suspend: bool) -> None:
    body = {"metadata": {"annotations": {SUSPEND: annotation}}, "spec": {"suspend": suspend}}
    cluster.patch(CRON_JOB, namespace, SCHEDULE, body, "operator")


def _pods_now(live: Mapping[str, Any]) -> int:
    return int(live["spec"].get("replicas", 1))


def _annotation(live: Mapping[str, Any], name: str) -> str:
    return str((live["metadata"].get("annotations") or {}).get(name) or "")


def _patch(cluster: Cluster, live: Object, annotation: str | None, replicas: int) -> Object:
    metadata = live["metadata"]
    body = {"metadata": {"annotations": {REPLICAS: annotation}}, "spec": {"replicas": replicas}}
    # The zero of a restore is nobody's to take over, see engine/conflicts.py: a run would start what it has stopped.
    writer = "operator" if replicas else "restore"
    return cluster.patch(DEPLOYMENT, metadata["namespace"], metadata["name"], body, writer)


def _pods(cluster: Cluster, namespace: str, names: list[str]) -> list[str]:
    if not names:
        return []
    found = cluster.list(POD, namespace, labels=f"app in ({','.join(names)})")[0]
    return [pod["metadata"]["name"] for pod in found if pod["status"].get("phase") not in {"Succeeded", "Failed"}]
