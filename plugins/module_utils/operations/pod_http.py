"""JSON from a port of a pod, through the API server: no Service, no route and no policy has to let anyone in."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from .streams import Stream, port

Object = dict[str, Any]

_DATA, _ERROR = 0, 1
_SECONDS = 5.0
_MOST_BYTES = 32 << 20


class _Answer:
    """What HTTPResponse needs of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._data)


def get(
    cluster: Cluster, namespace: str, pod: Object, number: int, path: str, headers: Mapping[str, str] | None = None
) -> Any:
    """GET ``path`` at port ``number`` of ``pod``; the answer's JSON. Raises EngineError, without any header in it."""
    name = pod["metadata"]["name"]
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Accept: application/json", "Connection: close"]
    lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
    stream = port(cluster, namespace, pod, number)
    try:
        stream.socket.settimeout(_SECONDS)
        stream.send(_DATA, "\r\n".join([*lines, "", ""]).encode())
        data = _read(stream)
    except OSError as error:
        raise EngineError(f"Pod {name} ended the connection to port {number}: {error}.", "") from None
    finally:
        stream.close()
    return _json(data, f"Pod {name}, port {number}, {path.partition('?')[0]}")


def _read(stream: Stream) -> bytes:
    """A whole answer, or all until the pod ends the connection. Raises OSError."""
    data, begun = bytearray(), set()
    while (frame := stream.receive()) is not None:
        channel, content = frame
        if channel not in begun:
            begun.add(channel)
            content = content[2:]  # the first frame of a channel repeats the port's number
        if channel == _ERROR and content:
            raise OSError(content.decode("utf-8", "replace").strip())
        data += content
        if len(data) > _MOST_BYTES:
            raise OSError(f"the answer is longer than {_MOST_BYTES >> 20} MiB")
        if _whole(data):
            break  # the end of the connection does not always arrive
    return bytes(data)


def _whole(data: bytearray) -> bool:
    end = data.find(b"\r\n\r\n")
    head = bytes(data[: max(end, 0)]).lower()
    if match := re.search(rb"\ncontent-length: *([0-9]+)", head):
        return len(data) - end - 4 >= int(match[1])
    return b"\ntransfer-encoding: chunked" in head and data.endswith(b"0\r\n\r\n")


def _json(data: bytes, source: str) -> Any:
    try:
        response = HTTPResponse(_Answer(data))  # type: ignore[arg-type]
        response.begin()
        body = response.read()
    except (HTTPException, OSError, ValueError) as error:
        raise EngineError(f"{source} gave no whole HTTP answer ({error.__class__.__name__}).", "") from None
    if response.status != 200:
        raise EngineError(f"{source} answered HTTP {response.status}.", "")
    try:
        return json.loads(body)
    except ValueError:
        raise EngineError(f"{source} did not answer with JSON.", "") from None
