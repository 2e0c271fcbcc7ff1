"""A registry in this process, in memory: what `docker push`, `pull` and `manifest inspect` need of one.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Registry:
    """``manifests``: (repository, tag or digest) -> (media type, bytes)."""

    address: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)

    def digest(self, repository: str, tag: str) -> str:
        """The digest that a tag leads to."""
        return _digest(self.manifests[repository, tag][1])

    def tags(self, repository: str) -> set[str]:
        """The tags of a repository."""
        return {tag for name, tag in self.manifests if name == repository and not tag.startswith("sha256:")}


@contextmanager
def registry() -> Iterator[Registry]:
    """One that serves on a port of its own; docker takes plain HTTP from addresses of this machine."""

    class Handler(_Handler):
        store = Registry("")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.store.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Handler.store
    finally:
        server.shutdown()
        server.server_close()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    store: Registry
    protocol_version = "HTTP/1.1"
    # A client that tries TLS first knows by the status line that it has to do without.
    default_request_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet: pytest shows what fails."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path in {"/v2", "/v2/"}:
            self._answer(200, b"{}")
        elif match := re.fullmatch(r"/v2/(.+)/blobs/(sha256:[0-9a-f]+)", path):
            blob = self.store.blobs.get(match[2])
            self._missing("BLOB_UNKNOWN") if blob is None else self._answer(200, blob, digest=match[2])
        elif match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
            found = self.store.manifests.get((match[1], match[2]))
            if found is None:
                self._missing("MANIFEST_UNKNOWN")
            else:
                self._answer(200, found[1], found[0], _digest(found[1]))
        else:
            self._missing("UNSUPPORTED")

    do_HEAD = do_GET  # noqa: N815 - the standard library's names

    def do_POST(self) -> None:
        repository = urlsplit(self.path).path.removeprefix("/v2/").partition("/blobs/")[0]
        session = f"{repository}/blobs/uploads/{secrets.token_hex(8)}"
        self._body()
        self._uploaded(session, b"")

    def do_PATCH(self) -> None:
        session = urlsplit(self.path).path.removeprefix("/v2/")
        self._uploaded(session, self.store.uploads[session] + self._body())

    def do_PUT(self) -> None:
        url = urlsplit(self.path)
        content = self._body()
        if match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", url.path):
            for name in (match[2], _digest(content)):
                self.store.manifests[match[1], name] = (self.headers["Content-Type"], content)
            self._location(201, url.path, _digest(content))
            return
        session = url.path.removeprefix("/v2/")
        content = self.store.uploads.pop(session) + content
        digest = parse_qs(url.query)["digest"][0]
        self.store.blobs[digest] = content
        self._location(201, f"/v2/{session.partition('/blobs/')[0]}/blobs/{digest}", digest)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _uploaded(self, session: str, content: bytes) -> None:
        self.store.uploads[session] = content
        self._location(202, f"/v2/{session}", uploaded=len(content))

    def _location(self, status: int, where: str, digest: str = "", uploaded: int = 0) -> None:
        headers = {"Location": where, "Range": f"0-{max(0, uploaded - 1)}"}
        self._answer(status, b"", digest=digest, headers=headers)

    def _missing(self, code: str) -> None:
        self._answer(404, f'{{"errors": [{{"code": "{code}", "message": "unknown"}}]}}'.encode())

    def _answer(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        digest: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
