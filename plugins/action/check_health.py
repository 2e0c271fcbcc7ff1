"""Controller side of ``multi_agent.platform.check_health``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import cluster_view, health, shortfalls, status
from ..module_utils.operations.screen import count


class ActionModule(Operation):
    """Says whether the platform is well, and if not, what is wrong and what to do."""

    NAMES_CLUSTER = True

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Fails where anything is wrong."""
        now = datetime.now(UTC)
        state = status.read(cluster, args["namespace"], self.secret())
        if not state.workloads:
            raise cluster_view.nothing_there(args["namespace"])
        found = list(health.problems(state, now))
        if not found:
            well = f"{self.here}: healthy, all {len(state.workloads)} workloads are ready."
            self.say([well, *shortfalls.not_looked_at(state.hidden)])
            return {"changed": False, "problems": []}
        self.say([f"{self.here}: {count(len(found), 'problem')}", *health.screen(found)])
        return {
            "changed": False,
            "failed": True,
            "msg": f"{count(len(found), 'problem')}, see above.",
            "problems": [{"problem": what, "remedy": todo} for what, todo in found],
        }
