"""Controller side of ``multi_agent.platform.backup``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.backup import jobs, screens
from ..module_utils.engine.cluster import Cluster


class ActionModule(Operation):
    """Makes a backup now, as the schedule would."""

    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "reason": {"type": "str", "default": "asked for"},
        "wait_timeout": {"type": "int", "default": 14400},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Start the Job and wait for its end."""
        namespace = args["namespace"]
        source = jobs.schedule(cluster, namespace, "backup")
        jobs.refuse_beside(cluster, namespace, "No other was made.")
        job = jobs.made_of(source, jobs.Wanted({"REASON": args["reason"]}))
        if self._task.check_mode:
            self.say(f"Would make a backup of namespace {namespace}.")
            return {"changed": True}
        made = jobs.run(cluster, namespace, job, args["wait_timeout"], self.say)["backup"]
        self.say(screens.backup(made))
        return {"changed": True, "backup": made}
