"""HTTP to the parts that this one calls: deadlines shrink on the way down, a lost connection is tried again."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from . import tracing
from .metrics import Metrics
from .monitor import Dependency, describe
from .settings import Settings

TRIES = 8  # about two seconds: until everyone has heard that a killed pod's address is gone
CONNECT = 2.0  # seconds for a connection; who does not answer by then is gone without a word, as a killed pod is
PAUSE, LONGEST_PAUSE = 0.05, 0.5  # seconds before the second try, doubled for each further one
CALLER, BUDGET = "x-caller", "x-timeout-ms"
# What a caller keeps of its time for its own answer when it sets its callee a deadline: a share, and seconds at least.
RESERVE_SHARE, RESERVE_LEAST = 0.1, 0.02


class CallError(RuntimeError):
    """A hop that failed; the message names it: `agent > model: reason`."""

    def __init__(self, caller: str, callee: str, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(f"{caller} > {callee}: {reason}")
        self.hop = f"{caller} > {callee}"
        self.reason = reason
        self.timed_out = timed_out


@dataclass(frozen=True)
class Reply:
    """A callee's JSON answer, and how many times the call was sent."""

    status: int
    body: Any
    tries: int


class Deadline:
    """A moment by which an answer has to be there."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def for_callee(self) -> float:
        """Seconds to give to a callee, so that its failure can still be reported up in time."""
        remaining = self.remaining()
        return max(0.0, remaining - max(RESERVE_LEAST, remaining * RESERVE_SHARE))


class Callees:
    """The only way to another part. A call can be sent twice: what it leaves is keyed by the run (decision 0403)."""

    def __init__(self, settings: Settings, metrics: Metrics, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._settings = settings
        self._metrics = metrics
        self._session = session

    async def call(
        self,
        callee: str,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        json: Any = None,
        headers: dict[str, str] | None = None,
        tries: int = TRIES,
    ) -> Reply:
        """Ask a part and return its JSON. Raises CallError on a lost connection, a time-out, or what is not JSON."""
        started = time.monotonic()
        outcome = "error"
        try:
            reply = await self._send(callee, method, path, deadline, tries, json=json, extra=headers or {})
            outcome = "ok" if reply.status < 500 else "error"
            return reply
        finally:
            self._metrics.calls.labels(callee, "http", outcome).inc()
            self._metrics.call_latency.labels(callee, "http").observe(time.monotonic() - started)

    async def _send(
        self, callee: str, method: str, path: str, deadline: Deadline, tries: int, *, json: Any, extra: dict[str, str]
    ) -> Reply:
        name, lost = self._settings.name, "no time left to call"
        for attempt in range(1, tries + 1):
            budget = deadline.for_callee()
            if budget <= 0:
                raise CallError(name, callee, lost, timed_out=True)
            headers = {**extra, **tracing.outgoing(), CALLER: name, BUDGET: str(int(budget * 1000))}
            try:
                async with self._session().request(
                    method,
                    self._settings.service_urls[callee] + path,
                    json=json,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=deadline.remaining(), sock_connect=CONNECT),
                    allow_redirects=False,
                ) as response:
                    return Reply(response.status, await response.json(), attempt)
            except aiohttp.ContentTypeError as error:
                raise CallError(name, callee, f"HTTP {error.status}, not the JSON of a part") from None
            # First those without a connection, of which one is a time-out too.
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
                lost = explain(error)
                if attempt == tries:
                    raise CallError(name, callee, lost) from None
                self._metrics.retries.labels(callee).inc()
                pause = min(LONGEST_PAUSE, PAUSE * 2 ** (attempt - 1)) * random.uniform(0.75, 1.0)  # noqa: S311 - jitter
                await asyncio.sleep(min(pause, deadline.remaining()))
            except TimeoutError:
                raise CallError(name, callee, f"no answer within {budget:.1f} s", timed_out=True) from None
        raise AssertionError("unreachable")


def explain(error: Exception) -> str:
    """Why nobody could be reached, in the words of people: the address and what the network said."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"no address for {error.host}"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = os.strerror(error.os_error.errno).lower() if error.os_error.errno else "no connection"
        return f"{reason} at {error.host}:{error.port}"
    return describe(error)


class Callee(Dependency):
    """Another part as something to wait for."""

    kind = "part"

    def __init__(self, name: str, url: str, session: Callable[[], aiohttp.ClientSession]) -> None:
        super().__init__(name)
        self._url = url
        self._session = session

    async def check(self) -> None:
        """Ready. Its Service routes to no pod before one is, and where there is no Service its own word counts."""
        try:
            async with self._session().get(f"{self._url}/ready", timeout=aiohttp.ClientTimeout(total=1.4)) as response:
                if response.status != 200:
                    raise ConnectionError(f"HTTP {response.status} on /ready")
        except aiohttp.ClientConnectionError as error:
            raise ConnectionError(explain(error)) from None
