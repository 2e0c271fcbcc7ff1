"""Controller side of ``multi_agent.platform.restart``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.ansible.progress import Progress
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.manifests import describe
from ..module_utils.operations import workloads
from ..module_utils.operations.cluster_view import named


class ActionModule(Operation):
    """Replaces the pods of a part one by one."""

    ENDS_IN_ORDER = True
    SPEC: ClassVar[dict[str, Any]] = {
        "part": {"type": "str"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Restart, and wait until the new pods are ready."""
        part = named(cluster, args["namespace"], args["part"])
        namespace, check = args["namespace"], self._task.check_mode
        chosen = workloads.chosen(cluster, namespace, part)
        objects = workloads.restart(cluster, namespace, chosen, check=check)
        names = ", ".join(describe(obj) for obj in chosen)
        if check:
            self.say(f"Would restart {names}.")
            return {"changed": True, "objects": names}
        self.say(f"Restarting {names}.")
        if args["wait"]:
            workloads.wait(cluster, namespace, objects, args["wait_timeout"], Progress("restart", check).waits)
            self.say("All pods are new and ready.")
        return {"changed": True, "objects": names}
