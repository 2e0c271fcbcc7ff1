"""Requests and watches of one API server, against answers that are a script."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.connection import Connection
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.transport import Disconnected, Untrusted

from .imports import cluster, errors, kinds

SERVER = "https://api.example.test:6443"
CONFIG_MAP = kinds.BUILT_IN["v1", "ConfigMap"]


class Script:
    """A transport that gives ``answers`` one after the other, the last one again and again; exceptions are raised."""

    def __init__(self, *answers: Any) -> None:
        self.server = SERVER
        self.answers = list(answers)
        self.sent = 0

    def request(self, *_: Any, **__: Any) -> Any:
        self.sent += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def lines(self, response: Any) -> Iterator[bytes]:
        yield from response.data.splitlines()


def answer(status: int, body: str = "", **headers: str) -> Any:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body.encode()
    return SimpleNamespace(status=status, data=data, headers=headers, read=lambda: data, close=lambda: None)


def client(*answers: Any, patience: float = 60) -> Any:
    made = cluster.Cluster(Connection(server=SERVER), patience)
    made.transport = Script(*answers)  # type: ignore[assignment]
    return made


def watch(*answers: Any) -> list[tuple[str, dict[str, Any]]]:
    return list(client(*answers).watch(CONFIG_MAP, "ns", "1"))


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ({"Location": "https://login.example.test/a?state=hidden"}, "redirects to https://login.example.test/a "),
        ({"Location": "/sign-in#hidden"}, f"redirects to {SERVER}/sign-in "),
        ({"Location": "https://jane:hidden@example.test/"}, "redirects to https://example.test/ "),
        ({}, "redirects to nowhere "),
    ],
)
@pytest.mark.parametrize("how", ["get", "watch"])
def test_a_redirect_is_no_answer_of_an_api_server(location: dict[str, str], words: str, how: str) -> None:
    api = client(answer(301, **location))
    with pytest.raises(errors.ConnectionFailed) as caught:
        api.get("/version") if how == "get" else list(api.watch(CONFIG_MAP, "ns", "1"))
    assert words in caught.value.message
    assert "(HTTP 301)" in caught.value.message
    assert "hidden" not in caught.value.message
    assert "sign-in page" in caught.value.remedy
    assert api.transport.sent == 1


def test_retry_after_does_not_outlast_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    late = [answer(503, "{}")] * 10
    api = client(*late, answer(429, "{}", Retry_After="60"))
    api.interruption = SimpleNamespace(check=lambda: None, sleep=sleep, reason="")
    with pytest.raises(errors.ApiError):
        api.get("/version")
    assert now[0] == pytest.approx(60)


def test_somebody_was_quicker_than_a_write_that_names_a_version() -> None:
    api = client(answer(409, '{"message":"the object has been modified"}'))
    with pytest.raises(errors.ApiError):
        api.send("PUT", "/x", body={"metadata": {"name": "x", "resourceVersion": "1"}})
    assert api.transport.sent == 1


def test_a_request_that_is_lost_while_the_run_is_told_to_stop_is_not_the_reason() -> None:
    api = client(Disconnected(OSError("timed out")))
    lose = api.transport.request

    def lost(*args: Any, **how: Any) -> Any:
        api.interruption.tell("SIGINT")
        return lose(*args, **how)

    api.transport.request = lost
    with pytest.raises(errors.EngineError, match=r"^Stopped by SIGINT"):
        api.get("/version")
    # What is done all the same gets one attempt, and says what came of it.
    with api.interruption.shielded(), pytest.raises(errors.ConnectionFailed, match="timed out"):
        api.get("/version")
    assert api.transport.sent == 2


def test_a_dry_run_into_a_namespace_that_is_not_there_is_answered_at_once() -> None:
    api = client(answer(404, '{"details":{"kind":"namespaces"}}'))
    with pytest.raises(errors.ApiError):
        api.apply(CONFIG_MAP, {"metadata": {"name": "x", "namespace": "new"}}, dry_run=True)
    assert api.transport.sent == 1


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "3",
        "{}",
        '{"object":{"metadata":{}}}',
        '{"type":"MODIFIED"}',
        '{"type":"MODIFIED","object":[]}',
        '{"type":"ERROR","object":"x"}',
        "<html>",
    ],
)
def test_a_line_that_is_no_event_ends_a_watch_as_a_broken_stream_does(line: str) -> None:
    event = {"type": "ADDED", "object": {"metadata": {"resourceVersion": "2"}}}
    assert watch(answer(200, f"{json.dumps(event)}\n{line}\n{json.dumps(event)}")) == [("ADDED", event["object"])]


@pytest.mark.parametrize("how", ["get", "watch"])
def test_a_server_that_is_not_trusted_is_a_failure_with_its_remedy(how: str) -> None:
    api = client(Untrusted("certificate has expired"))
    with pytest.raises(errors.ConnectionFailed, match="TLS failed: certificate has expired") as caught:
        api.get("/version") if how == "get" else list(api.watch(CONFIG_MAP, "ns", "1"))
    assert "ca_cert" in caught.value.remedy
