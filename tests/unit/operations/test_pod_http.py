"""JSON from a port of a pod: how an answer is read from the stream's frames, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import pod_http

POD = {"metadata": {"name": "qdrant-0"}}
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"result":1}'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"res\r\n7\r\nult":1}\r\n0\r\n\r\n'


class Stream:
    """That of a pod: what it says, as frames; what it was sent."""

    def __init__(self, frames: list[tuple[int, bytes]]) -> None:
        self.frames = [(0, b"\xbd\x18"), (1, b"\xbd\x18"), *frames]  # the port, as each channel begins
        self.sent, self.closed = b"", False
        self.socket = SimpleNamespace(settimeout=lambda seconds: None)

    def send(self, channel: int, data: bytes) -> None:
        assert channel == 0
        self.sent += data

    def receive(self) -> tuple[int, bytes] | None:
        return self.frames.pop(0) if self.frames else None

    def close(self) -> None:
        self.closed = True


def _get(monkeypatch: pytest.MonkeyPatch, *frames: tuple[int, bytes]) -> tuple[Any, Stream]:
    stream, cluster = Stream(list(frames)), None
    monkeypatch.setattr(pod_http, "port", lambda *_: stream)
    try:
        answer = pod_http.get(cluster, "n", POD, 6333, "/x?a=b", {"api-key": "hush"})  # type: ignore[arg-type]
    finally:
        assert stream.closed
    return answer, stream


@pytest.mark.parametrize("whole", [OK, CHUNKED])
def test_answer_in_pieces_is_put_together(monkeypatch: pytest.MonkeyPatch, whole: bytes) -> None:
    answer, stream = _get(monkeypatch, *[(0, whole[at : at + 7]) for at in range(0, len(whole), 7)])
    assert answer == {"result": 1}
    assert stream.sent.startswith(b"GET /x?a=b HTTP/1.1\r\n")
    assert b"\r\nConnection: close\r\n" in stream.sent
    assert stream.sent.endswith(b"\r\napi-key: hush\r\n\r\n")


@pytest.mark.parametrize("whole", [OK, CHUNKED])
def test_whole_answer_is_not_waited_for_any_longer(monkeypatch: pytest.MonkeyPatch, whole: bytes) -> None:
    answer, stream = _get(monkeypatch, (0, whole[:30]), (0, whole[30:]), (1, b"never read"))
    assert answer == {"result": 1}
    assert stream.frames == [(1, b"never read")]


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([(0, b"HTTP/1.1 401 Unauthorized\r\n\r\n")], "port 6333, /x answered HTTP 401"),
        ([(0, OK[:-4])], "gave no whole HTTP answer"),
        ([], "gave no whole HTTP answer"),
        ([(0, b"SSH-2.0\r\n")], "gave no whole HTTP answer"),
        ([(0, b"HTTP/1.1 200 OK\r\n\r\n<html>")], "did not answer with JSON"),
        ([(1, b"connection refused\n")], "ended the connection to port 6333: connection refused"),
    ],
)
def test_what_is_no_answer_is_a_sentence_without_the_key(
    monkeypatch: pytest.MonkeyPatch, frames: list[tuple[int, bytes]], says: str
) -> None:
    with pytest.raises(EngineError) as refused:
        _get(monkeypatch, *frames)
    assert says in str(refused.value)
    assert "hush" not in str(refused.value)


def test_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_http, "_MOST_BYTES", 1 << 20)
    with pytest.raises(EngineError, match="longer than 1 MiB"):
        _get(monkeypatch, *[(0, b"x" * 65536)] * 20)
