"""Servers that take up a Secret without a restart, and what happens where they cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .fakes import make
from .imports import applier, errors, reload

Object = dict[str, Any]
SECRET = make("v1", "Secret", "users", data={"auth.conf": "YQ==", "seen-1.conf": "eA=="})
ASKED = {"secret": "users", "seen": ["server", "-t", "{key}"], "command": ["server", "reload"]}


class Cluster:
    """Records what is patched; holds one pod."""

    def __init__(self) -> None:
        self.patched: list[tuple[str, Object]] = []
        self.interruption = self

    def sleep(self, _seconds: float) -> None: ...

    def list(self, *_: Any, **__: Any) -> tuple[list[Object], str]:
        return [make("v1", "Pod", "nats-0", status={"phase": "Running"})], "1"

    def patch(self, _kind: Any, _namespace: str, name: str, body: Object, _writer: str) -> Object:
        self.patched.append((name, body))
        return make("apps/v1", "StatefulSet", "nats")


def workload(reloaded: str = "", action: str = "unchanged") -> applier.Outcome:
    annotations = {reload.RELOAD: json.dumps(ASKED), **({reload.RELOADED: reloaded} if reloaded else {})}
    spec = {"selector": {"matchLabels": {"app": "nats"}}}
    obj = make("apps/v1", "StatefulSet", "nats", metadata={"annotations": annotations}, spec=spec)
    return applier.Outcome(obj, action, obj, obj)


def outcomes(**how: str) -> list[applier.Outcome]:
    return [applier.Outcome(SECRET, "unchanged", SECRET, SECRET), workload(**how)]


def test_what_was_taken_up_is_not_taken_up_again() -> None:
    (work,) = reload.due(outcomes())
    assert work.seen == ["server", "-t", "seen-1.conf"]
    assert reload.due(outcomes(reloaded=work.digest)) == []
    (other,) = reload.due(outcomes(reloaded="0123"))
    assert other.digest == work.digest


def test_servers_are_told_once_their_pods_see_it() -> None:
    cluster, ran, answers = Cluster(), [], [(1, "no such file"), (0, "valid"), (0, "")]

    def execute(_pod: Object, command: list[str]) -> tuple[int, str]:
        ran.append(command[-1])
        return answers.pop(0)

    (work,) = reload.due(outcomes())
    said: list[str] = []
    assert reload.take_up(cluster, work, execute, said.append) is None  # type: ignore[arg-type]
    assert ran == ["seen-1.conf", "seen-1.conf", "reload"]
    assert [name for name, _ in cluster.patched] == ["nats-0", "nats"], "the pod is nudged, the workload remembers"
    assert said == ["StatefulSet nats has taken up its Secret without a restart"]


def test_a_new_workload_has_read_it_already() -> None:
    cluster = Cluster()
    (work,) = reload.due(outcomes(action="created"))
    assert reload.take_up(cluster, work, reload.no_command, print) is None  # type: ignore[arg-type]
    assert [name for name, _ in cluster.patched] == ["nats"]


@pytest.mark.parametrize("answer", ["refused", "failed"])
def test_where_no_command_can_be_run_pods_are_replaced(answer: str) -> None:
    def execute(_pod: Object, command: list[str]) -> tuple[int, str]:
        if answer == "refused":
            raise errors.EngineError("pods/exec is forbidden")
        return (1, "no such process") if command[-1] == "reload" else (0, "")

    cluster = Cluster()
    (work,) = reload.due(outcomes())
    said: list[str] = []
    assert reload.take_up(cluster, work, execute, said.append) is not None  # type: ignore[arg-type]
    template = cluster.patched[1][1]["spec"]["template"]["metadata"]["annotations"]
    assert template == {reload.RELOADED: work.digest}
    assert "is restarted to take up its Secret, since" in said[0]
