"""The round trip of a probe leaves nothing behind, or says what."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.verify import probe as program

ANSWER = {"hops": [1, 2], "parts": ["gateway"], "duration_ms": 5.0}


@dataclass
class Gateway:
    """What it is to answer, the last answer again and again, and what it was asked. None: hangs up."""

    url: str = ""
    runs: list[tuple[int, dict[str, Any]] | None] = field(default_factory=lambda: [(200, ANSWER)])
    removals: list[tuple[int, dict[str, Any]] | None] = field(default_factory=lambda: [(200, {"errors": []})])
    own_id: str = ""
    asked: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        if path == "/version":
            return 200, {"part": "gateway", "version": "1", "pod": "a"}
        if method == "POST":
            self.asked.append(body["run_id"])
            answer = self.runs.pop(0) if len(self.runs) > 1 else self.runs[0]
            return answer and (answer[0], {**answer[1], "run_id": self.own_id or body["run_id"]})
        answer = self.removals.pop(0) if len(self.removals) > 1 else self.removals[0]
        if answer and answer[0] == 200 and not answer[1]["errors"]:
            self.removed.append(path.removeprefix("/run/"))
        return answer


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """Answers at ``url``. The probe does not wait between its tries."""
    played = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            answer = played.answer(self.command, self.path, body)
            if answer is None:
                return
            self.send_response(answer[0])
            self.end_headers()
            self.wfile.write(json.dumps(answer[1]).encode())

        do_POST = do_DELETE = do_GET  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(time, "sleep", lambda _: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        played.url = f"http://127.0.0.1:{server.server_port}"
        yield played
        server.shutdown()


def test_a_round_trip_is_removed_by_the_id_that_the_probe_chose(gateway: Gateway) -> None:
    assert program.roundtrip(gateway.url)["why"] == ""
    assert gateway.removed == gateway.asked
    assert uuid.UUID(gateway.asked[0])


def test_a_gateway_may_choose_the_id(gateway: Gateway) -> None:
    gateway.own_id = "other"
    assert program.roundtrip(gateway.url)["why"] == ""
    assert gateway.removed == ["other"]


def test_what_got_no_answer_is_removed_all_the_same(gateway: Gateway) -> None:
    gateway.runs = [None, (502, {"errors": ["agent > tool: down"]}), (200, ANSWER)]
    told = program.roundtrip(gateway.url)
    assert told["why"] == ""
    assert "try 3" in told["detail"]
    assert len(set(gateway.asked)) == 3
    assert gateway.removed == gateway.asked


def test_a_removal_is_tried_again_without_another_round_trip(gateway: Gateway) -> None:
    gateway.removals = [(503, {}), None, (200, {"errors": ["tool: postgres: down"]}), (200, {"errors": []})]
    assert program.roundtrip(gateway.url)["why"] == ""
    assert len(gateway.asked) == 1
    assert gateway.removed == gateway.asked


@pytest.mark.parametrize(
    ("removal", "says"),
    [((200, {"errors": ["tool: postgres: down"]}), "tool: postgres: down"), ((503, {}), "HTTP 503")],
)
def test_what_could_not_be_removed_is_a_failure_with_its_id(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, removal: tuple[int, dict[str, Any]], says: str
) -> None:
    monkeypatch.setattr(program, "PATIENCE", 0.0)
    gateway.removals = [removal]
    told = program.roundtrip(gateway.url)
    assert f"run {gateway.asked[0]} could not be removed: {says}" in told["why"]
