"""Controller side of ``multi_agent.platform.dev``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from ..module_utils.ansible.connection import say_where
from ..module_utils.ansible.images import SPEC, request
from ..module_utils.ansible.variables import Variables
from ..module_utils.engine.errors import EngineError
from ..module_utils.operations.forward import port_number
from ..module_utils.platform.problems import suggest
from .images import ActionModule as Images


class ActionModule(Images):
    """Writes what the inner loop needs to know; asks no cluster and builds nothing."""

    _OPTIONS: ClassVar[dict[str, Any]] = {
        **SPEC,
        "ports": {"type": "dict", "required": True},
        "description": {"type": "path", "required": True},
    }

    def _work(self, args: dict[str, Any], variables: Variables) -> dict[str, Any]:
        hosts = variables.resolve("ansible_play_hosts_all")
        if len(hosts) != 1:
            raise EngineError(
                f"The inner loop works on one cluster, and {len(hosts)} were chosen: {', '.join(hosts)}.",
                "Choose one: ARGS='--limit NAME'.",
            )
        wanted = request(args, variables)
        # What cannot be built is said before anything else happens.
        if not any(build.parts for build in wanted.builds()):
            raise EngineError(
                "platform_image_overrides gives the image of every part: there is nothing to build or watch.",
                "Take those out of it that you work on.",
            )
        catalogue = variables.resolve("__platform_catalogue")
        connection: dict[str, Any] = {}
        say_where(connection, variables.get)
        description = {
            "request": asdict(wanted),
            "namespace": variables.resolve("platform_namespace"),
            "connection": connection,
            "ports": _ports(args["ports"], catalogue),
        }
        path = Path(args["description"])
        try:
            path.write_text(json.dumps(description))
        except OSError as error:
            raise EngineError(f"dev_description = {path} cannot be written: {error.strerror}.") from None
        return {"changed": True}


def _ports(ports: dict[str, Any], catalogue: dict[str, Any]) -> list[dict[str, Any]]:
    """Part, local and remote port of each. Raises EngineError."""
    known = {part["name"]: int(part["port"]) for part in catalogue["parts"]}
    # The first port of a store is that of its clients.
    known |= {name: int(next(iter(store["ports"].values()))) for name, store in catalogue["stores"].items()}
    found = []
    for part, port in ports.items():
        if part not in known:
            raise EngineError(f"dev_ports.{part}: there is no such part.", f"{suggest(part, known)}.")
        found.append({"part": part, "local": port_number(f"dev_ports.{part}", port), "remote": known[part]})
    return found
