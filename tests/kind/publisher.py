"""Publishes to JetStream until /tmp/stop exists, and says what was acknowledged. Runs inside of the cluster.

PUBLISH: {"rate": messages a second}. Every message has its own subject and is sent again until it is acknowledged.
With the argument `copies` it prints the state of the stream's copies instead.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

USER, STREAM = "gateway", "platform"
SUBJECT = f"platform.{USER}.events"
WORKERS = 4


async def connect() -> Client:
    return await nats.connect(
        os.environ["NATS_URL"],
        user=USER,
        password=os.environ["NATS_PASSWORD"],
        inbox_prefix=f"_INBOX.{USER}",
        connect_timeout=2,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,
        ping_interval=2,
        max_outstanding_pings=2,
        allow_reconnect=True,
    )


async def publish(client: Client, worker: int, pause: float, report: dict[str, Any]) -> None:
    stream, number = client.jetstream(timeout=2), 0
    while not Path("/tmp/stop").exists():
        identity, begin = f"{worker}-{number}", time.monotonic()
        while True:
            try:
                await stream.publish(f"{SUBJECT}.{identity}", b"x" * 256, headers={"Nats-Msg-Id": identity})
                break
            except Exception as error:
                kind = error.__class__.__name__
                report["errors"][kind] = report["errors"].get(kind, 0) + 1
                await asyncio.sleep(0.2)
        report["longest"] = max(report["longest"], time.monotonic() - begin)
        report["acknowledged"][worker] = number = number + 1
        await asyncio.sleep(pause)


async def main() -> None:
    client = await connect()
    manager = client.jetstream(timeout=5)
    if sys.argv[1:] == ["copies"]:
        info = await manager.stream_info(STREAM)
        cluster = info.cluster
        peers = [{"name": p.name, "current": p.current, "offline": bool(p.offline)} for p in cluster.replicas or []]
        print(json.dumps({"replicas": info.config.num_replicas, "leader": cluster.leader, "peers": peers}))
        await client.close()
        return
    try:
        await manager.stream_info(STREAM)
    except NotFoundError:
        await manager.add_stream(
            name=STREAM, subjects=["platform.*.events.>"], num_replicas=int(os.environ["NATS_STREAM_REPLICAS"])
        )
    report: dict[str, Any] = {"acknowledged": [0] * WORKERS, "errors": {}, "longest": 0.0}
    pause = WORKERS / json.loads(os.environ["PUBLISH"])["rate"]
    Path("/tmp/ready").touch()
    await asyncio.gather(*(publish(client, worker, pause, report) for worker in range(WORKERS)))
    info = await manager.stream_info(STREAM, subjects_filter=f"{SUBJECT}.>")
    kept = set(info.state.subjects or {})
    wanted = {f"{SUBJECT}.{worker}-{n}" for worker, count in enumerate(report["acknowledged"]) for n in range(count)}
    report |= {"acknowledged": len(wanted), "kept": info.state.messages, "missing": sorted(wanted - kept)}
    print(json.dumps(report))
    await client.close()


asyncio.run(main())
