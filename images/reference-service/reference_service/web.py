"""The HTTP face of a part: which routes it has depends on the part it plays."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from . import roundtrip, traces, tracing, work
from .callees import BUDGET, CALLER, CallError, Deadline
from .credentials import CredentialError
from .page import Page
from .part import Part
from .status import Overview, Status
from .tokens import TokenError

log = logging.getLogger("reference_service.http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SPAN = web.RequestKey("span", tracing.Span)
PROBES = frozenset({"/health", "/ready", "/metrics"})
PROMPT = "What does the platform look like today?"
PROMPT_LIMIT = 2_000  # characters
# A connection is closed with an answer after this many seconds, so that callers spread over pods that came later.
CONNECTION_AGE = (30.0, 60.0)
# Longer than any edge keeps an idle connection (nginx 60 s, Traefik 90 s): the edge never sends into one just closed.
KEEPALIVE = 120.0


def make(part: Part) -> web.Application:
    """The application of a part."""
    app = web.Application(client_max_size=64 * 1024, middlewares=[_observe(part), _errors(part)])
    app.on_response_prepare.append(_finish(part))
    face = Face(part)
    app.router.add_get("/health", face.health)
    app.router.add_get("/ready", face.ready)
    app.router.add_get("/metrics", face.metrics)
    app.router.add_get("/version", face.version)
    if part.settings.name == "frontend":
        Page(part).add_to(app.router)
    elif part.settings.name == "gateway":
        app.router.add_get("/", face.version)
        app.router.add_get("/platform", face.platform)
        app.router.add_post("/run", face.run)
        app.router.add_route("GET", "/run/{run_id}", face.left)
        app.router.add_route("DELETE", "/run/{run_id}", face.left)
        app.router.add_get("/work", face.work)
        app.router.add_get("/stream", face.stream)
        app.router.add_post("/session", face.session)
        for path in sorted({resource.canonical for resource in app.router.resources()}):
            app.router.add_route("OPTIONS", path, face.preflight)
    else:
        # Behind the gateway only: the network policies say who may come here.
        app.router.add_get("/internal/status", face.internal_status)
        app.router.add_post("/internal/run", face.internal_run)
        app.router.add_route("GET", "/internal/run/{run_id}", face.left)
        app.router.add_route("DELETE", "/internal/run/{run_id}", face.left)
        app.router.add_get("/internal/work", face.work)
    return app


class Face:
    """The handlers."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._status = Status(part)
        self._overview = Overview(part, self._status)
        self._last_run: dict[str, Any] | None = None

    async def health(self, _: web.Request) -> web.Response:
        """Alive: the event loop turns. Says nothing of dependencies, or their outage would restart every pod."""
        return web.json_response({"status": "ok", **self._part.identity()})

    async def ready(self, _: web.Request) -> web.Response:
        """Whether traffic should come, from memory; 503 with the reasons where not."""
        reasons = self._part.monitor.unready()
        body = {"status": "not ready" if reasons else "ready", "reasons": reasons, **self._part.identity()}
        return web.json_response(body, status=503 if reasons else 200)

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(
            body=generate_latest(self._part.metrics.registry), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    async def version(self, _: web.Request) -> web.Response:
        """Which release of which part."""
        return web.json_response(self._part.identity())

    async def platform(self, _: web.Request) -> web.Response:
        """The map and its state."""
        overview = await self._overview.now()
        return web.json_response({**overview, "last_run": self._last_run}, headers={"cache-control": "no-store"})

    async def run(self, request: web.Request) -> web.Response:
        """A round trip: 200 with its trace, 502 with the same where a hop failed, 401 without a demanded token."""
        if self._part.settings.require_jwt or "authorization" in request.headers:
            try:
                self._part.tokens.check(request.headers.get("authorization", ""))
            except TokenError as error:
                return _error(401, str(error), headers={"www-authenticate": "Bearer"})
        body = await _json(request)
        prompt = body.get("prompt", PROMPT)
        if not isinstance(prompt, str) or not 1 <= len(prompt) <= PROMPT_LIMIT:
            return _error(400, f"prompt must be a text of 1 to {PROMPT_LIMIT} characters")
        try:
            run_id = str(uuid.UUID(body["run_id"])) if "run_id" in body else str(uuid.uuid4())
        except (ValueError, TypeError, AttributeError):
            return _error(400, f"run_id is {str(body['run_id'])[:60]!r}: give a UUID, or none and one is chosen")
        result = await roundtrip.whole(self._part, run_id, prompt)
        self._last_run = {
            "at": time.time(),
            "hops": len(result["hops"]),
            **{key: result[key] for key in ("run_id", "ok", "duration_ms", "errors")},
        }
        log.info("round trip", extra={key: result[key] for key in ("run_id", "ok", "duration_ms", "errors")})
        return web.json_response(result, status=200 if result["ok"] else 502)

    async def left(self, request: web.Request) -> web.Response:
        """What a run left (GET), or its removal (DELETE), here and below."""
        run_id = request.match_info["run_id"]
        try:
            run_id = str(uuid.UUID(run_id))
        except ValueError:
            return _error(400, f"run id is {run_id[:60]!r}: give the run_id that POST /run answered")
        method: traces.Method = "DELETE" if request.method == "DELETE" else "GET"
        return web.json_response(await traces.left(self._part, method, run_id, self._deadline(request)))

    async def work(self, request: web.Request) -> web.Response:
        """Work on demand, here or further down."""
        return web.json_response(
            await work.work(self._part, work.Order.parse(request.query), self._deadline(request, 65.0))
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Events for as long as asked."""
        return await work.stream(self._part, request)

    async def session(self, _: web.Request) -> web.Response:
        """A guest's token."""
        return web.json_response(self._part.tokens.issue(), headers={"cache-control": "no-store"})

    async def internal_status(self, request: web.Request) -> web.Response:
        """This part and those below."""
        budget = self._deadline(request).remaining()
        return web.json_response(await self._status.below(budget))

    async def internal_run(self, request: web.Request) -> web.Response:
        """This part's leg of a round trip."""
        body = await _json(request)
        try:
            run_id, prompt = str(uuid.UUID(body["run_id"])), str(body["prompt"])[:PROMPT_LIMIT]
        except (KeyError, ValueError, TypeError, AttributeError):
            return _error(400, "the body must hold run_id (a UUID) and prompt")
        caller = _caller(request) or "unknown"
        return web.json_response(
            await roundtrip.RoundTrip(self._part).leg(run_id, prompt, caller, self._deadline(request))
        )

    async def preflight(self, request: web.Request) -> web.Response:
        """What a browser asks before it calls from the frontend's host."""
        if request.headers.get("origin") not in self._part.settings.cors_origins:
            return _error(403, "this origin is not among CORS_ALLOWED_ORIGINS")
        return web.Response(
            status=204,
            headers={
                "access-control-allow-methods": "GET, POST, DELETE",
                "access-control-allow-headers": "authorization, content-type, traceparent, tracestate",
                "access-control-max-age": "600",
            },
        )

    def _deadline(self, request: web.Request, longest: float | None = None) -> Deadline:
        """The caller's deadline where it gives one, never longer than this part's own."""
        longest = longest or self._part.settings.run_seconds
        raw = request.headers.get(BUDGET, "")
        return Deadline(min(longest, int(raw) / 1000) if raw.isascii() and raw.isdecimal() else longest)


def _caller(request: web.Request) -> str:
    caller = request.headers.get(CALLER, "")
    return caller if re.fullmatch(r"[a-z][a-z0-9-]{0,40}", caller) else ""


async def _json(request: web.Request) -> dict[str, Any]:
    if not request.can_read_body:
        return {}
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="the body is not JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body must be a JSON object")
    return body


def _error(status: int, message: str, *, hop: str = "", headers: dict[str, str] | None = None) -> web.Response:
    span = tracing.current()
    error = {"status": status, "message": message, "trace_id": span.trace_id if span else ""}
    return web.json_response({"error": error | ({"hop": hop} if hop else {})}, status=status, headers=headers)


def _errors(part: Part) -> Any:
    """Every failure as JSON that names the hop; nothing of the inside in an answer."""

    @web.middleware
    async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            allow = {"allow": error.headers["allow"]} if "allow" in error.headers else None
            return _error(error.status, error.text or error.reason, headers=allow)
        except work.WorkError as error:
            return _error(400, str(error))
        except CallError as error:
            return _error(504 if error.timed_out else 502, str(error), hop=error.hop)
        except CredentialError as error:
            return _error(503, str(error))
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("request failed", extra={"route": _route(request), "part": part.settings.name})
            return _error(500, "internal error")

    return errors


def _route(request: web.Request) -> str:
    """The route's pattern: a label that a caller cannot make many of."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unknown"


def _observe(part: Part) -> Any:
    """Trace, count, time and log each request."""
    metrics = part.metrics

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.monotonic()
        route, status = _route(request), 499  # a client that went away
        part.in_flight += 1
        metrics.in_flight.set(part.in_flight)
        with tracing.active(tracing.from_headers(request.headers)) as request[SPAN]:
            try:
                response = await handler(request)
                status = response.status
                return response
            finally:
                part.in_flight -= 1
                metrics.in_flight.set(part.in_flight)
                seconds = time.monotonic() - started
                method = request.method if request.method in {"GET", "POST", "DELETE", "OPTIONS", "HEAD"} else "other"
                metrics.requests.labels(method, route, str(status)).inc()
                metrics.latency.labels(route).observe(seconds)
                log.log(
                    logging.DEBUG if route in PROBES else logging.INFO,
                    "request",
                    extra={
                        "method": method,
                        "route": route,
                        "status": status,
                        "duration_ms": round(seconds * 1000, 2),
                        "caller": _caller(request),
                    },
                )

    return observe


def _finish(part: Part) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """What every response gets just before its headers leave."""
    closes: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    async def finish(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["server"] = "reference-service"
        response.headers.setdefault("x-content-type-options", "nosniff")
        if SPAN in request:  # it has left the context by now
            response.headers["traceparent"] = request[SPAN].headers()["traceparent"]
        if part.settings.name == "gateway":
            response.headers["vary"] = "origin"
            if (origin := request.headers.get("origin", "")) in part.settings.cors_origins:
                response.headers["access-control-allow-origin"] = origin
                response.headers["access-control-expose-headers"] = "traceparent"
        now = time.monotonic()
        if request.transport is not None:  # None: the client is gone
            closing = closes.setdefault(request.transport, now + random.uniform(*CONNECTION_AGE))  # noqa: S311 - jitter
            if part.monitor.draining or now >= closing:
                response.force_close()

    return finish
