"""The frontend: a page that shows the platform, and a way to the gateway for where the edge has no API host."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from .callees import Deadline
from .part import Part

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
# What the page may ask the gateway through its own host; anything else is not found.
_PASSED_ON = {("GET", "platform"): 5.0, ("POST", "run"): 15.0, ("POST", "session"): 5.0}  # seconds


class Page:
    """Static files from memory, what the page needs to know, and the way to the gateway."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._files = {file.name: file.read_bytes() for file in files(__package__).joinpath("static").iterdir()}
        api = part.settings.public_api_url
        # Everything from this host alone, but the calls to the API.
        self._policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {api};"
            " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def add_to(self, router: web.UrlDispatcher) -> None:
        """The routes."""
        router.add_get("/", self._static)
        router.add_get("/config.json", self._config)
        router.add_route("*", "/api/{name}", self._pass_on)
        router.add_get("/{name}", self._static)

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", "index.html")
        body = self._files.get(name)
        if body is None:
            raise web.HTTPNotFound
        headers = {
            "content-type": f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8",
            "content-security-policy": self._policy,
            "referrer-policy": "no-referrer",
            "cache-control": "no-cache",
        }
        return web.Response(body=body, headers=headers)

    async def _config(self, _: web.Request) -> web.Response:
        body = {"api_url": self._part.settings.public_api_url, "self": self._part.report()}
        return web.json_response(body, headers={"cache-control": "no-store"})

    async def _pass_on(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        seconds = _PASSED_ON.get((request.method, name))
        if seconds is None or "gateway" not in self._part.settings.calls:
            raise web.HTTPNotFound
        body = await request.json() if request.can_read_body else None
        headers = {key: request.headers[key] for key in ("authorization",) if key in request.headers}
        reply = await self._part.callees.call(
            "gateway", request.method, f"/{name}", Deadline(seconds), json=body, headers=headers
        )
        return web.json_response(reply.body, status=reply.status, headers={"cache-control": "no-store"})
