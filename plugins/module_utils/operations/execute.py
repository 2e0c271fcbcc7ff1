"""A command in a pod, for its outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from . import shell, streams

Object = dict[str, Any]


def executor(cluster: Cluster) -> Callable[[Object, list[str]], tuple[int, str]]:
    """Runs a command in a pod's first container: exit code and output. Raises EngineError where it cannot be run."""

    def execute(pod: Object, command: list[str]) -> tuple[int, str]:
        lines: list[str] = []
        namespace = pod["metadata"]["namespace"]
        code, message = shell.run(streams.command(cluster, namespace, pod, command, terminal=False), lines.append)
        if code and not message.startswith(streams.ENDED):
            raise EngineError(message)
        return code, "\n".join(lines)

    return execute
