"""Work on demand, for tests of load, scaling and streams."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from aiohttp import web

from .callees import CallError, Deadline
from .part import Part

LIMITS = {"ms": 60_000, "cpu": 5_000, "bytes": 10 * 1024 * 1024, "touch": 1, "seconds": 3_600, "interval_ms": 60_000}
NOBODY = "00000000-0000-0000-0000-000000000000"  # no run has this id
PAUSE = 0.5  # seconds before a store is asked again


class Store(Protocol):
    """What holds something of a run."""

    async def find(self, run_id: str) -> int:
        """How much of it."""


class WorkError(ValueError):
    """A request that cannot be done; the message names the parameter, its value and the limit."""


@dataclass(frozen=True)
class Order:
    """How long to wait (ms), how long to compute (cpu ms), how much to answer (bytes), and whom to send on to.

    With `touch` every store of a part is asked as well, under the credentials of that moment.

    `via` is the way down the graph, each part calling the next: `orchestration,agent`; `*` sends it on to every callee.
    The work itself is done where the way ends, with `*` at every part on the way.
    """

    ms: int = 5
    cpu: int = 0
    bytes: int = 100
    touch: int = 0
    via: tuple[str, ...] = ()

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Order:
        """From a query string. Raises WorkError."""
        if unknown := sorted(set(query) - {"ms", "cpu", "bytes", "touch", "via"}):
            raise WorkError(f"unknown parameter {', '.join(unknown)}: there are ms, cpu, bytes, touch and via")
        via = tuple(name for name in query.get("via", "").split(",") if name)
        numbers = (number(query, "ms", 5), number(query, "cpu", 0), number(query, "bytes", 100))
        return cls(*numbers, number(query, "touch", 0), via)


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """A whole number from a query string, within its limit. Raises WorkError."""
    raw = query.get(name, str(default))
    if not raw.isascii() or not raw.isdecimal() or int(raw) > LIMITS[name]:
        raise WorkError(f"{name} is {raw!r}: give a whole number from 0 to {LIMITS[name]}")
    return int(raw)


def _burn(milliseconds: int) -> None:
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        sum(range(1_000))


async def _touch(part: Part, deadline: Deadline) -> int:
    """Ask every store of this part for something; how often one had to be asked again. Raises the last failure."""

    async def ask(store: Store) -> int:
        again = 0
        while True:
            try:
                await store.find(NOBODY)
                return again
            except Exception:
                # Slow or just coming back is no failure while the caller waits.
                if deadline.for_callee() < PAUSE:
                    raise
            again += 1
            await asyncio.sleep(PAUSE)

    stores: tuple[Store | None, ...] = (part.postgres, part.messaging, part.qdrant)
    return sum(await asyncio.gather(*(ask(store) for store in stores if store)))


async def work(part: Part, order: Order, deadline: Deadline) -> dict[str, Any]:
    """Do or pass on what is ordered. Raises CallError where the way down fails, WorkError where there is none."""
    calls = part.settings.calls
    everywhere = order.via == ("*",)
    targets, rest = calls, order.via
    if order.via and not everywhere:
        if order.via[0] not in calls:
            raise WorkError(
                f"via is {','.join(order.via)!r}: {part.settings.name} calls {', '.join(calls) or 'nobody'}"
            )
        targets, rest = order.via[:1], order.via[1:]
    elif not order.via:
        targets = ()

    async def own() -> int:
        if order.cpu:
            await asyncio.to_thread(_burn, order.cpu)  # beside the event loop: probes are still answered
        await asyncio.sleep(order.ms / 1000)
        return await _touch(part, deadline) if order.touch else 0

    async def pass_on(callee: str) -> dict[str, Any]:
        asked = {"ms": order.ms, "cpu": order.cpu, "bytes": order.bytes, "touch": order.touch}
        query = urlencode({**asked, "via": ",".join(rest)})
        reply = await part.callees.call(callee, "GET", f"/internal/work?{query}", deadline)
        if reply.status != 200:
            error = reply.body.get("error", {}) if isinstance(reply.body, dict) else {}
            raise CallError(
                part.settings.name, callee, error.get("message", f"HTTP {reply.status}"), timed_out=reply.status == 504
            )
        return {**reply.body, "sent_again": reply.body["sent_again"] + reply.tries - 1}

    async def here() -> int:
        return await own() if not targets or everywhere else 0

    asked_again, answers = await asyncio.gather(here(), asyncio.gather(*(pass_on(callee) for callee in targets)))
    return {
        **part.identity(),
        "served_by": [part.settings.name, *(name for answer in answers for name in answer["served_by"])],
        "sent_again": sum(answer["sent_again"] for answer in answers),  # calls, below this part
        "asked_again": asked_again + sum(answer["asked_again"] for answer in answers),  # stores, of this part and below
        "padding": "" if targets else "x" * order.bytes,
    }


async def stream(part: Part, request: web.Request) -> web.StreamResponse:
    """Server-sent events for `seconds`, one each `interval_ms`; the last is `end`, or `drain` on a shutdown."""
    seconds = number(request.query, "seconds", 60)
    pause = max(10, number(request.query, "interval_ms", 1_000)) / 1000
    response = web.StreamResponse(
        headers={
            "content-type": "text/event-stream",
            "cache-control": "no-store",
            "x-accel-buffering": "no",  # the edge passes each event on at once
        }
    )
    response.enable_chunked_encoding()
    await response.prepare(request)
    started = time.monotonic()
    count = 0
    end = "end"
    while (elapsed := time.monotonic() - started) < seconds:
        data = json.dumps({"n": count, "elapsed_s": round(elapsed, 3), **part.identity()})
        await response.write(f"id: {count}\ndata: {data}\n\n".encode())
        count += 1
        try:
            # Against the schedule, not after the last event: thousands of events do not add up a delay.
            await asyncio.wait_for(part.cut_streams.wait(), max(0.0, started + count * pause - time.monotonic()))
        except TimeoutError:
            continue
        end = "drain"
        break
    await response.write(f"event: {end}\ndata: {json.dumps({'events': count})}\n\n".encode())
    await response.write_eof()
    return response
