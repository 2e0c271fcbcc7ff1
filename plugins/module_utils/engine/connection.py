"""Everything that a transport needs to reach one API server, and the small conversions that make it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import ConfigurationError

_PORTS = {"https": 443, "http": 80}


@dataclass
class Connection:
    """Everything a transport needs. Certificates are bytes (PEM), so that none has to be written to a file."""

    server: str
    ca: bytes | None = None
    client_cert: bytes | None = None
    client_key: bytes | None = None
    verify: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None
    proxy_headers: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    # Called for the Authorization header where it changes with time (exec plugins, rotated token files).
    authorization: Callable[[], str | None] = lambda: None
    source: str = ""
    # Name of the context in a kubeconfig; empty if none was used.
    context: str = ""

    @property
    def address(self) -> str:
        """The server and the context for people: ``https://10.0.0.1:6443, context prod-eu``. Never a login."""
        server = canonical(self.server)
        return f"{server}, context {self.context}" if self.context else server

    @property
    def proves_who(self) -> bool:
        """Whether it has a credential."""
        return bool(self.client_cert or self.authorization())


def canonical(server: str) -> str:
    """A server's URL in the one form that two spellings share, without a login: ``https://api.example.org:6443``."""
    url = urlsplit(server if "://" in server else f"https://{server}")
    host = (url.hostname or "").rstrip(".")
    try:
        port = url.port
    except ValueError:  # not a number: the transport says so
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}".rstrip("/")
    netloc = f"[{host}]" if ":" in host else host
    if port and port != _PORTS.get(url.scheme):
        netloc += f":{port}"
    return f"{url.scheme}://{netloc}{url.path}".rstrip("/")


def file_content(option: str, path: Any, variable: str = "the kubeconfig") -> bytes:
    """The bytes of a PEM or token file. Raises ConfigurationError naming the option and ``variable``."""
    try:
        return Path(str(path)).expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{option}: {path} cannot be read: {error.strerror or error}.",
            f"Point {option} (or {variable}) at a readable PEM file.",
        ) from error


def b64(text: str) -> str:
    """Base64 of a text."""
    return base64.b64encode(text.encode()).decode()


def bearer(token: str) -> str:
    """The Authorization header of a token."""
    return token if token.lower().startswith("bearer ") else f"Bearer {token}"


def basic(user: str, password: str) -> str:
    """The Authorization header of a user with a password."""
    return f"Basic {b64(f'{user}:{password}')}"
