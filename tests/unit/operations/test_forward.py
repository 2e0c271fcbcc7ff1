"""Forwarded ports: what is refused, and how a connection ends from either side."""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.action.port_forward import ActionModule
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import forward

SECONDS = 10


@pytest.mark.parametrize("value", [70000, 65536, -1, "abc", "70000", None, True, 1.5, [1], ""])
def test_what_is_no_port_is_a_sentence_with_the_remedy(value: Any) -> None:
    for least, remedy in ((1, "from 1 to 65535."), (0, "from 1 to 65535, or 0 for the part's own.")):
        with pytest.raises(EngineError) as refused:
            forward.port_number("dev_ports.agent", value, least)
        assert str(refused.value) == f"dev_ports.agent = {value} is no port.\nGive a number {remedy}"


def test_numbers_and_texts_are_ports() -> None:
    assert [forward.port_number("p", value) for value in (1, "13002", 65535, 3000.0)] == [1, 13002, 65535, 3000]
    assert forward.port_number("p", 0, least=0) == 0
    with pytest.raises(EngineError):
        forward.port_number("p", 0)


@dataclass
class Stream:
    """That of a pod: what it is to say, None for its end; what it was sent."""

    says: queue.Queue[tuple[int, bytes] | None] = field(default_factory=queue.Queue)
    sent: queue.Queue[bytes] = field(default_factory=queue.Queue)
    closed: threading.Event = field(default_factory=threading.Event)

    def receive(self) -> tuple[int, bytes] | None:
        return self.says.get(timeout=2 * SECONDS)

    def send(self, _channel: int, data: bytes) -> None:
        self.sent.put(data)

    def close(self) -> None:
        self.closed.set()
        self.says.put(None)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    made = Stream()
    made.says.put((0, b"\x00\x50"))  # the port, as each channel begins
    monkeypatch.setattr(forward, "port", lambda *_: made)
    monkeypatch.setattr(forward, "running", lambda *_: {})
    return made


@pytest.fixture
def client(stream: Stream) -> Iterator[socket.socket]:
    cluster: Any = None
    taken = forward.listen([forward.Forward("agent", 0, 80)])
    forward.serve(cluster, "ns", taken, lambda _line: None)
    before = set(threading.enumerate())
    with socket.create_connection(taken[0][1].getsockname(), SECONDS) as connection:
        connection.sendall(b"question")
        assert stream.sent.get(timeout=SECONDS) == b"question"
        yield connection
    assert stream.closed.wait(SECONDS)
    for thread in set(threading.enumerate()) - before:
        thread.join(SECONDS)
        assert not thread.is_alive()
    taken[0][1].close()


def test_a_client_that_closes_its_side_gets_the_answer(stream: Stream, client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    assert not stream.closed.wait(0.5)
    stream.says.put((0, b"answer"))
    assert client.recv(100) == b"answer"
    stream.says.put(None)
    assert client.recv(100) == b""


def test_a_client_that_is_gone_after_its_last_word_leaves_nothing(stream: Stream, client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    assert not stream.closed.wait(0.2)
    # As the keepalive of the other side is answered when nobody has the connection any more.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert stream.closed.wait(SECONDS)


def test_a_client_that_waits_is_asked_whether_it_is_still_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        mine, _ = listener.accept()
        theirs.shutdown(socket.SHUT_WR)
        waiting = threading.Thread(target=forward._upstream, args=(Stream(), mine), daemon=True)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        assert mine.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert mine.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60
        mine.shutdown(socket.SHUT_RDWR)
        waiting.join(SECONDS)
        assert not waiting.is_alive()
        mine.close()
        theirs.close()


@pytest.mark.parametrize("port", [70000, "abc"])
def test_a_bad_port_is_said_before_the_cluster_is_asked(port: Any) -> None:
    action = ActionModule.__new__(ActionModule)
    cluster: Any = None
    with pytest.raises(EngineError, match=f"port_forward_ports.agent = {port} is no port"):
        action.operate(cluster, {"namespace": "ns", "ports": {"agent": port}})
