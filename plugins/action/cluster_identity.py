"""Controller side of ``multi_agent.platform.cluster_identity``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..module_utils.ansible.operation import Operation
from ..module_utils.ansible.wiring import SEAT
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.connection import canonical
from ..module_utils.operations import identity


class ActionModule(Operation):
    """Asks the cluster who it is, and refuses another one than the inventory names."""

    # Before commands that write: a server may be away for as long as they bear it.
    ENDS_IN_ORDER = True
    NAMES_CLUSTER = True

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """One request."""
        uid = identity.uid(cluster)
        wanted = str(self.variables.get("platform_cluster_uid") or "")
        identity.refuse_other_cluster(cluster.connection.address, uid, wanted)
        seat = identity.Seat(self.host, canonical(cluster.connection.server), args["namespace"], uid)
        return {"changed": False, SEAT: asdict(seat)}
