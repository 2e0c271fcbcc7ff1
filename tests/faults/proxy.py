"""A proxy in front of a real API server that breaks chosen requests in chosen ways.

Clients speak plain HTTP to it on loopback; it speaks TLS to the server with the certificate of a kubeconfig. Requests
are numbered in the order of their arrival, from 1, and a `Schedule` says which of them meets which fault.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


class Phase(Enum):
    """What becomes of the request itself."""

    BEFORE = "before"  # the server never sees it
    AFTER = "after"  # the server does what it asks, the client does not learn of it


@dataclass(frozen=True)
class Fault:
    """One way to break one request. ``seconds``: how long to stall, to delay or to refuse connections."""

    name: str
    phase: Phase = Phase.BEFORE
    seconds: float = 0.0
    status: int = 0
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.phase.value})"


def _status(code: int, reason: str, message: str, **more: Any) -> str:
    return json.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}
        | more
    )


def answers(name: str, code: int, reason: str, message: str, phase: Phase = Phase.BEFORE, **more: Any) -> Fault:
    """A fault that is an answer of the API server."""
    return Fault(name, phase, status=code, body=_status(code, reason, message, **more))


RESET = Fault("reset")
RESET_AFTER = Fault("reset", Phase.AFTER)
# An orderly end (FIN) in place of an answer, as of a server that shuts down; the others end with a reset.
CLOSED = Fault("closed without an answer")
CLOSED_AFTER = Fault("closed without an answer", Phase.AFTER)
CUT = Fault("answer cut in the middle", Phase.AFTER)
REFUSE = Fault("connections refused", seconds=0.4)
STALL = Fault("no answer in time", seconds=1.5)
STALL_AFTER = Fault("no answer in time", Phase.AFTER, seconds=1.5)
SLOW = Fault("latency", seconds=0.2)
BUSY = Fault(
    "429 with Retry-After",
    status=429,
    body=_status(429, "TooManyRequests", "too many requests, please try again later"),
    headers=(("Retry-After", "1"),),
)
INTERNAL = answers("500", 500, "InternalError", "Internal error occurred: something broke")
INTERNAL_AFTER = answers("500", 500, "InternalError", "Internal error occurred: context canceled", Phase.AFTER)
LEADER = answers("leader change", 500, "", "etcdserver: leader changed", Phase.AFTER)
WEBHOOK = answers(
    "webhook not reachable",
    500,
    "InternalError",
    'Internal error occurred: failed calling webhook "check.example.test": failed to call webhook: Post '
    '"https://check.example.svc:443/": dial tcp 10.0.0.1:443: connect: connection refused',
)
BAD_GATEWAY = Fault("502 of a load balancer", status=502, body="<html><body>502 Bad Gateway</body></html>")
UNAVAILABLE = answers("503", 503, "ServiceUnavailable", "the server is currently unable to handle the request")
GATEWAY_TIMEOUT = answers("504", 504, "Timeout", "request did not complete within the allowed duration", Phase.AFTER)
QUOTA = answers(
    "quota conflict",
    409,
    "Conflict",
    'Operation cannot be fulfilled on resourcequotas "quota": the object has been modified; please apply your changes '
    "to the latest version and try again",
    details={"name": "quota", "kind": "resourcequotas"},
)
NAMESPACE_UNKNOWN = answers(
    "namespace just made",
    404,
    "NotFound",
    'namespaces "new" not found',
    details={"name": "new", "kind": "namespaces"},
)
GONE = answers("410 Gone", 410, "Expired", "too old resource version: 1 (2)")
# Of a watch: the stream ends after a moment, properly, in the middle of a line, or with 410 as an event.
WATCH_ENDS = Fault("watch ends", Phase.AFTER, seconds=0.2)
WATCH_CUT = Fault("watch cut", Phase.AFTER, seconds=0.2)
WATCH_GONE = Fault("watch says 410", Phase.AFTER, seconds=0.2)

# For any request; for writes only; for watches only.
TRANSIENT = (
    RESET,
    RESET_AFTER,
    CLOSED,
    CLOSED_AFTER,
    CUT,
    REFUSE,
    STALL,
    STALL_AFTER,
    SLOW,
    BUSY,
    INTERNAL,
    INTERNAL_AFTER,
    LEADER,
    BAD_GATEWAY,
    UNAVAILABLE,
    GATEWAY_TIMEOUT,
)
OF_WRITES = (WEBHOOK, QUOTA, NAMESPACE_UNKNOWN)
OF_WATCHES = (WATCH_ENDS, WATCH_CUT, WATCH_GONE, GONE)


@dataclass
class Schedule:
    """Which request meets which fault.

    ``requests`` goes by the number of the request; ``watches`` by the number of the watch among watches. ``kill`` is
    called at request number ``kill_at``: before the server sees it, or after (``kill_phase``). ``meanwhile`` is called
    before request number ``meanwhile_at``, which is passed on afterwards.
    """

    requests: dict[int, Fault] = field(default_factory=dict)
    watches: dict[int, Fault] = field(default_factory=dict)
    kill_at: int = 0
    kill_phase: Phase = Phase.BEFORE
    meanwhile_at: int = 0

    def __str__(self) -> str:
        parts = [f"request {number}: {fault}" for number, fault in sorted(self.requests.items())]
        parts += [f"watch {number}: {fault}" for number, fault in sorted(self.watches.items())]
        if self.kill_at:
            parts.append(f"request {self.kill_at}: killed ({self.kill_phase.value})")
        return "; ".join(parts) or "no fault"


def _nothing() -> None:
    pass


class Proxy:
    """Listens on loopback from `start` to `stop`. ``log``: number, method, path and fault of each request."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        address = urlsplit(cluster["server"])
        self.upstream = (address.hostname or "", address.port or 443)
        self.tls = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode("ascii")
        )
        self.tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with tempfile.NamedTemporaryFile() as pem:
            for part in ("client-certificate-data", "client-key-data"):
                pem.write(base64.b64decode(user[part]) + b"\n")
            pem.flush()
            self.tls.load_cert_chain(pem.name)
        self.schedule = Schedule()
        self.kill: Callable[[], None] = _nothing
        self.meanwhile: Callable[[], None] = _nothing
        self.log: list[tuple[int, str, str, str]] = []
        self.stopped = False
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._watches = itertools.count(1)
        self._refuse_until = 0.0
        self._connections: set[socket.socket] = set()
        self._listener = self._listen(0)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def start(self) -> Proxy:
        self._accepting.start()
        return self

    def stop(self) -> None:
        self.stopped = True
        self._accepting.join(5)
        self._listener.close()

    def play(
        self, schedule: Schedule, kill: Callable[[], None] = _nothing, meanwhile: Callable[[], None] = _nothing
    ) -> None:
        """Begin to count anew, under another schedule."""
        with self._lock:
            self.schedule, self.kill, self.meanwhile, self.log = schedule, kill, meanwhile, []
            self._numbers, self._watches = itertools.count(1), itertools.count(1)

    def kubeconfig(self, file: Path) -> Path:
        """Writes a kubeconfig that leads here, and returns its path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "faults",
            "contexts": [{"name": "faults", "context": {"cluster": "faults"}}],
            "clusters": [{"name": "faults", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
        }
        file.write_text(yaml.safe_dump(config))
        return file

    def fault(self, method: str, path: str) -> tuple[int, Fault | None]:
        """Number the request that just arrived, and say what is to happen to it."""
        with self._lock:
            number = next(self._numbers)
            fault = self.schedule.requests.get(number)
            if fault in OF_WRITES and method == "GET":
                fault = None
            if "watch=true" in path:
                fault = self.schedule.watches.get(next(self._watches))
            self.log.append((number, method, path, str(fault or "")))
            return number, fault

    def refuse(self, seconds: float) -> None:
        """Refuse new connections for a while, and reset those that there are."""
        self._refuse_until = time.monotonic() + seconds
        for connection in list(self._connections):
            abort(connection)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64, reuse_port=False)
        listener.settimeout(0.05)
        return listener

    def _accept(self) -> None:
        while not self.stopped:
            left = self._refuse_until - time.monotonic()
            if left > 0:
                self._listener.close()
                time.sleep(left)
                self._listener = self._listen(self.port)
            try:
                connection, address = self._listener.accept()
            except OSError:
                continue
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        connection.settimeout(60)
        self._connections.add(connection)
        try:
            # The handler serves the connection while it is being made; a broken connection is what this is about.
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                Handler(connection, address, self)  # type: ignore[arg-type]
        finally:
            self._connections.discard(connection)
            connection.close()


def abort(connection: socket.socket) -> None:
    """Close with a reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Wakes the thread that reads from it; with linger 0 the close that follows sends the reset.
        connection.close()


class Handler(BaseHTTPRequestHandler):
    """One client connection and its connection to the server."""

    protocol_version = "HTTP/1.1"
    server: Proxy  # type: ignore[assignment]

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPSConnection(*self.server.upstream, context=self.server.tls, timeout=60)

    def finish(self) -> None:
        self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the proxy keeps its own log."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number, fault = self.server.fault(self.command, self.path)
        schedule = self.server.schedule
        if number == schedule.meanwhile_at:
            self.server.meanwhile()
        killed = number == schedule.kill_at
        if killed and schedule.kill_phase is Phase.BEFORE:
            self.server.kill()
            return self._abort()
        if fault is None and not killed:
            return self._pass_on(body)
        if fault is not None and fault.phase is Phase.BEFORE:
            return self._before(fault, body)
        if fault in OF_WATCHES:
            return self._pass_on(body, fault)
        status, headers, answer = self._ask(body)
        if killed:
            self.server.kill()
            return self._abort()
        assert fault is not None
        return self._after(fault, status, headers, answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - names of the base class

    def _before(self, fault: Fault, body: bytes) -> None:
        if fault.status:
            return self._answer(fault.status, fault.headers, fault.body.encode())
        if fault is REFUSE:
            self.server.refuse(fault.seconds)
            return None
        if fault is SLOW:
            time.sleep(fault.seconds)
            return self._pass_on(body)
        time.sleep(fault.seconds)
        return self._end(fault)

    def _after(self, fault: Fault, status: int, headers: tuple[tuple[str, str], ...], answer: bytes) -> None:
        if fault.status:
            return self._answer(fault.status, fault.headers, fault.body.encode())
        if fault is CUT:
            self._head(status, headers, len(answer))
            self.wfile.write(answer[: len(answer) // 2])
            self.wfile.flush()
        else:
            time.sleep(fault.seconds)
        return self._end(fault)

    def _end(self, fault: Fault) -> None:
        if fault in (CLOSED, CLOSED_AFTER):
            self.close_connection = True
        else:
            self._abort()

    def _abort(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _send(self, body: bytes) -> http.client.HTTPResponse:
        kept = {n: v for n, v in self.headers.items() if n.lower() not in {"host", "connection", "accept-encoding"}}
        self._upstream.request(self.command, self.path, body or None, kept)
        return self._upstream.getresponse()

    def _ask(self, body: bytes) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        try:
            response = self._send(body)
            return response.status, _kept(response), response.read()
        except (OSError, http.client.HTTPException):
            # The server itself is away: what its clients would see is a connection that breaks.
            self._upstream.close()
            self._abort()
            raise

    def _pass_on(self, body: bytes, fault: Fault | None = None) -> None:
        if "watch=true" in self.path:
            return self._stream(body, fault)
        return self._answer(*self._ask(body))

    def _stream(self, body: bytes, fault: Fault | None) -> None:
        response = self._send(body)
        self.close_connection = True
        if response.status != 200:
            return self._answer(response.status, _kept(response), response.read())
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        ends = time.monotonic() + fault.seconds if fault else float("inf")
        assert self._upstream.sock is not None
        self._upstream.sock.settimeout(0.1)
        while time.monotonic() < ends and not self.server.stopped:
            try:
                data = response.read1(1 << 16)
            except TimeoutError:
                continue
            if not data:
                break
            self._chunk(data)
        if fault is WATCH_CUT:
            self._chunk(b'{"type":"MODIFIED","object":{"kind":"Depl')
            return self._abort()
        if fault is WATCH_GONE:
            self._chunk(b'{"type":"ERROR","object":' + GONE.body.encode() + b"}\n")
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _answer(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self._head(status, headers, len(body))
        self.wfile.write(body)

    def _head(self, status: int, headers: tuple[tuple[str, str], ...], length: int) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _kept(response: http.client.HTTPResponse) -> tuple[tuple[str, str], ...]:
    return tuple((n, v) for n, v in response.getheaders() if n.lower() in {"content-type", "retry-after"})
