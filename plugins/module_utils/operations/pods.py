"""Pods of a part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from .cluster_view import NAME, PLATFORM, POD, nothing_there, workload

Object = dict[str, Any]


def of_part(cluster: Cluster, namespace: str, part: str | None) -> list[Object]:
    """The pods of a part, of the whole platform where none is named; by name.

    Raises EngineError for a part that there is not.
    """
    labels = PLATFORM
    if part:
        selector = workload(cluster, namespace, part)["spec"]["selector"]["matchLabels"]
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
    found = cluster.list(POD, namespace, labels=labels)[0]
    if not found and not part:
        raise nothing_there(namespace)
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def running(cluster: Cluster, namespace: str, part: str) -> Object:
    """A pod of ``part`` to talk to: a ready one before one that only runs. Raises EngineError where none runs."""
    pods = [pod for pod in of_part(cluster, namespace, part) if not pod["metadata"].get("deletionTimestamp")]
    pods = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
    if not pods:
        raise EngineError(
            f"No pod of {part} runs in namespace {namespace}.",
            f"`make check-health` says why; or `make logs S={part}`.",
        )
    return max(pods, key=is_ready)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's readiness probe passes."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def part_of(obj: Mapping[str, Any]) -> str:
    """The part that an object belongs to, by its label; empty where it has none."""
    return str((obj["metadata"].get("labels") or {}).get(NAME, ""))


def container(pod: Mapping[str, Any]) -> str:
    """The container that does a pod's work: the first."""
    return str(pod["spec"]["containers"][0]["name"])
