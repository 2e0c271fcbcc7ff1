"""Events of the platform: warnings first, by part, the newest last seen on top."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ..engine.cluster import Cluster
from ..engine.kinds import BUILT_IN
from .cluster_view import NAME, WORKLOADS, read, workload
from .duration import seconds
from .screen import age, moment, table

Object = dict[str, Any]

EVENT = BUILT_IN["v1", "Event"]


def find(cluster: Cluster, namespace: str, part: str | None, since: str, now: datetime) -> list[dict[str, Any]]:
    """Events of a part, or of all: warnings first, then by part, the newest first. Raises EngineError."""
    oldest = seconds(since) if since else None
    if part:
        parts = {workload(cluster, namespace, part)["metadata"]["name"]: part}
    else:
        every = read(cluster, namespace, WORKLOADS)
        parts = {
            obj["metadata"]["name"]: obj["metadata"]["labels"].get(NAME, obj["metadata"]["name"])
            for objects in every.values()
            for obj in objects
        }
    found = []
    for event in cluster.list(EVENT, namespace)[0]:
        entry = _entry(event, parts)
        if part and not entry["part"]:
            continue
        last = moment(entry["last"])
        if oldest is not None and (last is None or (now - last).total_seconds() > oldest):
            continue
        found.append(entry)
    found.sort(key=lambda entry: entry["last"], reverse=True)
    found.sort(key=lambda entry: (entry["type"] != "Warning", entry["part"]))
    return found


def _entry(event: Object, parts: dict[str, str]) -> dict[str, Any]:
    about = event["involvedObject"]
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return {
        "type": event.get("type", ""),
        "part": _part(str(about.get("name", "")), parts),
        "object": f"{about.get('kind', '')} {about.get('name', '')}",
        "reason": event.get("reason", ""),
        "message": " ".join(str(event.get("message", "")).split()),
        "count": int(series.get("count") or event.get("count") or 1),
        "last": str(last or event["metadata"].get("creationTimestamp") or ""),
    }


def _part(name: str, parts: dict[str, str]) -> str:
    """Objects that controllers make for a workload begin with its name; claims of a StatefulSet end with its pod's."""
    owners = [owner for owner in parts if re.search(rf"^{re.escape(owner)}(-|$)|-{re.escape(owner)}-\d+$", name)]
    return parts[max(owners, key=len)] if owners else ""


def screen(found: Iterable[dict[str, Any]], now: datetime, limit: int) -> list[str]:
    """A table of the first ``limit`` events."""
    rows = [
        (e["type"], e["part"], age(e["last"], now), f"{e['count']}x", e["object"], e["reason"], e["message"])
        for e in found
    ]
    lines = table(("TYPE", "PART", "AGE", "COUNT", "OBJECT", "REASON", "MESSAGE"), rows[:limit])
    return [*lines, f"... and {len(rows) - limit} more"] if len(rows) > limit else lines
