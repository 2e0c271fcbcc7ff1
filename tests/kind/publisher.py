"""Publishes to JetStream until /tmp/stop exists, and says what was acknowledged. Runs inside of the cluster.

PUBLISH: {"rate": messages a second}. Every message has its own subject and is sent again until it is acknowledged.
With the argument `copies` it prints the state of the stream's copies instead; `replicas 3` changes their number, as
stream_admin or the user that a third argument names.
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


async def connect(user: str = USER) -> Client:
    return await nats.connect(
        os.environ["NATS_URL"],
        user=user,
        password=os.environ["NATS_PASSWORD" if user == USER else "NATS_SYSTEM_PASSWORD"],
        inbox_prefix=f"_INBOX.{user}",
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


async def copies() -> None:
    client = await connect()
    info = await client.jetstream(timeout=5).stream_info(STREAM)
    peers = [{"name": p.name, "current": p.current, "offline": bool(p.offline)} for p in info.cluster.replicas or []]
    print(json.dumps({"replicas": info.config.num_replicas, "leader": info.cluster.leader, "peers": peers}))
    await client.close()


async def replicas(number: str, user: str = "stream_admin") -> None:
    client = await connect(user)
    manager = client.jetstream(timeout=5)
    config = (await manager.stream_info(STREAM)).config
    config.num_replicas = int(number)
    await manager.update_stream(config)
    await client.close()


async def main() -> None:
    client = await connect()
    manager = client.jetstream(timeout=5)
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


if sys.argv[1:2] == ["copies"]:
    asyncio.run(copies())
elif sys.argv[1:2] == ["replicas"]:
    asyncio.run(replicas(*sys.argv[2:]))
else:
    asyncio.run(main())
