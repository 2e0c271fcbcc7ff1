"""Gates: Jobs that must have succeeded before any workload of their tier is written, such as a migration of a schema.

A Job says so of itself by an annotation that names the workload it opens the way for. Its name has to change with
what it does: a gate that has been passed is never written again, whatever else of it changes, and one that failed is
made anew. Those of earlier versions stay as the record that they ran: going back to such a version runs none again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import kinds
from .errors import EngineError
from .manifests import Identity, describe
from .readiness import State, readiness

Object = Mapping[str, Any]

GATE = "multi-agent.platform/gate"
WAVE = kinds.WAVES.index("gates")
# Passed gates of earlier versions that are kept for each workload.
HISTORY = 5
# Seconds that a gate's pod may need beside its own deadline: for a node, its image and its volumes.
START_SECONDS = 300.0
# Lines of its log that are shown where one fails.
LOG_LINES = 50


def is_job(obj: Object) -> bool:
    """Whether ``obj`` is a Job of Kubernetes, not of another group that has a kind of this name."""
    return bool(obj["kind"] == "Job" and obj["apiVersion"].startswith("batch/"))


def workload_of(obj: Object) -> str:
    """Name of the workload that ``obj`` is a gate of; empty where it is none."""
    if not is_job(obj):
        return ""
    return str((obj["metadata"].get("annotations") or {}).get(GATE, ""))


def wave(obj: Object) -> int:
    """The index into ``kinds.WAVES``."""
    return WAVE if workload_of(obj) else kinds.wave(obj["kind"])


def has_failed(live: Object) -> bool:
    """Whether ``live`` is a Job that has failed for good: only a new one tries again."""
    return is_job(live) and readiness(live).state is State.FAILED


def patience(gates: Iterable[Object]) -> float:
    """Seconds to wait for gates: what the slowest allows itself, with every try that it has."""

    def longest(gate: Object) -> float:
        spec = gate["spec"]
        each = spec["template"]["spec"].get("activeDeadlineSeconds") or START_SECONDS
        return float(each) * (int(spec.get("backoffLimit", 6)) + 1)

    return START_SECONDS + max(map(longest, gates), default=0.0)


def history(stale: Iterable[Object], declared: Iterable[Identity]) -> set[str]:
    """Names of undeclared gates that stay: the newest that were passed, of workloads that are still declared."""
    workloads = _workloads(declared)
    passed: dict[str, list[Object]] = {}
    for obj in stale:
        workload = workload_of(obj)
        if workload in workloads and readiness(obj).ready:
            passed.setdefault(workload, []).append(obj)
    return {
        gate["metadata"]["name"]
        for gates in passed.values()
        for gate in sorted(gates, key=_completed, reverse=True)[:HISTORY]
    }


def stuck(stale: Iterable[dict[str, Any]], declared: Iterable[Identity]) -> list[dict[str, Any]]:
    """Undeclared gates that have not finished, and whose pods do not run: they must go before their successors come.

    Raises EngineError where one is at work: stopping it half-way is nobody's to decide, and two must not run at once.
    """
    workloads = _workloads(declared)
    found = [obj for obj in stale if workload_of(obj) in workloads and readiness(obj).state is State.IN_PROGRESS]
    running = [obj for obj in found if (obj.get("status") or {}).get("ready")]
    if running:
        names = ", ".join(describe(obj) for obj in running)
        first = running[0]["metadata"]
        raise EngineError(
            f"{names} of an earlier run is still at work. Nothing was written.",
            f"Wait until it ends (kubectl wait --for=condition=Complete job/{first['name']} -n {first['namespace']}), "
            "then run again.",
        )
    return found


def _workloads(declared: Iterable[Identity]) -> set[str]:
    return {name for _, kind, _, name in declared if kind != "Job"}


def _completed(gate: Object) -> str:
    return str((gate.get("status") or {}).get("completionTime") or "")
