"""Controller side of ``multi_agent.platform.top``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import usage


class ActionModule(Operation):
    """Shows what pods use of what they asked for."""

    SPEC: ClassVar[dict[str, Any]] = {
        "part": {"type": "str"},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Read and print."""
        rows = usage.read(cluster, args["namespace"], args["part"])
        if rows:
            self.say(usage.screen(rows))
        else:
            self.say(f"No pod of {args['part'] or 'any part'} has been measured yet; new pods take a minute.")
        return {"changed": False, "pods": rows}
