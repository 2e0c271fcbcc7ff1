"""Controller side of ``multi_agent.platform.logs``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import logs


class ActionModule(Operation):
    """Shows the logs of a part, or of all, in one stream."""

    SPEC: ClassVar[dict[str, Any]] = {
        "part": {"type": "str"},
        "follow": {"type": "bool", "default": False},
        "since": {"type": "str", "default": ""},
        "tail": {"type": "int", "default": 100},
        "previous": {"type": "bool", "default": False},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Print what there is, or follow until interrupted."""
        wanted = logs.Wanted(args["tail"], args["since"], args["previous"])
        if args["follow"]:
            logs.Follower(cluster, args["namespace"], args["part"], wanted, self.say).run()
            return {"changed": False}
        lines = list(logs.read(cluster, args["namespace"], args["part"], wanted))
        self.say(lines or f"No log lines of {args['part'] or 'any part'} in namespace {args['namespace']}.")
        return {"changed": False, "lines": len(lines)}
