"""Controller side of ``multi_agent.platform.restore_drill``."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.backup import jobs, screens
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError
from ..module_utils.operations import report


class ActionModule(Operation):
    """Restores a backup into stores of its own, compares it, and reports RPO and RTO."""

    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "backup": {"type": "str", "default": "latest"},
        "wait_timeout": {"type": "int", "default": 14400},
        "report": {"type": "path"},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Start the Job and wait for its end."""
        namespace = args["namespace"]
        source = jobs.schedule(cluster, namespace, "restore-drill")
        if running := jobs.under_way(cluster, namespace, "restore-drill"):
            raise EngineError(f"A drill is under way already, by Job {running}.", "Wait for it, or read its log.")
        if self._task.check_mode:
            self.say(f"Would restore backup {args['backup']} into stores of its own.")
            return {"changed": False}
        begin = time.monotonic()
        job = jobs.made_of(source, jobs.Wanted({"FROM": args["backup"]}))
        done = jobs.run(cluster, namespace, job, args["wait_timeout"], self.say)
        jobs.delete(cluster, namespace, job["metadata"]["name"])  # and with it the stores and their volume
        done["rto_with_start_seconds"] = round(time.monotonic() - begin, 1)
        self.say(screens.drill(done, done["rto_with_start_seconds"]))
        if args["report"]:
            report.write(args["report"], done)
        return {"changed": False, "drill": done}
