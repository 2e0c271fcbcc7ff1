"""Controller side of ``multi_agent.platform.expand_storage``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import expansion


class ActionModule(Operation):
    """Grows the volumes of the stores, as far as can be done before their StatefulSets are made anew."""

    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "sizes": {"type": "dict", "required": True},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Plan all, refuse what cannot be, then grow."""
        namespace = args["namespace"]
        sizes = {str(name): str(size) for name, size in args["sizes"].items()}
        growths = expansion.plan(cluster, namespace, sizes)
        lines = [line for growth in growths for line in growth.lines()]
        if not growths:
            self.say("Every volume has the size that the inventory asks for.")
        elif self._task.check_mode:
            self.say(["Would do:", *(f"  {line}" for line in lines)])
        else:
            self.say(f"  {line}" for line in lines)
            for growth in growths:
                expansion.execute(cluster, namespace, growth)
        restart: list[str] = []
        if growths and args["wait"] and not self._task.check_mode:
            restart = expansion.wait(cluster, namespace, growths, args["wait_timeout"])
            if restart:
                self.warn(f"{', '.join(restart)}: the file system grows when the pod restarts (make restart S=...).")
        return {"changed": bool(growths), "actions": lines, "restart": restart}
