"""How many pods a component has: an autoscaler's bounds, or a fixed number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problems import Problems
from .reader import Reader

BOUNDS = {"min_replicas": 2, "max_replicas": 10, "cpu": 70, "memory": 80}
KEYS = ("enabled", "replicas", *BOUNDS)
REPLICAS = 2
_MOST = 1000
_FIXED = "{enabled: false, replicas: 2}"


def read(reader: Reader) -> dict[str, Any]:
    """{enabled, min_replicas, max_replicas} and cpu, memory of an autoscaler, or replicas of a fixed number.

    Of a fixed number both bounds are that number.
    """
    scaling = reader.nested("scaling", KEYS)
    enabled = scaling.boolean("enabled", True)
    if not enabled:
        number = scaling.integer("replicas", 1, _MOST, REPLICAS)
        return {"enabled": False, "replicas": number, "min_replicas": number, "max_replicas": number}
    if scaling.has("replicas"):
        reader.problems.add(
            scaling.at("replicas"),
            scaling.raw("replicas"),
            "is set, and the autoscaler owns the number",
            f"Set enabled: false beside it, as in {_FIXED}, or set min_replicas and max_replicas",
        )
    bounds = {name: scaling.integer(name, 1, _MOST, default) for name, default in BOUNDS.items()}
    if bounds["min_replicas"] > bounds["max_replicas"]:
        reader.problems.add(
            scaling.at("min_replicas"),
            bounds["min_replicas"],
            f"is above max_replicas, {bounds['max_replicas']}",
            "Lower it or raise max_replicas",
        )
    return {"enabled": True, **bounds}


def refuse_null(variable: str, entries: Any, problems: Problems) -> None:
    """Note entries whose ``scaling`` is null: it reads as "no autoscaler" and means the default one."""
    if not isinstance(entries, Mapping):
        return
    for name, entry in entries.items():
        if isinstance(entry, Mapping) and "scaling" in entry and entry["scaling"] is None:
            least, most = BOUNDS["min_replicas"], BOUNDS["max_replicas"]
            problems.add(
                f"{variable}.{name}.scaling",
                None,
                f"is null, which means an autoscaler from {least} to {most} replicas",
                f"Write {_FIXED} for a fixed number, or name min_replicas and max_replicas",
            )
