"""From start to exit: serve at once, connect behind, and on SIGTERM leave without losing a request.

1. not ready at once, requests still taken for DRAIN_SECONDS: endpoints and edges need that long to hear of it;
   every answer closes its connection, so that callers move on by themselves
2. the NATS queue group is left, the listening socket is closed
3. what is in flight is finished, until GRACE_SECONDS after the signal; streams are told to end shortly before
4. NATS is drained, the rest closed, exit code 0
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time

from aiohttp import web

from .part import Part
from .settings import Settings
from .web import KEEPALIVE, make

log = logging.getLogger(__name__)

STREAMS_END = 2.0  # seconds before the grace is over
LAST_ANSWERS = 1.0  # seconds for what came in at the very end
STEP = 0.02  # seconds between two looks at what is in flight


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then leave in order."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    part = Part(settings)
    runner = web.AppRunner(
        make(part), access_log=None, keepalive_timeout=KEEPALIVE, shutdown_timeout=LAST_ANSWERS, handle_signals=False
    )
    await runner.setup()
    site = web.TCPSite(runner, None, settings.port, backlog=512)
    await site.start()
    part.monitor.start()
    log.info(
        "serving",
        extra={"port": settings.port, "calls": list(settings.calls), "uses": sorted(settings.uses)},
    )
    await stop.wait()
    await _leave(part, runner, site)


async def _leave(part: Part, runner: web.AppRunner, site: web.TCPSite) -> None:
    settings, signalled = part.settings, time.monotonic()
    part.monitor.draining = True
    part.metrics.draining.set(1)
    log.info("draining", extra={"in_flight": part.in_flight, "seconds": settings.drain_seconds})
    await asyncio.sleep(settings.drain_seconds)
    if part.messaging is not None:
        await part.messaging.stop_answering()
    await site.stop()
    streams_end = signalled + settings.grace_seconds - STREAMS_END
    while part.in_flight and time.monotonic() < streams_end:
        await asyncio.sleep(STEP)
    part.cut_streams.set()
    while part.in_flight and time.monotonic() < signalled + settings.grace_seconds:
        await asyncio.sleep(STEP)
    cut = part.in_flight
    await runner.cleanup()  # first: until then a kept connection may still bring a request, and it is answered
    await part.close()
    log.log(
        logging.WARNING if cut else logging.INFO,
        "stopped",
        extra={"requests_cut": cut, "seconds": round(time.monotonic() - signalled, 2)},
    )
