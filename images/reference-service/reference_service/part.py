"""A part with everything that it was told to use, and nothing else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from .callees import Callee, Callees
from .messaging import Messaging
from .metrics import Metrics
from .monitor import Dependency, Monitor
from .postgres import Postgres
from .qdrant import Qdrant
from .settings import Settings
from .tokens import Tokens


class Part:
    """The state of the process. Made inside the event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics(settings)
        self.started = time.monotonic()
        self.in_flight = 0
        self.cut_streams = asyncio.Event()  # set when streams that still run have to end
        self.tokens = Tokens(settings.credentials)
        # The parts behind this one are reached through ClusterIPs: a short DNS memory is enough, and no cookie is kept.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=200, ttl_dns_cache=10, keepalive_timeout=15),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.callees = Callees(settings, self.metrics, lambda: self._session)
        self.postgres = Postgres(settings) if "postgres" in settings.uses else None
        self.qdrant = Qdrant(settings, lambda: self._session) if "qdrant" in settings.uses else None
        self.messaging = Messaging(settings, self._answer) if "nats" in settings.uses else None
        stores: list[Dependency] = [s for s in (self.postgres, self.qdrant, self.messaging) if s is not None]
        parts = [Callee(name, settings.service_urls[name], lambda: self._session) for name in settings.calls]
        self.monitor = Monitor([*stores, *parts], self.metrics)

    async def _answer(self, question: dict[str, Any], caller: str) -> dict[str, Any]:
        """The reply to a question over NATS: who answered it."""
        return {**self.identity(), "run_id": question.get("run_id"), "caller": caller}

    def identity(self) -> dict[str, str]:
        """Which process this is."""
        settings = self.settings
        return {"part": settings.name, "version": settings.version, "pod": settings.pod}

    def report(self) -> dict[str, Any]:
        """What the part knows of itself; of a credential only whether it is there."""
        reasons = self.monitor.unready()
        state = "draining" if self.monitor.draining else "not ready" if reasons else "ready"
        return {
            **self.identity(),
            "state": state,
            "reasons": reasons,
            "node": self.settings.node,
            "uptime_s": round(time.monotonic() - self.started),
            "in_flight": self.in_flight,
            "calls": list(self.settings.calls),
            "uses": sorted(self.settings.uses),
            "stores": [s.report() for s in self.monitor.states if s.dependency.kind == "store"],
            "credentials": self.settings.credentials.given(),
        }

    async def close(self) -> None:
        """Let go of everything, NATS with a drain first. Only after the last request is answered."""
        await self.monitor.stop()
        await asyncio.gather(*(s.dependency.close() for s in self.monitor.states), return_exceptions=True)
        await self._session.close()
