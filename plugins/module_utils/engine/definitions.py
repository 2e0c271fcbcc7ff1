"""Custom resources that come in one run with their definition: when their kind can be used.

A definition that was accepted is first established, and then appears in the server's discovery, each a moment later.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from .cluster import Cluster
from .errors import EngineError
from .kinds import BUILT_IN
from .manifests import describe
from .readiness import readiness

Object = dict[str, Any]

DEFINITION = BUILT_IN["apiextensions.k8s.io/v1", "CustomResourceDefinition"]
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.1


def promised(objects: Iterable[Object]) -> set[tuple[str, str]]:
    """The kinds, each with its API version, that the definitions among ``objects`` make the server serve."""
    return {
        (f"{obj['spec']['group']}/{version['name']}", obj["spec"]["names"]["kind"])
        for obj in objects
        if obj["kind"] == DEFINITION.kind
        for version in obj["spec"]["versions"]
        if version.get("served", True)
    }


def await_served(cluster: Cluster, definitions: Iterable[Object]) -> None:
    """Return when objects of ``definitions`` (as their writes were answered) can be sent.

    Raises EngineError where the server takes too long.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for definition in definitions:
        _await_established(cluster, definition, deadline)
        for api_version, kind in sorted(promised([definition])):
            while not cluster.kinds.find(api_version, kind):
                if time.monotonic() > deadline:
                    raise EngineError(
                        f"{kind} of {api_version} was not served within {_PATIENCE_SECONDS:.0f} s, "
                        f"though {describe(definition)} is established.",
                        "See what the server serves with `kubectl api-resources`, then run again.",
                    )
                cluster.interruption.sleep(_POLL_SECONDS)
                cluster.kinds.forget()


def _await_established(cluster: Cluster, definition: Object, deadline: float) -> None:
    live: Object | None = definition
    while not (live and readiness(live).ready):
        if time.monotonic() > deadline:
            raise EngineError(
                f"{describe(definition)} was not established within {_PATIENCE_SECONDS:.0f} s.",
                "See its conditions: kubectl describe crd " + definition["metadata"]["name"],
            )
        cluster.interruption.sleep(_POLL_SECONDS)
        live = cluster.find(DEFINITION, None, definition["metadata"]["name"])
