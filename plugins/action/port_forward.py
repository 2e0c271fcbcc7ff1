"""Controller side of ``multi_agent.platform.port_forward``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import forward


class ActionModule(Operation):
    """Forwards ports of parts to this machine until it is interrupted."""

    SPEC: ClassVar[dict[str, Any]] = {
        "ports": {"type": "dict", "required": True},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Take the ports, say where they lead, serve."""
        ports = {
            str(part): forward.port_number(f"port_forward_ports.{part}", port, least=0)
            for part, port in args["ports"].items()
        }
        forwards = forward.plan(cluster, args["namespace"], ports)
        taken = forward.listen(forwards)
        self.say(f"{f.part}: {forward.ADDRESS}:{f.local} -> port {f.remote}" for f in forwards)
        self.say("Forwarding; Ctrl-C ends it.")
        for thread in forward.serve(cluster, args["namespace"], taken, self.say):
            thread.join()
        return {"changed": False}
