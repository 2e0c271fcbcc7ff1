"""How full volumes are: what the kubelets of their pods' nodes say, through the API server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..engine.cluster import Cluster
from ..engine.transport import Disconnected, Untrusted
from .cluster_view import PLATFORM, POD

# A node that does not answer must not hold the screen up.
_SECONDS = 1.0


def used(cluster: Cluster, namespace: str) -> dict[str, tuple[int, int]]:
    """Claim -> bytes used and bytes of capacity; without those that no kubelet tells of, or that this user may not see.

    https://kubernetes.io/docs/reference/instrumentation/node-metrics/#summary-api-source
    """
    nodes = {
        pod["spec"].get("nodeName")
        for pod in cluster.list(POD, namespace, labels=PLATFORM)[0]
        if any("persistentVolumeClaim" in v for v in pod["spec"].get("volumes") or [])
    } - {None}
    found: dict[str, tuple[int, int]] = {}
    if not nodes:
        return found
    with ThreadPoolExecutor(min(8, len(nodes))) as pool:
        for summary in pool.map(lambda node: _summary(cluster, str(node)), sorted(map(str, nodes))):
            for pod in summary.get("pods") or []:
                for volume in pod.get("volume") or []:
                    claim = volume.get("pvcRef") or {}
                    if claim.get("namespace") == namespace and "usedBytes" in volume:
                        found[claim["name"]] = (int(volume["usedBytes"]), int(volume.get("capacityBytes") or 0))
    return found


def _summary(cluster: Cluster, node: str) -> Mapping[str, Any]:
    try:
        response = cluster.transport.request("GET", f"/api/v1/nodes/{node}/proxy/stats/summary", read_seconds=_SECONDS)
        answer: Mapping[str, Any] = json.loads(response.data) if response.status == 200 else {}
    except (Disconnected, Untrusted, ValueError):
        return {}
    return answer
