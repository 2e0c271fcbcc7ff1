"""HTTP to one API server: a pool of keep-alive connections that threads share, and one attempt per call.

What is safe to send again is decided above (see ``cluster``); this file only says how an attempt ended.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import urllib3

from .connection import Connection
from .errors import ConfigurationError

# Objects sent at once. More gains nothing on one API server and starts to cost other clients their share
# (API Priority and Fairness gives a user a limited number of seats).
POOL_SIZE = 16
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0


class Disconnected(Exception):
    """The attempt got no answer, or only a part of one. ``sent`` is false where nothing can have reached the server."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(_plain(cause))
        self.cause = cause


class Untrusted(Exception):
    """TLS failed: trying again cannot help."""


# Alerts (RFC 8446, 6.2) by which a server says that a handshake went wrong on the way or inside of it. They pass by
# themselves; those about certificates and versions do not.
_PASSING_ALERTS = ("ALERT_DECODE_ERROR", "ALERT_INTERNAL_ERROR", "ALERT_BAD_RECORD_MAC", "UNEXPECTED_EOF_WHILE_READING")


def _handshake_broke(error: BaseException) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(cause, ssl.SSLError) and str(cause.reason).endswith(_PASSING_ALERTS)


def _plain(error: BaseException) -> str:
    """The innermost reason, without urllib3's nesting of class names and pool addresses."""
    reason = getattr(error, "reason", None)
    inner = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__
    while isinstance(inner, BaseException) and inner is not error:
        error, inner = inner, inner.__cause__ or inner.__context__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


class Transport:
    """One API server, many requests at once."""

    def __init__(self, connection: Connection, pool_size: int = POOL_SIZE) -> None:
        self._connection = connection
        self.server = connection.server.rstrip("/")
        context = ssl_context(connection) if self.server.startswith("https:") else None
        options: dict[str, Any] = {
            "num_pools": 1,
            "maxsize": pool_size,
            "block": False,
            "retries": False,
            "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        }
        if context is not None:
            options["ssl_context"] = context
            if connection.tls_server_name:
                options["server_hostname"] = options["assert_hostname"] = connection.tls_server_name
        if not connection.verify:
            # The user said so; and a filter around each request would leak between threads.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._pool: urllib3.PoolManager = (
            urllib3.ProxyManager(connection.proxy, proxy_headers=connection.proxy_headers, **options)
            if connection.proxy
            else urllib3.PoolManager(**options)
        )
        self._headers = urllib3.HTTPHeaderDict({"Accept": "application/json", "User-Agent": "multi-agent-platform"})
        for name, value in connection.headers.items():
            for line in value.split("\n"):
                self._headers.add(name, line)

    def request(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        read_seconds: float | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """One attempt. With ``stream`` the body is left unread: iterate with ``lines``.

        Raises Disconnected or Untrusted.
        """
        url = self.server + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        all_headers = self._headers.copy()
        authorization = self._connection.authorization()
        if authorization:
            all_headers["Authorization"] = authorization
        for name, value in (headers or {}).items():
            all_headers[name] = value
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds or READ_SECONDS)
        try:
            return self._pool.request(
                method,
                url,
                body=body,
                headers=all_headers,
                timeout=timeout,
                preload_content=not stream,
                redirect=False,
            )
        except urllib3.exceptions.SSLError as error:
            if _handshake_broke(error):
                raise Disconnected(error) from error
            raise Untrusted(_plain(error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise Untrusted(_plain(error)) from error
            raise Disconnected(error) from error

    def lines(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The lines of a streamed answer, as they come. Raises Disconnected where the stream breaks."""
        pending = b""
        try:
            # read1 gives what has arrived instead of waiting for a full buffer.
            while chunk := response.read1(1 << 16):
                pending += chunk
                *complete, pending = pending.split(b"\n")
                yield from (line for line in complete if line)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Disconnected(error) from error

    def close(self) -> None:
        self._pool.clear()


def ssl_context(connection: Connection) -> ssl.SSLContext:
    # The system's authorities take 20 ms to load: only where no other is named.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if not connection.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif connection.ca:
            context.load_verify_locations(cadata=connection.ca.decode("ascii", "replace"))
        else:
            context.load_default_certs()
        if connection.client_cert:
            pem = connection.client_cert + b"\n" + (connection.client_key or b"")
            with _as_path(pem) as path:
                context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            f"{connection.source}: the certificates cannot be used: {error}.",
            "Check certificate-authority, client-certificate and client-key (PEM, key matching its certificate).",
        ) from error
    return context


@contextmanager
def _as_path(content: bytes) -> Iterator[str]:
    """A path that holds ``content`` for a moment: OpenSSL reads keys from paths only. In memory where the OS can."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile() as file:  # mode 0600
        file.write(content)
        file.flush()
        yield file.name
