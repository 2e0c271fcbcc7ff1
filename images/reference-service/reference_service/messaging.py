"""NATS under the part's own user: request-reply with the parts it calls, and events kept by JetStream.

Subjects, with the permissions of the catalogue in mind:
  platform.<part>.ask               requests to a part, shared by its replicas (queue group = part)
  platform.<part>.events.<run id>   what a part has done, kept in the stream
The stream takes `platform.*.events.>`, never `platform.>`: it would answer every request first, with a receipt.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, NoRespondersError
from nats.js.api import PubAck, RawStreamMsg
from nats.js.errors import BadRequestError, NoStreamResponseError, NotFoundError, ServiceUnavailableError

from . import tracing
from .monitor import Dependency, describe
from .settings import Settings

log = logging.getLogger(__name__)

EVENTS = "platform.*.events.>"
MAX_BYTES = 64 * 1024 * 1024  # of events kept; the oldest go first
MAX_AGE = 7 * 24 * 3600  # seconds
# A server that has just started has its clients back before its streams.
PASSING = (ConnectionClosedError, NoStreamResponseError, ServiceUnavailableError)
PAUSE = 0.1  # seconds before another try
LIMIT = 3.0  # seconds for one exchange with JetStream, a reconnection included
PULSE = 1.0  # seconds in which a check wants its answer
DEAF = 6  # seconds without one after which the connection is given up

Done = TypeVar("Done")
Answer = Callable[[dict[str, Any], str], Awaitable[dict[str, Any]]]


class MessagingError(RuntimeError):
    """NATS is there, but did not do what was asked for."""


class Messaging(Dependency):
    """One connection. Losing it closes it, and the monitor makes a new one with the credentials of that moment."""

    kind = "store"

    def __init__(self, settings: Settings, answer: Answer) -> None:
        super().__init__("nats")
        self._settings = settings
        self._answer = answer
        self._client: Client | None = None
        self._questions: Subscription | None = None
        self._closed = asyncio.Event()  # of the connection that is in use
        self._pulse: asyncio.Task[None] | None = None
        self._there = asyncio.Condition()  # notified of each new connection
        self._leaving = False
        self._refused = ""

    async def check(self) -> None:
        """Connected, the round trip to the server works, the stream is there."""
        client = self._client
        if client is None or not client.is_connected or self._leaving:
            await self._connect()
            if client is not None and client.is_connected:
                await client.drain()  # of a server about to stop: what it still owes is taken before
            return
        await self._feel(client)

    async def _feel(self, client: Client) -> None:
        """The server answers. Raises TimeoutError where it does not yet, and gives the connection up in the end.

        A ping is never cancelled: nats-py 2.16 stops reading for good when the answer to a cancelled one arrives, and
        then calls the connection well, as nobody is left to wait for. A late answer is waited for by later checks.
        """
        if self._pulse is None or self._pulse.done():
            self._pulse = asyncio.create_task(client.flush(timeout=DEAF))
            self._pulse.add_done_callback(lambda pulse: pulse.cancelled() or pulse.exception())  # seen, whoever asks
        pulse = self._pulse
        await asyncio.wait({pulse}, timeout=PULSE)
        if not pulse.done():
            raise TimeoutError
        if error := pulse.exception():
            await client.close()
            raise error

    async def _connect(self) -> None:
        closed = asyncio.Event()

        async def on_closed() -> None:
            closed.set()
            self.lost.set()

        async def on_leaving() -> None:
            self._leaving = True
            self.lost.set()

        credentials = self._settings.credentials
        name = self._settings.name
        client = await nats.connect(
            self._settings.nats_url,
            name=self._settings.pod or name,
            user=credentials.require("NATS_USER"),
            password=credentials.require("NATS_PASSWORD"),
            inbox_prefix=f"_INBOX.{name}",
            allow_reconnect=False,
            connect_timeout=1,
            drain_timeout=10,
            ping_interval=10,
            error_cb=self._on_error,
            closed_cb=on_closed,
            lame_duck_mode_cb=on_leaving,
        )
        self._refused, self._leaving = "", False
        try:
            await self._ensure_stream(client)
            self._questions = await client.subscribe(f"platform.{name}.ask", queue=name, cb=self._on_question)
            await client.flush(timeout=1)
        except BaseException:
            await client.close()
            raise
        self._client, self._closed, self._pulse = client, closed, None
        async with self._there:
            self._there.notify_all()

    async def _ensure_stream(self, client: Client) -> None:
        stream = self._settings.nats_stream
        manager = client.jetstream(timeout=1)
        try:
            await manager.stream_info(stream)
        except NotFoundError:
            try:
                await manager.add_stream(
                    name=stream,
                    subjects=[EVENTS],
                    num_replicas=self._settings.nats_stream_replicas,
                    max_bytes=MAX_BYTES,
                    max_age=MAX_AGE,
                    allow_direct=True,
                )
            except BadRequestError as error:
                if error.err_code != 10058:  # the name is in use: another part was faster
                    raise

    async def _on_error(self, error: Exception) -> None:
        if "permissions" in str(error).lower():
            self._refused = str(error)
            log.warning("refused by nats", extra={"error": self._refused})

    async def _on_question(self, message: Msg) -> None:
        with tracing.active(tracing.from_headers(message.headers or {})):
            caller = (message.headers or {}).get("x-caller", "")
            try:
                answer = await self._answer(json.loads(message.data), caller)
            except Exception as error:  # the asker waits: it is told, whatever went wrong
                log.exception("question failed", extra={"caller": caller})
                answer = {"error": error.__class__.__name__}
            try:
                await message.respond(json.dumps(answer).encode())
            except nats.errors.Error as error:
                log.warning("answer not sent", extra={"caller": caller, "error": str(error)})

    def _connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    async def _do(self, work: Callable[[Client], Awaitable[Done]], seconds: float) -> Done:
        """Do what may be done twice: over the next connection where this one is lost. Raises MessagingError."""
        last = ""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    async with self._there:
                        await self._there.wait_for(self._connected)
                    client = self._client
                    assert client is not None  # noqa: S101 - just waited for
                    task = asyncio.ensure_future(work(client))
                    closed = asyncio.ensure_future(self._closed.wait())
                    try:
                        await asyncio.wait({task, closed}, return_when=asyncio.FIRST_COMPLETED)
                        if task.done() and not isinstance(task.exception(), PASSING):
                            return task.result()
                        last = describe(task.exception() or ConnectionClosedError()) if task.done() else ""
                    finally:
                        task.cancel()
                        closed.cancel()
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            waited = f"no answer within {seconds:.1f} s" if self._connected() else "not connected to nats"
            raise MessagingError(self._refused or last or waited) from None

    async def ask(self, callee: str, question: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Send a question to a part and wait for its answer, `timeout` seconds at most. Raises MessagingError."""
        subject = f"platform.{callee}.ask"
        headers = {**tracing.outgoing(), "x-caller": self._settings.name}
        try:
            reply = await self._do(
                lambda client: client.request(subject, json.dumps(question).encode(), timeout, headers=headers), timeout
            )
        except NoRespondersError:
            raise MessagingError(f"nobody listens on {subject}") from None
        except nats.errors.Error as error:
            raise MessagingError(str(error)) from None
        answer = json.loads(reply.data)
        if not isinstance(answer, dict) or "stream" in answer:
            raise MessagingError(f"a stream takes {subject}: its subjects must be {EVENTS} alone")
        if "error" in answer:
            raise MessagingError(f"{callee} failed on {subject}: {answer['error']}")
        return answer

    def _subject(self, run_id: str) -> str:
        return f"platform.{self._settings.name}.events.{run_id}"

    async def record(self, run_id: str, event: dict[str, Any]) -> str:
        """Publish an event and wait until the stream holds it. Returns what was touched, for people."""
        headers = {**tracing.outgoing(), "Nats-Msg-Id": f"{self._settings.name}:{event['caller']}:{run_id}"}
        subject = self._subject(run_id)

        async def publish(client: Client) -> PubAck:
            stream = self._settings.nats_stream
            return await client.jetstream(timeout=LIMIT).publish(
                subject, json.dumps(event).encode(), stream=stream, headers=headers
            )

        receipt = await self._do(publish, LIMIT)
        return f"message {receipt.seq} in stream {receipt.stream}"

    async def find(self, run_id: str) -> int:
        """1 where the stream holds an event of this part for the run, else 0."""

        async def look(client: Client) -> RawStreamMsg:
            manager = client.jetstream(timeout=LIMIT)
            return await manager.get_last_msg(self._settings.nats_stream, self._subject(run_id))

        try:
            await self._do(look, LIMIT)
        except NotFoundError:
            return 0
        return 1

    async def forget(self, run_id: str) -> int:
        """Delete this part's events of a run; returns how many there were."""
        stream, subject = self._settings.nats_stream, self._subject(run_id)

        async def purge(client: Client) -> int:
            manager = client.jetstream(timeout=LIMIT)
            before = await manager.stream_info(stream, subjects_filter=subject)
            await manager.purge_stream(stream, subject=subject)
            return sum((before.state.subjects or {}).values())

        try:
            return await self._do(purge, LIMIT)
        except NotFoundError:
            return 0

    async def stop_answering(self) -> None:
        """Leave the queue group; questions already taken are still answered."""
        if self._questions is not None and self._client is not None and self._client.is_connected:
            await self._questions.drain()  # type: ignore[no-untyped-call]
            self._questions = None

    async def close(self) -> None:
        if self._client is not None and self._client.is_connected:
            await self._client.drain()
