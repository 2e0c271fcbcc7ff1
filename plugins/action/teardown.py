"""Controller side of ``multi_agent.platform.teardown``: what no tier holds, volumes and the record of releases."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError
from ..module_utils.operations import releases
from ..module_utils.operations.cluster_view import CLAIM

PART_OF = "app.kubernetes.io/part-of"
POLL_SECONDS = 1.0

Object = dict[str, Any]


class ActionModule(Operation):
    """Lists the volumes, and deletes those that are named and the releases if they are to go."""

    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "inspect": {"type": "bool", "default": False},
        "claims": {"type": "list", "elements": "str", "default": []},
        "releases": {"type": "bool", "default": False},
        "wait_timeout": {"type": "int", "default": 120},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Refuse names that are not the platform's before anything is deleted."""
        namespace = args["namespace"]
        every = {claim["metadata"]["name"]: claim for claim in cluster.list(CLAIM, namespace)[0]}
        own = sorted(name for name, claim in every.items() if _ours(claim))
        if args["inspect"] or self._task.check_mode:
            return {"changed": False, "claims": own, "foreign": sorted(every.keys() - set(own))}
        named = sorted(every.keys() & set(args["claims"]))
        if foreign := [name for name in named if name not in own]:
            raise EngineError(
                f"Claims {', '.join(foreign)} in namespace {namespace} lack the label {PART_OF}=multi-agent-platform: "
                "they are not the platform's. None was deleted.",
                "Take them out of platform_prune_data; if they are to go, delete them by hand.",
            )
        gone = [name for name in named if cluster.delete(CLAIM, namespace, name, uid=every[name]["metadata"]["uid"])]
        self._wait(cluster, namespace, gone, args["wait_timeout"])
        forgotten = releases.forget(cluster, namespace) if args["releases"] else 0
        return {"changed": bool(gone or forgotten), "claims": gone, "foreign": []}

    def _wait(self, cluster: Cluster, namespace: str, names: list[str], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while left := [name for name in names if cluster.find(CLAIM, namespace, name)]:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"Claims {', '.join(left)} are still being deleted after {seconds:.0f} s.",
                    "A pod may still use them: `kubectl describe pvc` says which. They go with it.",
                )
            cluster.interruption.sleep(POLL_SECONDS)


def _ours(claim: Object) -> bool:
    return (claim["metadata"].get("labels") or {}).get(PART_OF) == "multi-agent-platform"
