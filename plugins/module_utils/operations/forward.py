"""Ports of parts on this machine. Each connection goes to a pod that runs then, so restarts break none for good."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from .cluster_view import workload
from .pods import running
from .streams import Stream, port

Object = dict[str, Any]

ADDRESS = "127.0.0.1"
_DATA, _ERROR = 0, 1


@dataclass(frozen=True)
class Forward:
    """A local port, and the part and port that it leads to."""

    part: str
    local: int
    remote: int


def plan(cluster: Cluster, namespace: str, ports: dict[str, int]) -> list[Forward]:
    """Part -> local port, completed with the port that the part listens on. Raises EngineError."""
    found = []
    for part, local in ports.items():
        spec = workload(cluster, namespace, part)["spec"]["template"]["spec"]
        listening = [entry["containerPort"] for entry in spec["containers"][0].get("ports") or []]
        if not listening:
            raise EngineError(f"{part} listens on no port.", "Choose another part.")
        found.append(Forward(part, int(local) or listening[0], listening[0]))
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
        port_number = taken[-1][0].local
        why = "is in use on this machine" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise EngineError(
            f"Port {port_number} for {taken[-1][0].part} {why}.",
            f"Choose another: {instead(replace(taken[-1][0], local=_other(port_number)))}",
        ) from None
    return taken


def _other(port_number: int) -> int:
    return port_number + 10000 if port_number < 50000 else port_number - 10000


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
    threading.Thread(target=_upstream, args=(stream, client), daemon=True).start()
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
    client.close()


def _upstream(stream: Stream, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := client.recv(1 << 16):
            stream.send(_DATA, data)
    stream.close()
