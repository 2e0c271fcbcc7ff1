"""Controller side of ``multi_agent.platform.events``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import events


class ActionModule(Operation):
    """Shows events, warnings first, by part."""

    SPEC: ClassVar[dict[str, Any]] = {
        "part": {"type": "str"},
        "since": {"type": "str", "default": ""},
        "limit": {"type": "int", "default": 50},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Read and print."""
        now = datetime.now(UTC)
        found = events.find(cluster, args["namespace"], args["part"], args["since"], now)
        if found:
            self.say(events.screen(found, now, args["limit"]))
        else:
            self.say(f"No events of {args['part'] or 'any part'}; a cluster keeps them for an hour.")
        return {"changed": False, "events": found}
