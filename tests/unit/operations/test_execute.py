"""Whether a command in a pod failed, or could not be run at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import execute, streams

POD = {"metadata": {"name": "nats-0", "namespace": "ns"}}


class Stream:
    """Gives a command's output and then its status."""

    def __init__(self, status: dict[str, Any]) -> None:
        self.frames = [(streams.STDOUT, b"a line\n"), (streams.ERROR, json.dumps(status).encode())]

    def receive(self) -> tuple[int, bytes] | None:
        return self.frames.pop(0) if self.frames else None

    def close(self) -> None: ...


def run(monkeypatch: pytest.MonkeyPatch, status: dict[str, Any]) -> tuple[int, str]:
    monkeypatch.setattr(streams, "command", lambda *_, **__: Stream(status))
    return execute.executor(object())(POD, ["true"])  # type: ignore[arg-type]


def test_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, {"status": "Success"}) == (0, "a line")
    causes = [{"reason": "ExitCode", "message": "3"}]
    assert run(monkeypatch, {"status": "Failure", "details": {"causes": causes}}) == (3, "a line")


def test_what_could_not_be_run_is_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="no such host"):
        run(monkeypatch, {"status": "Failure", "reason": "InternalError", "message": "lookup node: no such host"})
