"""What holds for every action of the operator's verbs."""

from __future__ import annotations

import base64
import types
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.multi_agent.platform.plugins import action
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible import operation
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.failure import Failure
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import cluster as engine
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.connection import Connection
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import (
    ApiError,
    ConnectionFailed,
    EngineError,
    WaitFailed,
)
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.retry import PATIENCE_SECONDS
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import releases, rollback

NAMES = sorted(file.stem for path in action.__path__ for file in Path(path).glob("[a-z]*.py"))
OPERATIONS = {
    name: module
    for name in NAMES
    if issubclass(module := import_module(f"{action.__name__}.{name}").ActionModule, operation.Operation)
}
LOG = WaitFailed("It is not ready.", ["  last log of agent-1/agent:", "    password hunter22 is wrong"])


def test_what_waits_long_is_told_to_stop_in_order() -> None:
    """Otherwise Ctrl-C ends it at once: nothing says what was done by then, and nothing that was stopped is started."""
    waiting = [module for module in OPERATIONS.values() if "wait_timeout" in module.SPEC]
    assert len(waiting) > 5
    assert [module.__module__ for module in waiting if not module.ENDS_IN_ORDER] == []


class Verb(operation.Operation):
    """One that fails as it is told to; what a run needs of Ansible is left out."""

    fails_with: ClassVar[EngineError]

    def operate(self, cluster: Any, args: dict[str, Any]) -> dict[str, Any]:
        del cluster, args
        raise self.fails_with

    def _arguments(self) -> dict[str, Any]:
        return {"namespace": "ns"}

    def secret(self) -> str:
        return "platform-credentials"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is read of the Secret, one after the other: an object, None, or an error to raise."""
    answers: list[Any] = []

    def find(_self: Any, _kind: Any, namespace: str, name: str) -> Any:
        assert (namespace, name) == ("ns", "platform-credentials")
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(engine.Cluster, "find", find)
    return answers


def credentials(**values: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}


def failed(error: EngineError, monkeypatch: pytest.MonkeyPatch, verb: type[Verb] = Verb) -> tuple[str, float]:
    """The message of a verb that fails with ``error``, and how long it bears a server that is away."""
    patience = []

    def connect(_args: Any, seconds: float) -> Any:
        patience.append(seconds)
        return engine.Cluster(Connection("https://127.0.0.1:1"), seconds)

    monkeypatch.setattr(operation, "connect", connect)
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(operation, "Variables", lambda *_: None)
    made: Any = verb.__new__(verb)
    made._templar = None
    verb.fails_with = error
    with pytest.raises(Failure) as caught:
        made.run(None, {})
    return str(caught.value), patience[0]


def test_no_verb_shows_a_credential_that_a_log_holds(secrets: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.append(credentials(postgres_password="hunter22", postgres_user_agent="is wrong"))
    said, _ = failed(LOG, monkeypatch)
    assert "password ******** is wrong" in said


@pytest.mark.parametrize(
    "answer",
    [ApiError(403, {"message": "forbidden"}), ConnectionFailed("away"), None],
    ids=["forbidden", "away", "none"],
)
def test_a_failure_is_said_where_the_credentials_cannot_be_read(
    answer: Any, secrets: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.append(answer)
    assert failed(LOG, monkeypatch)[0] == str(LOG)


def test_a_server_that_is_away_is_not_asked_again(secrets: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert secrets == []  # asked, it would fail
    assert failed(ConnectionFailed("away"), monkeypatch)[0] == "away"


@pytest.mark.parametrize("waits", [True, False])
def test_what_writes_or_waits_bears_a_server_that_is_away_for_a_while(
    waits: bool, secrets: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.append(None)
    verb = type("Waiting", (Verb,), {"ENDS_IN_ORDER": waits})
    _, patience = failed(EngineError("no"), monkeypatch, verb)
    assert patience == (PATIENCE_SECONDS if waits else operation.PATIENCE_SECONDS)


def test_a_rollback_records_no_credential(secrets: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    secrets += [credentials(), credentials(postgres_password="hunter22")]
    recorded: list[Any] = []
    release = types.SimpleNamespace(number=1, failed=False, body={"time": None, "by": "x", "revision": ""})
    stored: dict[str, list[Any]] = {"services": []}
    prepared = types.SimpleNamespace(
        release=release, tiers=["services"], stored=stored, left_out={}, kept=[], lacking=[]
    )

    def apply(*arguments: Any) -> None:
        arguments[-1].on_pruned({"kind": "Job", "metadata": {"name": "x"}})
        raise EngineError("agent said: hunter22")

    for name, value in {
        "target": lambda *_: release,
        "choose": lambda *_: frozenset(["services"]),
        "prepare": lambda *_: prepared,
        "migrated": lambda *_: [],
        "apply": apply,
    }.items():
        monkeypatch.setattr(rollback, name, value)
    monkeypatch.setattr(releases, "load", lambda *_: [release])
    monkeypatch.setattr(releases, "record", lambda *arguments: recorded.append(arguments[4].failed))
    made: Any = OPERATIONS["rollback"].__new__(OPERATIONS["rollback"])
    made._task = types.SimpleNamespace(check_mode=False)
    made.host, made.variables = "local", types.SimpleNamespace(get=lambda *_: "")
    args = {"namespace": "ns", "to": 1, "tiers": ["services"], "data_tiers": [], "prove": True}
    args |= {"wait": False, "wait_timeout": 0}
    with pytest.raises(EngineError):
        made.operate(engine.Cluster(Connection("https://127.0.0.1:1")), args)
    assert recorded == ["agent said: ********"]
