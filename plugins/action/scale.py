"""Controller side of ``multi_agent.platform.scale``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.ansible.progress import Progress
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.manifests import describe
from ..module_utils.operations import workloads
from ..module_utils.operations.cluster_view import named


class ActionModule(Operation):
    """Sets the number of pods of a part that no autoscaler owns."""

    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "part": {"type": "str"},
        "replicas": {"type": "int"},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Scale, and wait until the pods are ready."""
        namespace, check = args["namespace"], self._task.check_mode
        part, replicas = named(cluster, namespace, args["part"]), args["replicas"]
        if replicas is None:
            raise EngineError("No number of pods was given.", "N=3 with make, -e replicas=3 with ansible-playbook.")
        before = workloads.chosen(cluster, namespace, part)[0]
        workloads.scale(cluster, namespace, part, replicas, check=check)
        now = before["spec"].get("replicas", 1)
        self.say(f"{describe(before)}: {now} -> {replicas} pods{' (not done: check mode)' if check else ''}.")
        if args["wait"] and not check:
            after = workloads.chosen(cluster, namespace, part)
            workloads.wait(cluster, namespace, after, args["wait_timeout"], Progress("scale", check).waits)
        return {"changed": now != replicas, "replicas": replicas}
