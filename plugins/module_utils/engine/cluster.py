"""The API server as the engine sees it: JSON in, JSON out, with the re-sending that is safe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from .config import resolve
from .connection import Connection
from .errors import ApiError, ConnectionFailed
from .interruption import Interruption
from .kinds import Kind, Registry
from .retry import PATIENCE_SECONDS, delays, passes_by_itself
from .transport import Disconnected, Transport, Untrusted

# One of these may write an object; kubectl's `--field-manager` in Kubernetes' words.
FIELD_MANAGER = "multi-agent-platform"
PAGE = 500
JSON = {"Content-Type": "application/json"}
# JSON is YAML; the server asks for this type on server-side apply.
APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}

Object = dict[str, Any]


def connect(params: Mapping[str, Any], patience: float = PATIENCE_SECONDS) -> Cluster:
    """A Cluster by the options of kubernetes.core (see ``config``). Nothing is sent yet.

    Raises ConfigurationError.
    """
    return Cluster(resolve(params), patience)


class Cluster:
    """Requests to one API server. Safe to use from many threads."""

    def __init__(self, connection: Connection, patience: float = PATIENCE_SECONDS) -> None:
        self.connection = connection
        self.transport = Transport(connection)
        self.kinds = Registry(self._discover)
        # Tell this to stop, and every request that is not yet on its way is left undone.
        self.interruption = Interruption()
        self._patience = patience

    # --- requests -----------------------------------------------------------------------------------------------------

    def get(self, path: str, query: dict[str, Any] | None = None) -> Object:
        """GET ``path``. Raises ApiError, ConnectionFailed."""
        return self.send("GET", path, query)[1]

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Object | None = None,
        headers: dict[str, str] | None = None,
        what: str = "",
    ) -> tuple[int, Object]:
        """Status and body of one request, sent again while the failure may pass by itself.

        ``what`` names the object in errors. Raises ApiError (with the server's reason), ConnectionFailed, Interrupted.
        """
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        send_headers = headers or (JSON if body is not None else None)
        versioned = "resourceVersion" in (body or {}).get("metadata", {})
        dry_run = "dryRun" in (query or {})
        waits: Iterator[float] | None = None
        deadline = 0.0
        renewed = False
        while True:
            self.interruption.check()
            failure: ApiError | ConnectionFailed
            retry_after = 0.0
            try:
                response = self.transport.request(method, path, query, body=data, headers=send_headers)
                self._check_redirect(response.status, response.headers.get("Location"))
                if response.status < 400:
                    return response.status, _json(response.data)
                error = _api_error(response.status, response.data, what)
                if error.status == 401 and not renewed:
                    # A token may have expired since it was read: the next attempt asks for it anew, once.
                    renewed = True
                    continue
                if not passes_by_itself(error, method, versioned=versioned, dry_run=dry_run):
                    raise error
                failure = error
                retry_after = _seconds(response.headers.get("Retry-After"))
            except Untrusted as cause:
                raise self._untrusted(cause) from cause
            except ValueError:
                failure = self._no_api_server("answers with something that is not JSON")
            except Disconnected as cause:
                failure = ConnectionFailed(
                    f"{self.transport.server} cannot be reached: {cause}."
                    if not what
                    else f"{what}: {self.transport.server} cannot be reached: {cause}.",
                    f"Check that the cluster runs and that this address is right ({self.connection.source}).",
                )
            if waits is None:
                waits, deadline = delays(self._patience), time.monotonic() + self._patience
            delay = next(waits, None)
            # A run that was told to stop ends by that, not by what happened to be on the way; where it puts things in
            # order all the same, it has no time for more than one attempt.
            self.interruption.check()
            if delay is None or self.interruption.reason:
                raise failure
            self.interruption.sleep(max(delay, min(retry_after, deadline - time.monotonic())))

    def _check_redirect(self, status: int, location: str | None) -> None:
        """Raises ConnectionFailed for a 3xx: no API server sends one to what is asked here."""
        if 300 <= status < 400:
            # Without its query, which may hold what signs somebody in.
            target = urlsplit(urljoin(f"{self.transport.server}/", location or ""))
            where = f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}" if location else "nowhere"
            raise self._no_api_server(f"redirects to {where} (HTTP {status})")

    def _no_api_server(self, does: str) -> ConnectionFailed:
        return ConnectionFailed(
            f"{self.transport.server} {does}.",
            f"Is something else there than an API server, a sign-in page perhaps? ({self.connection.source})",
        )

    def _untrusted(self, cause: Untrusted) -> ConnectionFailed:
        return ConnectionFailed(
            f"{self.transport.server}: TLS failed: {cause}.",
            "Check the certificate authority (platform_ca_cert or option ca_cert, K8S_AUTH_SSL_CA_CERT, "
            "certificate-authority-data of a kubeconfig) and the server's name; K8S_AUTH_VERIFY_SSL=false turns the "
            "check off.",
        )

    def _discover(self, path: str, accept: str) -> Object:
        return self.send("GET", path, headers={"Accept": accept})[1]

    # --- objects ------------------------------------------------------------------------------------------------------

    def find(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """One object, or None where it does not exist."""
        try:
            return self.get(kind.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        shorten: Callable[[Object], None] = lambda _obj: None,
    ) -> tuple[list[Object], str]:
        """All objects that the selectors choose, and the resourceVersion to watch from. Read in pages.

        ``shorten`` drops from an object what the caller does not need, before the next page is read.

        No resourceVersion is asked for, so the answer is never stale; the supported servers give it from their watch
        cache all the same (KEP-2340).
        """
        items: list[Object] = []
        query: dict[str, Any] = {"limit": PAGE}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        while True:
            try:
                page = self.get(kind.path(namespace), query)
            except ApiError as error:
                if error.status == 410 and query.pop("continue", None):
                    items.clear()  # the snapshot behind the pages is gone: begin again
                    continue
                raise
            for item in page.get("items") or []:
                # Items of a list carry neither; callers expect objects as GET gives them.
                item["apiVersion"], item["kind"] = kind.api_version, kind.kind
                shorten(item)
                items.append(item)
            metadata = page.get("metadata") or {}
            token = metadata.get("continue")
            if not token:
                return items, str(metadata.get("resourceVersion") or "")
            query["continue"] = token

    def apply(
        self, kind: Kind, obj: Object, *, dry_run: bool = False, force: bool = False, what: str = ""
    ) -> tuple[bool, Object]:
        """Server-side apply of one object: whether it was created, and the object as the server has it now.

        Unknown and duplicate fields are refused (fieldValidation=Strict).
        https://kubernetes.io/docs/reference/using-api/server-side-apply/
        """
        metadata = obj["metadata"]
        query: dict[str, Any] = {
            "fieldManager": FIELD_MANAGER,
            "fieldValidation": "Strict",
            "force": "true" if force else "false",
        }
        if dry_run:
            query["dryRun"] = "All"
        path = kind.path(metadata.get("namespace"), metadata["name"])
        status, answer = self.send("PATCH", path, query, obj, APPLY, what)
        return status == 201, answer

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Object,
        writer: str,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Merge patch (RFC 7396) of one object; the object as it is now.

        ``writer`` makes a field manager apart from the engine's: its record of what is declared stays as it is.
        """
        query = {"fieldManager": f"{FIELD_MANAGER}-{writer}", **({"dryRun": "All"} if dry_run else {})}
        path = "/".join(filter(None, (kind.path(namespace, name), subresource)))
        return self.send("PATCH", path, query, body, MERGE_PATCH, f"{kind.kind} {name}")[1]

    def create(self, kind: Kind, obj: Object, *, what: str = "") -> Object | None:
        """POST one object; None where it exists already."""
        try:
            path = kind.path(obj["metadata"].get("namespace"))
            return self.send("POST", path, {"fieldManager": FIELD_MANAGER}, obj, None, what)[1]
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                return None
            raise

    def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        version: str = "",
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> bool:
        """Delete one object; False if it is gone already, is another one (``uid``) or has changed since (``version``).

        ``version``: its resourceVersion.
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if preconditions := {k: v for k, v in (("uid", uid), ("resourceVersion", version)) if v}:
            options["preconditions"] = preconditions
        if dry_run:
            options["dryRun"] = ["All"]
        try:
            self.send("DELETE", kind.path(namespace, name), None, options, None, f"{kind} {name}")
        except ApiError as error:
            if error.status == 404 or (error.status == 409 and uid):
                return False
            raise
        return True

    # --- watching -----------------------------------------------------------------------------------------------------

    def watch(
        self,
        kind: Kind,
        namespace: str | None,
        resource_version: str,
        *,
        labels: str = "",
        fields: str = "",
        seconds: float = 60.0,
    ) -> Iterator[tuple[str, Object]]:
        """Events from ``resource_version`` on, for at most ``seconds``: (type, object).

        Types: ADDED, MODIFIED, DELETED, BOOKMARK.

        Ends quietly when the server closes the stream, the connection breaks or a line is no event: resume from the
        last resourceVersion seen. Raises ApiError 410 where that is too old: list again; ConnectionFailed where no API
        server is there, or none that is trusted.
        """
        query: dict[str, Any] = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": max(1, int(seconds)),
        }
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        try:
            response = self.transport.request(
                "GET", kind.path(namespace), query, stream=True, read_seconds=max(5.0, seconds)
            )
            try:
                self._check_redirect(response.status, response.headers.get("Location"))
                if response.status >= 400:
                    raise _api_error(response.status, response.read(), f"watch {kind.plural}")
                for line in self.transport.lines(response):
                    event, obj = _event(line)
                    if event == "ERROR":
                        raise ApiError(int(obj.get("code") or 500), obj, what=f"watch {kind.plural}")
                    yield event, obj
            finally:
                response.close()
        except Untrusted as cause:
            raise self._untrusted(cause) from cause
        except (Disconnected, ValueError):
            return

    def version(self) -> Object:
        """The server's ``/version``: major, minor, gitVersion, platform."""
        return self.get("/version")

    def close(self) -> None:
        self.transport.close()


def _json(data: bytes) -> Object:
    """The object of an answer. Raises ValueError where it is none."""
    body = json.loads(data) if data else {}
    if not isinstance(body, dict):
        raise ValueError
    return body


def _event(line: bytes) -> tuple[str, Object]:
    """Type and object of a line of a watch. Raises ValueError where it is no event."""
    event = json.loads(line)
    if not (isinstance(event, dict) and isinstance(event.get("type"), str) and isinstance(event.get("object"), dict)):
        raise ValueError
    return event["type"], event["object"]


def _seconds(retry_after: str | None) -> float:
    try:
        return float(retry_after or 0)
    except ValueError:
        return 0.0


def _api_error(status: int, data: bytes, what: str) -> ApiError:
    try:
        body = json.loads(data)
        if not isinstance(body, dict):
            raise ValueError
    except ValueError:
        # Not the API server's words (a proxy's page, say): keep the first line.
        text = data.decode("utf-8", "replace").strip().splitlines()
        body = {"message": f"HTTP {status}: {text[0][:200] if text else 'no text'}"}
    return ApiError(status, body, what=what, remedy=_REMEDY.get(status, ""))


_REMEDY = {
    401: "The server does not accept these credentials: check the token or certificate (expired?) of this context.",
    403: "Give this user the permission, or use another context; `kubectl auth can-i --list` shows what it may do.",
}
