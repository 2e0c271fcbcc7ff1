"""One round trip through the graph: every part leaves a row, an event and (vector) a vector, and calls on.

Times in a leg's answer are milliseconds since that leg began, and each caller moves them onto its own clock: no two
clocks are ever compared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from . import specialities, tracing
from .callees import CallError, Deadline
from .messaging import MessagingError
from .monitor import describe
from .part import Part

Hop = dict[str, Any]


def _elapsed(since: float) -> float:
    return round((time.monotonic() - since) * 1000, 2)


class RoundTrip:
    """This part's leg."""

    def __init__(self, part: Part) -> None:
        self._part = part

    async def leg(self, run_id: str, prompt: str, caller: str, deadline: Deadline) -> dict[str, Any]:
        """Do this part's share and have the callees do theirs. Never raises: what failed is in the hops."""
        part, started = self._part, time.monotonic()
        span = tracing.current()
        trace_id = span.trace_id if span else ""
        name = part.settings.name
        answer = specialities.answer(name, prompt)
        touches: list[Awaitable[dict[str, Any]]] = []
        if part.postgres:
            touches.append(self._touch("postgres", part.postgres.record(run_id, caller, trace_id, answer), deadline))
        if part.messaging:
            event = {"run_id": run_id, "caller": caller, "trace_id": trace_id, "answer": answer}
            touches.append(self._touch("nats", part.messaging.record(run_id, event), deadline))
        if part.qdrant:
            touches.append(self._touch("qdrant", part.qdrant.record(run_id, prompt), deadline))
        calls = [self._call(callee, run_id, prompt, started, deadline) for callee in part.settings.calls]
        asks = [self._ask(callee, run_id, started, deadline) for callee in part.settings.calls if part.messaging]
        touched, called, asked = await asyncio.gather(
            asyncio.gather(*touches), asyncio.gather(*calls), asyncio.gather(*asks)
        )
        hops: list[Hop] = [hop for group in called for hop in group] + asked
        failed = [touch for touch in touched if not touch["ok"]]
        ok = not failed and all(hop["ok"] for hop in hops)
        part.metrics.round_trips.labels("ok" if ok else "error").inc()
        part.metrics.round_trip_latency.observe(time.monotonic() - started)
        return {
            **part.identity(),
            "ok": ok,
            "duration_ms": _elapsed(started),
            "touched": touched,
            "answer": answer,
            "hops": hops,
        }

    async def _touch(self, store: str, work: Awaitable[str], deadline: Deadline) -> dict[str, Any]:
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline.for_callee()):
                what = await work
        except Exception as error:  # a driver's error ends here, as part of the trace
            return {"store": store, "ok": False, "error": describe(error), "duration_ms": _elapsed(started)}
        return {"store": store, "ok": True, "what": what, "duration_ms": _elapsed(started)}

    async def _call(self, callee: str, run_id: str, prompt: str, leg_started: float, deadline: Deadline) -> list[Hop]:
        """The HTTP hop to a callee and, after it, the hops that the callee reports."""
        hop = self._hop(callee, "http", leg_started)
        started = time.monotonic()
        below: list[Hop] = []
        try:
            reply = await self._part.callees.call(
                callee, "POST", "/internal/run", deadline, json={"run_id": run_id, "prompt": prompt}
            )
            if reply.status != 200:
                raise CallError(hop["caller"], callee, f"HTTP {reply.status}")
            leg = reply.body
            below = [{**h, "start_ms": round(h["start_ms"] + hop["start_ms"], 2)} for h in leg["hops"]]
            hop |= {key: leg[key] for key in ("version", "pod", "touched", "answer")} | {"tries": reply.tries}
            failed = [f"{touch['store']}: {touch['error']}" for touch in leg["touched"] if not touch["ok"]]
            hop |= {"ok": not failed} | ({"error": "; ".join(failed)} if failed else {})
        except CallError as error:
            hop["error"] = error.reason
        except (KeyError, TypeError) as error:
            hop["error"] = f"not the answer of a part: {error!r}"
        hop["duration_ms"] = _elapsed(started)
        return [hop, *below]

    async def _ask(self, callee: str, run_id: str, leg_started: float, deadline: Deadline) -> Hop:
        """The NATS hop to a callee."""
        hop = self._hop(callee, "nats", leg_started)
        messaging, metrics, started = self._part.messaging, self._part.metrics, time.monotonic()
        assert messaging is not None  # noqa: S101 - only asked for where the part uses NATS
        try:
            reply = await messaging.ask(callee, {"run_id": run_id}, min(deadline.for_callee(), 5.0))
            hop |= {"ok": True, "version": reply.get("version", ""), "pod": reply.get("pod", "")}
        except (MessagingError, ValueError) as error:
            hop["error"] = describe(error)
        metrics.calls.labels(callee, "nats", "ok" if hop["ok"] else "error").inc()
        metrics.call_latency.labels(callee, "nats").observe(time.monotonic() - started)
        hop["duration_ms"] = _elapsed(started)
        return hop

    def _hop(self, callee: str, transport: str, leg_started: float) -> Hop:
        return {
            "part": callee,
            "caller": self._part.settings.name,
            "transport": transport,
            "start_ms": _elapsed(leg_started),
            "ok": False,
            "touched": [],
        }


async def whole(part: Part, run_id: str, prompt: str) -> dict[str, Any]:
    """The round trip as the gateway reports it: its own leg is the first hop."""
    span = tracing.current()
    leg = await RoundTrip(part).leg(run_id, prompt, "client", Deadline(part.settings.run_seconds))
    failed = [f"{touch['store']}: {touch['error']}" for touch in leg["touched"] if not touch["ok"]]
    first: Hop = {
        **part.identity(),
        "caller": "client",
        "transport": "http",
        "start_ms": 0.0,
        "duration_ms": leg["duration_ms"],
        "touched": leg["touched"],
        "ok": not failed,
        **({"error": "; ".join(failed)} if failed else {}),
    }
    hops = [first, *sorted(leg["hops"], key=lambda hop: hop["start_ms"])]
    return {
        "run_id": run_id,
        "trace_id": span.trace_id if span else "",
        "ok": leg["ok"],
        "duration_ms": leg["duration_ms"],
        "parts": sorted({hop["part"] for hop in hops}),
        "errors": [
            f"{hop['caller']} > {hop['part']} over {hop['transport']}: {hop['error']}" for hop in hops if not hop["ok"]
        ],
        "hops": hops,
    }
