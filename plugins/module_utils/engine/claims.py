"""Claims of StatefulSets remember the image that last served their data.

A claim outlives its pods and its StatefulSet, so what it says tells which version wrote the data, whatever a run has
declared since and failed to start. The StatefulSet remembers its generation as recorded, so that a run without changes
writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .cluster import Cluster
from .errors import ApiError, EngineError
from .kinds import BUILT_IN
from .manifests import describe

Object = dict[str, Any]

LAST_READY_IMAGE = "multi-agent.platform/last-ready-image"
RECORDED = "multi-agent.platform/recorded-generation"
CLAIM = BUILT_IN["v1", "PersistentVolumeClaim"]
STATEFUL_SET = BUILT_IN["apps/v1", "StatefulSet"]
_WRITER = "data"


def record(cluster: Cluster, ready: Iterable[Object], say: Callable[[str], None]) -> None:
    """Note the images of those StatefulSets among ``ready`` whose claims do not have them. No failure of a run."""
    for obj in ready:
        if obj["kind"] != "StatefulSet" or not obj["spec"].get("volumeClaimTemplates"):
            continue
        generation = str(obj["metadata"].get("generation", ""))
        if (obj["metadata"].get("annotations") or {}).get(RECORDED) == generation or not _rolled_out(obj):
            continue
        try:
            _record(cluster, obj, generation)
        except EngineError as error:
            if cluster.interruption.told:
                return
            say(f"{describe(obj)}: its image could not be recorded at its volumes: {error.message}")


def _record(cluster: Cluster, obj: Object, generation: str) -> None:
    namespace, name = obj["metadata"].get("namespace"), obj["metadata"]["name"]
    first = (obj["spec"].get("ordinals") or {}).get("start") or 0
    for template, image in _images(obj).items():
        body = {"metadata": {"annotations": {LAST_READY_IMAGE: image}}}
        for ordinal in range(first, first + obj["spec"].get("replicas", 1)):
            try:
                cluster.patch(CLAIM, namespace, f"{template}-{name}-{ordinal}", body, _WRITER)
            except ApiError as error:
                if error.status != 404:
                    raise
    cluster.patch(STATEFUL_SET, namespace, name, {"metadata": {"annotations": {RECORDED: generation}}}, _WRITER)


def _images(obj: Object) -> dict[str, str]:
    """Claim template -> image of the first container that mounts it."""
    templates = {template["metadata"]["name"] for template in obj["spec"]["volumeClaimTemplates"]}
    found: dict[str, str] = {}
    for container in obj["spec"]["template"]["spec"]["containers"]:
        for mount in container.get("volumeMounts") or []:
            if mount["name"] in templates:
                found.setdefault(mount["name"], container["image"])
    return found


def _rolled_out(obj: Object) -> bool:
    """Whether every pod is of the current revision: under OnDelete or a partition some may serve an earlier one."""
    status = obj.get("status") or {}
    return bool(status.get("updatedReplicas", 0) >= obj["spec"].get("replicas", 1))
