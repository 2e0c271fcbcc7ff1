"""What pods use of what they asked for (the API metrics.k8s.io of metrics-server)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import ApiError, EngineError
from ..engine.kinds import Kind
from ..platform.quantity import parse
from .cluster_view import PLATFORM
from .pods import of_part, part_of
from .screen import size, table

METRICS = Kind("metrics.k8s.io/v1beta1", "PodMetrics", "pods", True)


def read(cluster: Cluster, namespace: str, part: str | None) -> list[dict[str, Any]]:
    """A row a pod: CPU in millicores, memory in bytes, and what it requested and may take. Highest CPU first.

    Raises EngineError.
    """
    pods = {pod["metadata"]["name"]: pod for pod in of_part(cluster, namespace, part)}
    try:
        metrics = cluster.list(METRICS, namespace, labels=PLATFORM)[0]
    except ApiError as error:
        if error.status in {404, 503}:
            raise EngineError(
                "The cluster does not measure its pods: it serves no metrics.k8s.io.",
                "Install metrics-server (autoscalers need it too): https://github.com/kubernetes-sigs/metrics-server",
            ) from error
        raise
    rows = [_row(metric, pods[metric["metadata"]["name"]]) for metric in metrics if metric["metadata"]["name"] in pods]
    return sorted(rows, key=lambda row: -float(row["cpu"]))


def _row(metric: Mapping[str, Any], pod: Mapping[str, Any]) -> dict[str, Any]:
    used = [container["usage"] for container in metric["containers"]]
    return {
        "part": part_of(pod),
        "pod": pod["metadata"]["name"],
        "cpu": 1000 * sum(_amount(usage.get("cpu")) for usage in used),
        "memory": sum(_amount(usage.get("memory")) for usage in used),
        "cpu_request": 1000 * _sum(pod, "requests", "cpu"),
        "memory_request": _sum(pod, "requests", "memory"),
        "memory_limit": _sum(pod, "limits", "memory"),
    }


def _sum(pod: Mapping[str, Any], what: str, resource: str) -> float:
    resources = [container.get("resources") or {} for container in pod["spec"]["containers"]]
    return sum(_amount((entry.get(what) or {}).get(resource)) for entry in resources)


def _amount(quantity: Any) -> float:
    return float(parse(str(quantity)).amount) if quantity else 0.0


def screen(rows: list[dict[str, Any]]) -> list[str]:
    """A table, with shares of request and limit."""
    return table(
        ("PART", "POD", "CPU", "OF REQUEST", "MEMORY", "OF REQUEST", "OF LIMIT"),
        [
            (
                row["part"],
                row["pod"],
                f"{row['cpu']:.0f}m",
                _share(row["cpu"], row["cpu_request"]),
                size(row["memory"]),
                _share(row["memory"], row["memory_request"]),
                _share(row["memory"], row["memory_limit"]),
            )
            for row in rows
        ],
    )


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}%" if whole else ""
