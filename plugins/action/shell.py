"""Controller side of ``multi_agent.platform.shell``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError
from ..module_utils.operations import shell, streams
from ..module_utils.operations.cluster_view import named
from ..module_utils.operations.pods import running


class ActionModule(Operation):
    """Opens a shell in a pod of a part, or runs a command there."""

    SPEC: ClassVar[dict[str, Any]] = {
        "part": {"type": "str"},
        "command": {"type": "list", "elements": "str", "default": []},
        "terminal": {"type": "path"},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Interact where a terminal is given, else run the command."""
        pod = running(cluster, args["namespace"], named(cluster, args["namespace"], args["part"]))
        if not args["command"] and not args["terminal"]:
            raise EngineError(
                "A shell needs a terminal, and there is none.",
                "Run `make shell S=...` in one, or give a command: CMD='ls /'.",
            )
        name = pod["metadata"]["name"]
        if args["command"]:
            stream = streams.command(cluster, args["namespace"], pod, args["command"], terminal=False)
            code, message = shell.run(stream, self.say)
        else:
            self.say(f"Shell in pod {name}; exit or Ctrl-D leaves it.")
            stream = streams.command(cluster, args["namespace"], pod, ["/bin/sh"], terminal=True)
            # Exit codes of an interactive shell are those of its last command, no failure of this one.
            code, message = 0, shell.interact(stream, args["terminal"])[1]
        failed = f"In pod {name}: {message}" if message else ""
        return {"changed": True, "pod": name, "rc": code, "failed": code != 0, "msg": failed}
