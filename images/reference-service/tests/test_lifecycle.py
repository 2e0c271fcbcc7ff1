"""Starting late, losing and finding stores, rotating credentials, and leaving without losing a request."""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import jwt
import pytest
from graph import JWT_SECRET, PARTS, Platform, Process, Stores, eventually, free_port, http
from servers import FakeQdrant, NatsServer, PostgresServer


@pytest.fixture
def alone(stores: Stores, tmp_path: Path) -> Iterator[Platform]:
    """No part running; what a test starts is stopped."""
    platform = Platform(stores, tmp_path)
    yield platform
    for process in platform.parts.values():
        process.stop()


def start(platform: Platform, name: str, label: str = "", port: int | None = None, **environment: str) -> Process:
    ports = dict.fromkeys(PARTS, 1)  # nobody answers there
    process = platform.make(name, port or free_port(), ports, label)
    process.environment.update(environment)
    platform.parts[name + label] = process
    return process.start()


def alive(process: Process) -> bool:
    return http(f"{process.url}/health", timeout=2).status == 200


def test_waits_for_late_stores_without_a_restart(
    stores: Stores, tmp_path: Path, postgres: PostgresServer, nats: NatsServer
) -> None:
    late = Stores(tmp_path / "credentials", free_port(), free_port(), free_port())
    platform = Platform(late, tmp_path)
    vector = start(platform, "vector")
    try:
        eventually("alive", lambda: alive(vector))
        time.sleep(1)
        answer = http(f"{vector.url}/ready")
        assert answer.status == 503
        reasons = answer.json()["reasons"]
        assert [reason.partition(":")[0] for reason in reasons] == ["postgres", "qdrant", "nats"]
        assert vector.popen is not None
        assert vector.popen.poll() is None
        assert "hush" not in vector.log.read_text(encoding="utf-8")
    finally:
        vector.stop()


def test_waits_for_its_callees_at_the_start_only(alone: Platform) -> None:
    port = free_port()
    ports = dict.fromkeys(PARTS, port)
    gateway = alone.parts["gateway"] = alone.make("gateway", free_port(), ports)
    gateway.start()
    eventually("alive", lambda: alive(gateway))
    eventually(
        "waits for orchestration alone",
        lambda: [r.partition(":")[0] for r in http(f"{gateway.url}/ready").json()["reasons"]] == ["orchestration"],
    )
    orchestration = start(alone, "model", port=port)  # ready on the port of orchestration: that is all it takes
    gateway.wait_ready()
    orchestration.stop()
    time.sleep(4)
    assert gateway.ready()


@pytest.mark.parametrize("store", ["postgres", "nats"])
def test_a_lost_store_makes_unready_and_is_found_again(
    alone: Platform, postgres: PostgresServer, nats: NatsServer, store: str
) -> None:
    server = {"postgres": postgres, "nats": nats}[store]
    tool = start(alone, "tool").wait_ready()
    server.stop()
    try:
        eventually("not ready", lambda: http(f"{tool.url}/ready").status == 503, 10)
        assert http(f"{tool.url}/ready").json()["reasons"][0].startswith(f"{store}: ")
        assert alive(tool)
        seconds = []
        for _ in range(50):
            began = time.monotonic()
            http(f"{tool.url}/ready")
            seconds.append(time.monotonic() - began)
        # A probe reads memory, whatever the store does: with the machine busy some are late, not most.
        assert statistics.median(seconds) < 0.5
    finally:
        server.start()
    eventually("ready again", tool.ready, 15)
    run = {"run_id": "0b9f1d1e-5b7a-4a53-9d5f-3f2f1b1a0c11", "prompt": "again"}
    assert http(f"{tool.url}/internal/run", "POST", run, x_caller="agent").json()["ok"]


def test_a_restart_of_nats_costs_time_but_no_round_trip(alone: Platform, nats: NatsServer) -> None:
    tool = start(alone, "tool").wait_ready()
    outcomes: list[str] = []
    stop = threading.Event()

    def legs() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            run = {"run_id": f"0b9f1d1e-5b7a-4a53-9d5f-{number:012d}", "prompt": "on and on"}
            leg = http(f"{tool.url}/internal/run", "POST", run, x_caller="agent").json()
            outcomes.append("; ".join(touch["error"] for touch in leg["touched"] if not touch["ok"]))

    client = threading.Thread(target=legs)
    client.start()
    for _ in range(2):
        time.sleep(0.5)
        nats.stop()
        nats.start()
    time.sleep(1)
    stop.set()
    client.join()
    assert len(outcomes) > 20
    assert not any(outcomes), set(outcomes)


def test_a_nats_that_stalls_is_heard_again_at_once(alone: Platform, nats: NatsServer) -> None:
    tool = start(alone, "tool").wait_ready()
    run = {"run_id": "0b9f1d1e-5b7a-4a53-9d5f-3f2f1b1a0c12", "prompt": "on a busy machine"}
    for _ in range(3):
        # Longer than a check waits, so that its answer comes late; shorter than a connection is given up for.
        with nats.stalled():
            time.sleep(3.5)
        leg = http(f"{tool.url}/internal/run", "POST", run, x_caller="agent").json()
        assert [touch["error"] for touch in leg["touched"] if not touch["ok"]] == []
    assert "encountered error" not in tool.log.read_text(encoding="utf-8")


def test_a_nats_that_never_answers_is_left_for_one_that_does(alone: Platform, nats: NatsServer) -> None:
    tool = start(alone, "tool").wait_ready()
    with nats.stalled():
        eventually("not ready", lambda: not tool.ready(), 15)
        time.sleep(7)
    eventually("ready again", tool.ready, 15)


def test_rotated_passwords_are_read_at_the_next_connection(
    alone: Platform, postgres: PostgresServer, nats: NatsServer
) -> None:
    execution = start(alone, "execution").wait_ready()
    nats.passwords["execution"] = "rotated-in-nats"
    postgres.sql(["ALTER ROLE execution PASSWORD 'rotated-in-postgres'"])
    alone.stores.credential("execution", "NATS_PASSWORD", "rotated-in-nats")
    alone.stores.credential("execution", "POSTGRES_PASSWORD", "rotated-in-postgres")
    nats.stop()
    nats.start()
    postgres.sql(["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'execution'"])
    run = {"run_id": "0b9f1d1e-5b7a-4a53-9d5f-3f2f1b1a0c12", "prompt": "rotated"}

    def works() -> bool:
        return bool(http(f"{execution.url}/internal/run", "POST", run, x_caller="orchestration").json()["ok"])

    try:
        eventually("works under the new passwords", works)
        assert execution.ready()
        text = execution.log.read_text(encoding="utf-8")
        assert "rotated-in" not in text
    finally:
        nats.passwords["execution"] = "hush-execution-hush"
        postgres.sql(["ALTER ROLE execution PASSWORD 'hush-execution-hush'"])
        nats.stop()
        nats.start()


def test_says_which_credential_is_refused(alone: Platform, qdrant: FakeQdrant) -> None:
    vector = start(alone, "vector", QDRANT_API_KEY_FILE=str(alone.stores.credential("vector", "WRONG", "not-the-key")))
    eventually("alive", lambda: alive(vector))
    eventually("the key is refused", lambda: "refused the key" in http(f"{vector.url}/ready").body.decode())
    assert "not-the-key" not in vector.log.read_text(encoding="utf-8")


def test_a_second_replica_of_everything_starts_at_once(alone: Platform, postgres: PostgresServer) -> None:
    """The table, the stream and the collection are made by whoever is first; the others find them."""
    postgres.sql(['DROP TABLE IF EXISTS "tool".round_trips'])
    for process in [start(alone, "tool", f"-{number}") for number in range(4)]:
        process.wait_ready()


def test_jwt_secrets_overlap_in_a_rotation(alone: Platform) -> None:
    port = free_port()
    start(alone, "model", port=port)
    ports = dict.fromkeys(PARTS, port)
    gateway = alone.parts["gateway"] = alone.make("gateway", free_port(), ports)
    gateway.environment["REQUIRE_JWT"] = "true"
    folder = alone.stores.folder / "gateway"
    gateway.environment["JWT_SECRET_PREVIOUS_FILE"] = str(alone.stores.credential("gateway", "JWT_SECRET_PREVIOUS", ""))
    gateway.start().wait_ready()

    def status(token: str) -> int:
        return http(f"{gateway.url}/run", "POST", {}, authorization=f"Bearer {token}").status

    assert http(f"{gateway.url}/run", "POST", {}).status == 401
    old = http(f"{gateway.url}/session", "POST").json()["token"]
    assert status(old) != 401
    try:
        (folder / "JWT_SECRET_PREVIOUS").write_text(JWT_SECRET)
        (folder / "JWT_SECRET").write_text("another-secret-of-enough-length-for-hs256")
        new = http(f"{gateway.url}/session", "POST").json()["token"]
        assert status(old) != 401
        assert status(new) != 401
        (folder / "JWT_SECRET_PREVIOUS").write_text("")
        assert status(old) == 401
        assert status(new) != 401
        expired = jwt.encode(
            {"sub": "x", "aud": "platform", "iat": 1, "exp": 2}, "another-secret-of-enough-length-for-hs256", "HS256"
        )
        refused = http(f"{gateway.url}/run", "POST", {}, authorization=f"Bearer {expired}")
        assert refused.status == 401
        assert "expired" in refused.json()["error"]["message"]
    finally:
        (folder / "JWT_SECRET").write_text(JWT_SECRET)


SPREAD = 0.4  # seconds until callers know of a pod that came or goes
DRAIN = 3  # seconds: far more than SPREAD and than a client keeps an idle connection, also on a busy machine


def test_sigterm_under_load_loses_no_request(stores: Stores, tmp_path: Path) -> None:
    """Two replicas of every part, a stand-in of a Service before each; every first replica is replaced in turn."""
    platform = Platform(stores, tmp_path)
    balancers: dict[str, Balancer] = {name: Balancer() for name in PARTS if name != "frontend"}
    ports = {name: balancer.port for name, balancer in balancers.items()}
    try:
        for name, balancer in balancers.items():
            for label in ("-a", "-b"):
                process = platform.parts[name + label] = platform.make(name, free_port(), ports, label)
                process.environment["DRAIN_SECONDS"] = str(DRAIN)
                balancer.add(process.start())
        for process in platform.parts.values():
            process.wait_ready(60)
        load = Load(balancers["gateway"].port)
        load.start()
        for name, balancer in balancers.items():
            old = platform.parts[f"{name}-a"]
            new = platform.parts[f"{name}-c"] = platform.make(name, free_port(), ports, "-c")
            balancer.add(new.start().wait_ready())
            time.sleep(SPREAD)
            old.signal()
            time.sleep(SPREAD)
            balancer.remove(old)
            assert old.wait() == 0
            last = old.entries()[-1]
            assert last["message"] == "stopped"
            assert last["requests_cut"] == 0
        load.stop()
        print(f"{load.sent} requests, {len(load.failures)} failed; {load.retries()} calls sent again")
        assert load.failures == []
        assert load.sent > 300
    finally:
        for process in platform.parts.values():
            process.stop()
        for balancer in balancers.values():
            balancer.close()


def test_streams_are_ended_in_order_before_the_grace_is_over(alone: Platform) -> None:
    port = free_port()
    start(alone, "model", port=port)
    gateway = alone.parts["gateway"] = alone.make("gateway", free_port(), dict.fromkeys(PARTS, port))
    gateway.environment |= {"DRAIN_SECONDS": "3", "GRACE_SECONDS": "6"}
    gateway.start().wait_ready()
    bodies: list[str] = []
    reader = threading.Thread(
        target=lambda: bodies.append(http(f"{gateway.url}/stream?seconds=60&interval_ms=100").body.decode())
    )
    reader.start()
    time.sleep(0.5)
    gateway.signal()
    eventually("not ready while it drains", lambda: http(f"{gateway.url}/ready").status == 503, 2.5)
    assert gateway.wait() == 0
    reader.join(5)
    assert bodies[0].rstrip().splitlines()[-2] == "event: drain"


def test_a_second_signal_or_an_early_one_still_leaves_in_order(alone: Platform) -> None:
    tool = start(alone, "tool")
    eventually("alive", lambda: alive(tool))
    tool.signal(signal.SIGTERM)
    time.sleep(0.2)
    tool.signal(signal.SIGTERM)
    assert tool.wait() == 0


class Balancer:
    """What a Service is to its callers: new connections go to a backend that was ready and has not been told to leave.

    As in a cluster, a probe that is answered late takes nobody out, and whoever leaves is known by its deletion.
    """

    def __init__(self) -> None:
        self._backends: list[Process] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._connect, "127.0.0.1", 0), self._loop
        ).result()
        self.port = int(self._server.sockets[0].getsockname()[1])

    def add(self, process: Process) -> None:
        """A pod that became ready."""
        self._backends.append(process)

    def remove(self, process: Process) -> None:
        """A pod that is being deleted."""
        self._backends.remove(process)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            process = random.choice(self._backends)
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", process.port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pipe(reader, back_writer), self._pipe(back_reader, writer), return_exceptions=True)

    @staticmethod
    async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


class Load:
    """An open-loop client: a request each 40 ms through the whole graph, answered or not; it never retries."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.sent = 0
        self.failures: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    def retries(self) -> int:
        text = http(f"{self._base}/metrics").body.decode()
        return sum(
            int(float(line.split()[-1]))
            for line in text.splitlines()
            if line.startswith("platform_call_retries_total{")
        )

    async def _run(self) -> None:
        # Idle connections are kept for less than a drain lasts. Who keeps them longer can send into one that
        # is just being closed, and has to send again, as edges do (decision 0403).
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=0.5)
        async with aiohttp.ClientSession(connector=connector) as session:
            tasks = []
            while not self._stop.is_set():
                tasks.append(asyncio.create_task(self._one(session, self.sent)))
                self.sent += 1
                await asyncio.sleep(0.04)
            await asyncio.gather(*tasks)

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        try:
            if number % 10 == 0:
                request = session.post(f"{self._base}/run", json={})
            else:
                request = session.get(f"{self._base}/work?ms=20&bytes=2000&via=*")
            async with request as response:
                body = await response.text()
                if response.status != 200:
                    self.failures.append(f"{response.status}: {body[:600]}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures.append(repr(error))
