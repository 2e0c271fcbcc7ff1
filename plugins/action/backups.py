"""Controller side of ``multi_agent.platform.backups``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.backup import jobs, screens
from ..module_utils.engine.cluster import Cluster


class ActionModule(Operation):
    """Lists the backups that there are."""

    ENDS_IN_ORDER = True
    SPEC: ClassVar[dict[str, Any]] = {"wait_timeout": {"type": "int", "default": 300}}

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Ask where they are kept."""
        namespace = args["namespace"]
        source = jobs.schedule(cluster, namespace, "restore")
        wanted = jobs.Wanted({}, only="restore", args=("list",))
        found = jobs.ask(cluster, namespace, jobs.made_of(source, wanted, "list"), args["wait_timeout"])
        self.say(screens.listing(found["backups"], datetime.now(UTC)))
        return {"changed": False, "backups": found["backups"]}
