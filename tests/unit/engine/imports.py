"""The engine's modules under short names."""

from ansible_collections.multi_agent.platform.plugins.module_utils.engine import (
    applyset,
    cluster,
    compare,
    config,
    conflicts,
    diagnosis,
    diff,
    errors,
    kinds,
    manifests,
    ownership,
    prune,
    readiness,
    render,
    retry,
    tier,
    waiter,
)
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import FIELD_MANAGER

__all__ = [
    "FIELD_MANAGER",
    "applyset",
    "cluster",
    "compare",
    "config",
    "conflicts",
    "diagnosis",
    "diff",
    "errors",
    "kinds",
    "manifests",
    "ownership",
    "prune",
    "readiness",
    "render",
    "retry",
    "tier",
    "waiter",
]
