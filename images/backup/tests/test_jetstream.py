"""Streams that services go on using while their snapshot is made, over a real server.

Up to nats-server 2.14 a snapshot is a copy of files that are read one by one, so that what is published meanwhile is in
it; from 2.15 on it is not. What is removed meanwhile may be missing from either.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import nats as nats_client
import pytest
from nats.js import JetStreamContext
from servers import Nats

from platform_backup import jetstream
from platform_backup.jetstream import Streams
from platform_backup.settings import Settings

# More than the server sends ahead (8 MiB), so that it reads the last file after what happens meanwhile.
_BEFORE, _BYTES = 48, 512 * 1024


async def publish(js: JetStreamContext) -> None:
    for _ in range(4):
        await js.publish("busy", os.urandom(1024))


async def replace(js: JetStreamContext) -> None:
    """As a consumer of a work queue does, while others publish."""
    await publish(js)
    for left in range(6):
        await js.delete_msg("busy", _BEFORE - left)


@pytest.mark.parametrize(("meanwhile", "least"), [(publish, _BEFORE), (replace, _BEFORE - 6)])
def test_messages_that_come_and_go_meanwhile_do_not_spoil_a_backup(
    tmp_path: Path, nats: Nats, monkeypatch: pytest.MonkeyPatch, meanwhile: Any, least: int
) -> None:
    url = f"nats://127.0.0.1:{nats.port}"
    streams = Streams(Settings({"NATS_URL": url}))
    ask = jetstream._api

    async def fill() -> None:
        client = await nats_client.connect(url)
        js = client.jetstream()
        for info in await js.streams_info():
            await js.delete_stream(info.config.name)
        await js.add_stream(name="busy", subjects=["busy"])
        for _ in range(_BEFORE):
            await js.publish("busy", os.urandom(_BYTES))
        await client.close()

    async def ask_while_services_go_on(client: Any, verb: str, body: Any = None) -> dict[str, Any]:
        answer = await ask(client, verb, body)
        if verb.startswith("STREAM.SNAPSHOT."):
            await meanwhile(client.jetstream())
        return answer

    asyncio.run(fill())
    with monkeypatch.context() as patched:
        patched.setattr(jetstream, "_api", ask_while_services_go_on)
        saved = streams.save(tmp_path)
    assert saved["streams"]["busy"]["messages"] == _BEFORE
    assert saved["streams"]["busy"].get("messages_least", _BEFORE) == least
    monkeypatch.setattr(jetstream, "_SETTLE_SECONDS", 1.0)
    streams.restore(tmp_path, saved)
    assert least <= streams.live_messages()["busy"] <= _BEFORE + 4
    assert streams.are_as_saved(saved)


@pytest.mark.parametrize(
    ("found", "more", "whole"),
    [
        ((9, 20), {}, True),
        ((12, 23), {}, True),  # published while the server read its files
        ((12, 19), {}, False),
        ((8, 23), {}, False),
        ((8, 23), {"messages_least": 8}, True),
        ((8, 19), {"messages_least": 8}, False),
        ((7, 23), {"messages_least": 8}, False),
        ((0, 20), {"config": {"max_age": 1}}, True),
    ],
)
def test_a_stream_is_whole_from_the_state_of_its_backup_on(
    found: tuple[int, int], more: dict[str, Any], whole: bool
) -> None:
    saved = {"config": {}, "state": {"messages": 9, "last_seq": 20}, "messages": 9, **more}
    assert jetstream._is_whole(dict(zip(("messages", "last_seq"), found, strict=True)), saved) is whole
