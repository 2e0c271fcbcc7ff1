"""Who owns the number of pods when the manifests stop or start declaring it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .cluster import APPLY, FIELD_MANAGER, Cluster
from .kinds import Kind
from .manifests import Identity
from .ownership import ours

Object = dict[str, Any]

# Owns what the engine gives up until an autoscaler writes it. The engine takes fields from it (conflicts.REPLACED).
MANAGER = f"{FIELD_MANAGER}-replicas"


def keep(cluster: Cluster, kind: Kind, desired: Object, live: Object) -> None:
    """Leave ``spec.replicas`` as it is when ``desired`` stops declaring it.

    A field whose only manager gives it up is removed, and the server's default is one pod.
    https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
    """
    if "replicas" in (desired.get("spec") or {}) or not _declared_before(live):
        return
    metadata = live["metadata"]
    body = {
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"replicas": live["spec"]["replicas"]},
    }
    query = {"fieldManager": MANAGER, "force": "true"}
    cluster.send("PATCH", kind.path(metadata["namespace"], metadata["name"]), query, body, APPLY)


def superseded(going: Iterable[Object], declared: set[Identity]) -> list[Object]:
    """Autoscalers that leave while their workload stays: they go first, or they would change its number again."""
    return [obj for obj in going if obj["kind"] == "HorizontalPodAutoscaler" and _target(obj) in declared]


def _declared_before(live: Object) -> bool:
    return any(
        "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in ours(live["metadata"].get("managedFields"))
    )


def _target(autoscaler: Object) -> Identity:
    target = autoscaler["spec"]["scaleTargetRef"]
    group = str(target.get("apiVersion", "")).rpartition("/")[0]
    return (group, target["kind"], autoscaler["metadata"].get("namespace") or "", target["name"])
