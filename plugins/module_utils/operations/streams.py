"""Two-way streams to a pod, as WebSockets through the API server: commands and ports.

Frames begin with a byte that names their channel.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from __future__ import annotations

import json
import ssl
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..engine.cluster import Cluster
from ..engine.errors import ConfigurationError, EngineError
from ..engine.transport import ssl_context
from .cluster_view import POD
from .pods import container

Object = dict[str, Any]

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
# Of the protocol v5: its one byte names the channel that has nothing more to say.
_CLOSE = 255
_CONNECT_SECONDS = 10.0
# How the message begins where a command ran and failed, other than one that could not be run.
ENDED = "the command ended with exit code"


class Stream:
    """One WebSocket. Frames as (channel, bytes); ``receive`` gives None at its end."""

    def __init__(self, cluster: Cluster, path: str, query: list[tuple[str, str]], protocols: list[str]) -> None:
        try:
            import websocket  # noqa: PLC0415 - only the verbs that talk to pods need it
        except ImportError:
            raise ConfigurationError(
                "Talking to a pod needs the Python package websocket-client, which comes with the package kubernetes.",
                "Install it where Ansible runs: pip install kubernetes",
            ) from None
        self._module = websocket
        connection = cluster.connection
        url = f"{connection.server.rstrip('/')}{path}?{urlencode(query)}".replace("http", "ws", 1)
        headers = {name: value.split("\n")[0] for name, value in connection.headers.items()}
        if authorization := connection.authorization():
            headers["Authorization"] = authorization
        options: dict[str, Any] = {"header": headers, "subprotocols": protocols, "timeout": _CONNECT_SECONDS}
        if url.startswith("wss:"):
            options["sslopt"] = {"context": ssl_context(connection)}
            if not connection.verify:
                options["sslopt"]["check_hostname"] = False
        if connection.proxy:
            proxy = urlsplit(connection.proxy)
            options |= {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port, "proxy_type": "http"}
        try:
            self.socket = websocket.create_connection(url, **options)
        except websocket.WebSocketBadStatusException as error:
            raise EngineError(f"The API server refused the stream: {_refusal(error)}.", "") from None
        except (websocket.WebSocketException, OSError, ssl.SSLError) as error:
            raise EngineError(f"{connection.server} cannot be reached: {error}.", "") from None
        self.socket.settimeout(None)

    def send(self, channel: int, data: bytes) -> None:
        """Raises OSError where the stream is over."""
        try:
            self.socket.send_binary(bytes([channel]) + data)
        except self._module.WebSocketException as error:
            raise OSError(str(error)) from error

    def receive(self) -> tuple[int, bytes] | None:
        """The next frame, None at the end."""
        while True:
            try:
                data = self.socket.recv()
            except (self._module.WebSocketException, OSError):
                return None
            if not data:
                if not self.socket.connected:
                    return None
                continue
            frame = data.encode() if isinstance(data, str) else data
            return frame[0], frame[1:]

    def finish(self, channel: int) -> None:
        """Nothing more is sent on ``channel``: the other side reads its end. Raises OSError."""
        self.send(_CLOSE, bytes([channel]))

    def close(self) -> None:
        """At any time, also from another thread."""
        try:
            self.socket.close(timeout=1)
        except (self._module.WebSocketException, OSError):
            return


def _refusal(error: Any) -> str:
    body = getattr(error, "resp_body", b"") or b""
    try:
        return str(json.loads(body)["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return (body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)).strip() or str(error)


def command(
    cluster: Cluster, namespace: str, pod: Object, arguments: list[str], *, terminal: bool, stdin: bool = False
) -> Stream:
    """Run a command in a pod; with ``terminal`` in a terminal of its own, ``stdin`` reading. Raises EngineError."""
    query = [("command", argument) for argument in arguments]
    query += [("container", container(pod)), ("stdout", "true")]
    query += [("stdin", "true")] if terminal or stdin else []
    query += [("tty", "true")] if terminal else [("stderr", "true")]
    path = f"{POD.path(namespace, pod['metadata']['name'])}/exec"
    return Stream(cluster, path, query, ["v5.channel.k8s.io", "v4.channel.k8s.io"])


def port(cluster: Cluster, namespace: str, pod: Object, number: int) -> Stream:
    """A connection to a port of a pod: data on channel 0, errors on channel 1. Raises EngineError."""
    path = f"{POD.path(namespace, pod['metadata']['name'])}/portforward"
    return Stream(cluster, path, [("ports", str(number))], ["v4.channel.k8s.io"])


def exit_code(status: bytes) -> tuple[int, str]:
    """Exit code and message of a command, from the last frame of the channel ERROR (a ``metav1.Status``)."""
    try:
        body = json.loads(status)
    except ValueError:
        return 1, status.decode("utf-8", "replace")
    if body.get("status") == "Success":
        return 0, ""
    for cause in (body.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"]), f"{ENDED} {cause['message']}"
    return 1, str(body.get("message", ""))
