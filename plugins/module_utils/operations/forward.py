"""Ports of parts on this machine. Each connection goes to a pod that runs then, so restarts break none for good."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..platform.reader import to_integer
from .cluster_view import workload
from .pods import running
from .streams import Stream, port

Object = dict[str, Any]

ADDRESS = "127.0.0.1"
_DATA, _ERROR = 0, 1
_LAST_PORT = 65535
# How often a client that has said its last word is asked whether it is still there.
_ALIVE_SECONDS = 15


@dataclass(frozen=True)
class Forward:
    """A local port, and the part and port that it leads to."""

    part: str
    local: int
    remote: int


def port_number(option: str, value: Any, least: int = 1) -> int:
    """The port that ``option`` gives, a number or a text that reads as one. Raises EngineError."""
    number = to_integer(value)
    if number is None or not least <= number <= _LAST_PORT:
        own = ", or 0 for the part's own" if least == 0 else ""
        raise EngineError(f"{option} = {value} is no port.", f"Give a number from 1 to {_LAST_PORT}{own}.")
    return number


def plan(cluster: Cluster, namespace: str, ports: Mapping[str, int]) -> list[Forward]:
    """Part -> local port, completed with the port that the part listens on. Raises EngineError."""
    found = []
    for part, local in ports.items():
        spec = workload(cluster, namespace, part)["spec"]["template"]["spec"]
        listening = [entry["containerPort"] for entry in spec["containers"][0].get("ports") or []]
        if not listening:
            raise EngineError(f"{part} listens on no port.", "Choose another part.")
        found.append(Forward(part, local or listening[0], listening[0]))
    return found


def listen(
    forwards: Iterable[Forward],
    instead: Callable[[Forward], str] = lambda f: f"make port-forward S={f.part} PORT={f.local}",
) -> list[tuple[Forward, socket.socket]]:
    """Take all local ports at once, or none. Raises EngineError naming the one that is in use.

    instead: the command that takes another port.
    """
    taken: list[tuple[Forward, socket.socket]] = []
    try:
        for forward in forwards:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.append((forward, listener))
            listener.bind((ADDRESS, forward.local))
            listener.listen(64)
    except OSError as error:
        for _, listener in taken:
            listener.close()
        number = taken[-1][0].local
        why = "is in use on this machine" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise EngineError(
            f"Port {number} for {taken[-1][0].part} {why}.",
            f"Choose another: {instead(replace(taken[-1][0], local=_other(number)))}",
        ) from None
    return taken


def _other(number: int) -> int:
    return number + 10000 if number < 50000 else number - 10000


def serve(
    cluster: Cluster, namespace: str, taken: list[tuple[Forward, socket.socket]], say: Callable[[str], None]
) -> list[threading.Thread]:
    """Accept connections in the background, one thread a port; they end when the listener is closed."""

    def accept(forward: Forward, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_connect, args=(cluster, namespace, forward, client, say), daemon=True).start()

    threads = [threading.Thread(target=accept, args=pair, daemon=True) for pair in taken]
    for thread in threads:
        thread.start()
    return threads


def _connect(
    cluster: Cluster, namespace: str, forward: Forward, client: socket.socket, say: Callable[[str], None]
) -> None:
    try:
        stream = port(cluster, namespace, running(cluster, namespace, forward.part), forward.remote)
    except EngineError as error:
        say(f"{forward.part}: {error.message}")
        client.close()
        return
    upstream = threading.Thread(target=_upstream, args=(stream, client), daemon=True)
    upstream.start()
    begun: set[int] = set()
    while (frame := stream.receive()) is not None:
        channel, data = frame
        if channel not in begun:
            begun.add(channel)  # the first frame of a channel repeats the port's number
            data = data[2:]
        if channel == _ERROR and data:
            say(f"{forward.part}: {data.decode('utf-8', 'replace').strip()}")
            break
        if channel == _DATA and data:
            try:
                client.sendall(data)
            except OSError:
                break
    stream.close()
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
    upstream.join()  # it looks at the socket until then
    client.close()


def _upstream(stream: Stream, client: socket.socket) -> None:
    """The protocol knows no end of one direction only: after the client's last word the pod ends the stream."""
    with contextlib.suppress(OSError):
        while data := client.recv(1 << 16):
            stream.send(_DATA, data)
        _await_end(client)
    stream.close()


def _await_end(client: socket.socket) -> None:
    """Until the socket is shut down here, or the client is gone altogether. Raises OSError."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL"):  # not every system has each
        if hasattr(socket, option):
            client.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), _ALIVE_SECONDS)
    gone = select.poll()
    gone.register(client, 0)  # errors and hang-ups are told anyway
    gone.poll()
