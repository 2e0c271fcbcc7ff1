"""What a rollback does not bring back: a quota below what is in use, and volumes of another size."""

from __future__ import annotations

import copy
from typing import Any

from ..engine.cluster import Cluster
from ..engine.compare import holds
from ..engine.kinds import BUILT_IN
from ..engine.manifests import describe
from ..platform.quantity import QuantityError, parse

Object = dict[str, Any]

_KEPT = frozenset({("v1", "ResourceQuota"), ("v1", "PersistentVolumeClaim"), ("apps/v1", "StatefulSet")})


def keep(cluster: Cluster, obj: Object, *, whole: bool) -> tuple[Object, list[str]]:
    """``obj`` of an earlier release as it can be applied to what is live, and a line for each thing that stays.

    ``whole``: keep all that a quota allows now, not only what is in use, for stores that stay as they are. Raises
    EngineError.
    """
    key = (obj["apiVersion"], obj["kind"])
    if key not in _KEPT:
        return obj, []
    live = cluster.find(BUILT_IN[key], obj["metadata"]["namespace"], obj["metadata"]["name"])
    if live is None:
        return obj, []
    kept = copy.deepcopy(obj)
    if obj["kind"] == "ResourceQuota":
        return kept, _keep_quota(kept, live, whole=whole)
    if obj["kind"] == "PersistentVolumeClaim":
        return kept, _keep_request(kept, live)
    return kept, _keep_templates(kept, live)


def _keep_quota(obj: Object, live: Object, *, whole: bool) -> list[str]:
    hard = obj["spec"].get("hard") or {}
    floors = (live["spec"].get("hard") if whole else (live.get("status") or {}).get("used")) or {}
    why = "as the tiers that stay were given it" if whole else "as so much is in use"
    lines = []
    for name, quantity in hard.items():
        if _less(quantity, floors.get(name)):
            lines.append(f"{describe(obj)} keeps {name} at {floors[name]}, {why}; the release has {quantity}.")
            hard[name] = floors[name]
    return lines


def _keep_request(obj: Object, live: Object) -> list[str]:
    wanted, has = (claim["spec"]["resources"]["requests"] for claim in (obj, live))
    if not _less(wanted["storage"], has["storage"]):
        return []
    line = f"{describe(obj)} keeps {has['storage']}, as a volume cannot shrink; the release has {wanted['storage']}."
    wanted["storage"] = has["storage"]
    return [line]


def _keep_templates(obj: Object, live: Object) -> list[str]:
    templates = obj["spec"].get("volumeClaimTemplates")
    current = live["spec"].get("volumeClaimTemplates")
    if not templates or not current:
        return []
    if len(templates) == len(current) and all(map(holds, templates, current)):
        return []
    obj["spec"]["volumeClaimTemplates"] = [
        {**{key: value for key, value in template.items() if key != "status"}, "metadata": _named(template["metadata"])}
        for template in copy.deepcopy(current)
    ]
    return [f"{describe(obj)} keeps its volumes of {_sizes(current)}; the release has {_sizes(templates)}."]


def _named(metadata: Object) -> Object:
    return {key: metadata[key] for key in ("name", "labels", "annotations") if metadata.get(key)}


def _sizes(templates: list[Object]) -> str:
    return ", ".join(str(template["spec"]["resources"]["requests"]["storage"]) for template in templates)


def _less(one: Any, other: Any) -> bool:
    try:
        return other is not None and parse(one).amount < parse(other).amount
    except QuantityError:
        return False
