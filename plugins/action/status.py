"""Controller side of ``multi_agent.platform.status``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import cluster_view, status


class ActionModule(Operation):
    """Shows the state of the platform on one screen."""

    NAMES_CLUSTER = True

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Read everything at once, then print it."""
        state = status.read(cluster, args["namespace"], self.secret())
        if not state.workloads:
            raise cluster_view.nothing_there(args["namespace"])
        lines = status.screen(state, self.host, cluster.connection.address, args["namespace"], datetime.now(UTC))
        self.say(lines)
        return {"changed": False, **state.data()}
