"""JetStream's streams with their messages and consumers, by the server's own snapshots.

The API is that of ``nats stream backup`` and ``nats stream restore``: the server sends a snapshot in pieces to a
subject of ours and wants each acknowledged, and takes one back the same way.
https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error, NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from .errors import BackupError, Unreachable, of_volume
from .settings import Settings

_API = "$JS.API"
_SECONDS = 60.0  # for one answer: a large stream is checked before the first piece comes
_PIECE = 128 * 1024  # bytes, below the server's least max_payload
_SETTLE_SECONDS = 30.0
# The server goes on removing the files of a deleted stream, and may refuse one of that name meanwhile.
_TRIES = 5
_PAUSE = 1.0


class Refused(BackupError):
    """The server's own words."""


class Streams:
    """The account's streams. Every method is one connection: they are asked minutes apart."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.text("NATS_URL")
        self._user = settings.text("NATS_USER", "")
        self._password = settings.secret("NATS_PASSWORD") if self._user else ""

    def live_messages(self) -> dict[str, int]:
        """Messages of every stream."""
        return {name: int(state["messages"]) for name, state in self._states().items()}

    def _states(self) -> dict[str, dict[str, Any]]:
        async def ask() -> dict[str, dict[str, Any]]:
            async with self._connected() as client:
                return {stream["config"]["name"]: stream["state"] for stream in await _streams(client)}

        return asyncio.run(ask())

    def are_as_saved(self, saved: dict[str, Any]) -> bool:
        """Whether every stream has the messages of the backup, and there is no other."""
        found = self._states()
        return found.keys() == saved["streams"].keys() and all(
            _is_whole(found[name], stream) for name, stream in saved["streams"].items()
        )

    def check_servers(self, saved: dict[str, Any]) -> None:
        """Refuse streams with more replicas than there are servers for. Raises BackupError."""
        there = int(self._settings.text("NATS_SERVERS"))
        for name, stream in saved["streams"].items():
            replicas = int(stream["config"]["num_replicas"])
            if replicas > there:
                raise BackupError(
                    f"Stream {name} of the backup has {replicas} replicas, and the number of NATS servers of this "
                    f"platform is {there}. Nothing was written.",
                    f"Set platform_stores_overrides.nats.replicas to {replicas | 1}, deploy, and restore again.",
                )

    def save(self, folder: Path) -> dict[str, Any]:
        """A snapshot of every stream into ``folder``/nats; what the manifest says of them. Raises BackupError."""

        async def snapshots() -> dict[str, Any]:
            async with self._connected() as client:
                streams: dict[str, Any] = {}
                for stream in await _streams(client):
                    name = stream["config"]["name"]
                    file = f"nats/{len(streams)}.snapshot"
                    streams[name] = {"file": file, **await _save(client, name, folder / file)}
                return {"version": str(client.connected_server_version), "streams": streams}

        return asyncio.run(snapshots())

    def restore(self, folder: Path, saved: dict[str, Any], *, alone: bool = False) -> list[str]:
        """Bring the streams back as they were saved; the streams that went, as the backup has none of them.

        ``alone``: one server, whatever the number of replicas was. Raises BackupError.
        """

        async def bring_back() -> list[str]:
            async with self._connected() as client:
                there = [stream["config"]["name"] for stream in await _streams(client)]
                for name in there:
                    # A stream is only restored where there is none of its name.
                    await _api(client, f"STREAM.DELETE.{name}")
                for name, stream in saved["streams"].items():
                    await restored(client, name, stream, folder / stream["file"], alone=alone)
                return [name for name in there if name not in saved["streams"]]

        return asyncio.run(bring_back())

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        options: dict[str, Any] = {"user": self._user, "password": self._password} if self._user else {}
        try:
            client = await nats.connect(
                self._url,
                name="backup",
                inbox_prefix=b"_INBOX.backup",
                connect_timeout=10,
                max_reconnect_attempts=3,
                error_cb=_silent,
                **options,
            )
        except (Error, OSError) as error:
            raise Unreachable(
                f"NATS cannot be reached: {error or type(error).__name__}.", "Look at it: make status."
            ) from error
        try:
            yield client
        except NatsTimeout as error:
            raise BackupError("NATS did not answer in time.", "See its log: make logs S=nats.") from error
        except Error as error:
            raise BackupError(f"NATS: {error}.", "See its log: make logs S=nats.") from error
        finally:
            await client.close()


async def _silent(_error: Exception) -> None:
    """Errors reach us where they are raised."""


async def _api(client: Client, verb: str, body: Any = None) -> dict[str, Any]:
    """The answer of a JetStream request. Raises Refused with the server's words."""
    data = b"" if body is None else json.dumps(body).encode()
    try:
        answer = await client.request(f"{_API}.{verb}", data, timeout=_SECONDS)
    except NoRespondersError as error:
        raise Unreachable("JetStream does not answer.", "See the log of NATS: make logs S=nats.") from error
    return _checked(answer.data, verb)


def _checked(data: bytes, what: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(data)
    if "error" in body:
        raise Refused(f"NATS: {what}: {body['error'].get('description')}.", "See its log: make logs S=nats.")
    return body


async def _streams(client: Client) -> list[dict[str, Any]]:
    """Every stream, sorted by name; the answer comes in pages."""
    found: list[dict[str, Any]] = []
    while True:
        page = await _api(client, "STREAM.LIST", {"offset": len(found)})
        found += page.get("streams") or []
        if len(found) >= page["total"]:
            return sorted(found, key=lambda stream: str(stream["config"]["name"]))


async def _save(client: Client, name: str, target: Path) -> dict[str, Any]:
    inbox = client.new_inbox()
    pieces = await client.subscribe(inbox)
    about = await _api(
        client, f"STREAM.SNAPSHOT.{name}", {"deliver_subject": inbox, "chunk_size": _PIECE, "jsck": True}
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("wb") as file:
            while True:
                piece = await pieces.next_msg(timeout=_SECONDS)
                if not piece.data:
                    _check_end(name, piece.headers)
                    break
                file.write(piece.data)
                if piece.reply:
                    await client.publish(piece.reply, b"")
    except OSError as error:
        raise of_volume(error, f"the snapshot of stream {name}") from error
    finally:
        await pieces.unsubscribe()
    state = about["state"]
    messages = int(state["messages"])
    # Services go on while the server reads its files: what was there throughout is in the snapshot for sure.
    after = (await _api(client, f"STREAM.INFO.{name}"))["state"]
    stayed = int(after["messages"]) - (int(after["last_seq"]) - int(state["last_seq"]))
    return {
        "config": about["config"],
        "state": state,
        "messages": messages,
        **({"messages_least": max(stayed, 0)} if stayed < messages else {}),
        "consumers": int(state.get("consumer_count", 0)),
    }


def _is_whole(found: dict[str, Any], saved: dict[str, Any]) -> bool:
    """Whether the state of a stream is that of its backup, or a later one: the server takes the state, then its files.

    What was published meanwhile may be in the snapshot and what was removed may not, so that the number alone says
    nothing. What has grown too old since then is gone at once, as it would be without a restore.
    """
    messages, expected = int(found["messages"]), int(saved["messages"])
    if messages == expected or (messages < expected and saved["config"].get("max_age")):
        return True
    least = int(saved.get("messages_least", expected))
    return messages >= least and int(found["last_seq"]) >= int(saved["state"]["last_seq"])


def _check_end(name: str, headers: dict[str, str] | None) -> None:
    """The last message has no data; a status other than 204 says why it came early."""
    status = (headers or {}).get("Status", "")
    if status and not status.startswith("204"):
        reason = (headers or {}).get("Description", "")
        raise BackupError(
            f"NATS broke the snapshot of stream {name} off: {status} {reason}".rstrip() + ".", "Try again."
        )


async def restored(client: Client, name: str, saved: dict[str, Any], source: Path, *, alone: bool) -> None:
    """Restore one stream, where there is none of its name. Raises BackupError."""
    for left in reversed(range(_TRIES)):
        try:
            await _restore(client, name, saved, source, alone=alone)
            break
        except Refused:
            if not left:
                raise
            await asyncio.sleep(_PAUSE)


async def _restore(client: Client, name: str, saved: dict[str, Any], source: Path, *, alone: bool) -> None:
    config = {**saved["config"], **({"num_replicas": 1} if alone else {})}
    order = await _api(client, f"STREAM.RESTORE.{name}", {"config": config, "state": saved["state"]})
    subject = order["deliver_subject"]
    with source.open("rb") as file:
        while data := file.read(_PIECE):
            answer = await client.request(subject, data, timeout=_SECONDS)
            if answer.data:
                _checked(answer.data, f"restore of stream {name}")
    _checked((await client.request(subject, b"", timeout=_SECONDS)).data, f"restore of stream {name}")
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:  # members of a cluster catch up one after the other
        found = (await _api(client, f"STREAM.INFO.{name}"))["state"]
        if _is_whole(found, saved):
            return
        if time.monotonic() > deadline:
            raise BackupError(
                f"NATS: stream {name} has {found['messages']} messages up to {found['last_seq']} after its restore, "
                f"and the backup has {saved['messages']} up to {saved['state']['last_seq']}.",
                "Restore again; what was there before is in the backup that was made before this restore.",
            )
        await asyncio.sleep(0.5)
