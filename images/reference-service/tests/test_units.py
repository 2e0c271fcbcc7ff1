"""The small parts by themselves."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from graph import ROOT
from servers import dot

from reference_service import specialities, tracing
from reference_service.callees import CallError, Deadline
from reference_service.credentials import KEYS, CredentialError, Credentials
from reference_service.embedding import SIZE, embed
from reference_service.logs import JsonFormatter
from reference_service.metrics import Metrics
from reference_service.monitor import PATIENCE, Dependency, Monitor, describe
from reference_service.settings import Settings, SettingsError
from reference_service.tokens import TokenError, Tokens
from reference_service.work import Order, WorkError

BASE = {"SERVICE_NAME": "agent", "PORT": "3002"}
URLS = {"MODEL_SERVICE_URL": "http://model-service:3004/", "TOOL_SERVICE_URL": "http://tool-service:3003"}


def test_settings_come_from_the_contract_of_a_part() -> None:
    settings = Settings.from_environment(
        {**BASE, **URLS, "SERVICE_CALLS": "model, tool", "SERVICE_USES": "postgres,nats", "LOG_LEVEL": "warn"}
    )
    assert settings.calls == ("model", "tool")
    assert settings.uses == {"postgres", "nats"}
    assert settings.service_urls["model"] == "http://model-service:3004"
    assert settings.postgres_host == "postgres"
    assert settings.log_level == "WARNING"


@pytest.mark.parametrize(
    ("environment", "names", "value"),
    [
        ({"SERVICE_NAME": ""}, "SERVICE_NAME", "''"),
        ({"SERVICE_NAME": "A b"}, "SERVICE_NAME", "'A b'"),
        ({"PORT": "http"}, "PORT", "'http'"),
        ({"PORT": "70000"}, "PORT", "'70000'"),
        ({"SERVICE_CALLS": "model"}, "MODEL_SERVICE_URL", "'model'"),
        ({"SERVICE_USES": "redis"}, "SERVICE_USES", "redis"),
        ({"DRAIN_SECONDS": "soon"}, "DRAIN_SECONDS", "'soon'"),
        ({"DRAIN_SECONDS": "-1"}, "DRAIN_SECONDS", "'-1'"),
        ({"DRAIN_SECONDS": "30"}, "GRACE_SECONDS", "25"),
        ({"REQUIRE_JWT": "perhaps"}, "REQUIRE_JWT", "'perhaps'"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL", "'loud'"),
        ({"POSTGRES_PORT": "0"}, "POSTGRES_PORT", "'0'"),
        ({"POSTGRES_POOL_SIZE": "0"}, "POSTGRES_POOL_SIZE", "'0'"),
    ],
)
def test_an_environment_without_sense_is_refused(environment: dict[str, str], names: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({**BASE, **environment})
    assert names in str(refused.value)
    assert value in str(refused.value)


def test_the_process_says_what_is_wrong_and_exits_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reference_service"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SERVICE_NAME": "agent", "SERVICE_CALLS": "model"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "MODEL_SERVICE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_credential_file_wins_and_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first\n")
    credentials = Credentials(
        {"JWT_SECRET_FILE": str(file), "JWT_SECRET": "from the environment", "NATS_USER": "agent"}
    )
    assert credentials.get("JWT_SECRET") == "first"
    file.write_text("second")
    assert credentials.get("JWT_SECRET") == "second"
    assert credentials.get("NATS_USER") == "agent"
    assert credentials.get("OPENAI_API_KEY") is None
    assert credentials.given() == {"NATS_USER": True, "JWT_SECRET": True}
    file.write_text("")
    assert credentials.given()["JWT_SECRET"] is False
    with pytest.raises(CredentialError, match="JWT_SECRET is missing or empty"):
        credentials.require("JWT_SECRET")
    file.unlink()
    with pytest.raises(CredentialError, match=r"JWT_SECRET_FILE is .*/key: FileNotFoundError"):
        credentials.require("JWT_SECRET")
    assert set(credentials.given()) <= set(KEYS)


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_trace_context_is_taken_where_it_is_valid(header: str, kept: bool) -> None:
    span = tracing.from_headers({"traceparent": header, "tracestate": "vendor=1"})
    assert (span.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736") is kept
    assert span.span_id != "00f067aa0ba902b7"
    assert span.state == ("vendor=1" if kept else "")
    with tracing.active(span):
        sent = tracing.outgoing()
        assert sent["traceparent"].split("-")[1] == span.trace_id
        assert sent["traceparent"].split("-")[2] != span.span_id
    assert tracing.outgoing() == {}


def test_a_log_line_is_one_json_object_with_its_trace() -> None:
    formatter = JsonFormatter(Settings("agent", 3002, pod="agent-1"))
    record = logging.makeLogRecord({"msg": "two\nlines %s", "args": ("here",), "levelname": "INFO", "hop": "a > b"})
    span = tracing.from_headers({})
    with tracing.active(span):
        line = formatter.format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["message"] == "two\nlines here"
    assert (entry["trace_id"], entry["hop"], entry["pod"]) == (span.trace_id, "a > b", "agent-1")


def test_embeddings_are_unit_vectors_and_alike_for_alike_texts() -> None:
    first = embed("the red house")
    assert len(first) == SIZE
    assert math.isclose(math.hypot(*first), 1, abs_tol=1e-4)
    assert embed("the red house") == first
    near, far = embed("the red door"), embed("quantum flux")
    assert dot(first, near) > dot(first, far)


@pytest.mark.parametrize("part", ["model", "tool", "execution", "vector", "orchestration", "agent", "something-new"])
def test_every_part_has_an_answer_that_never_changes(part: str) -> None:
    assert specialities.answer(part, "a prompt") == specialities.answer(part, "a prompt")


def test_deadlines_shrink_on_the_way_down() -> None:
    deadline = Deadline(10)
    assert 8.9 < deadline.for_callee() <= 9
    assert Deadline(0.01).for_callee() == 0
    assert Deadline(-1).remaining() == 0


def test_an_order_knows_its_limits() -> None:
    assert Order.parse({"via": "orchestration,agent", "ms": "7"}) == Order(ms=7, via=("orchestration", "agent"))
    with pytest.raises(WorkError, match="cpu is '5001'"):
        Order.parse({"cpu": "5001"})


def test_a_token_tells_nothing_when_it_is_refused() -> None:
    tokens = Tokens(Credentials({"JWT_SECRET": "a-secret-of-the-tests-of-enough-length"}))
    token = tokens.issue()["token"]
    assert tokens.check(f"Bearer {token}").startswith("guest-")
    for header in ("", "Basic abc", "Bearer ", f"Bearer {token[:-3]}abc", "Bearer a.b.c"):
        with pytest.raises(TokenError) as refused:
            tokens.check(header)
        assert token[:20] not in str(refused.value)


class Fickle(Dependency):
    """Answers as told."""

    kind = "store"

    def __init__(self, kind: str = "store") -> None:
        super().__init__("fickle")
        self.kind = kind
        self.asked = 0
        self.error: Exception | None = None
        self.hangs = False

    async def check(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(60)
        if self.error:
            raise self.error


@pytest.mark.parametrize("kind", ["store", "part"])
def test_readiness_needs_stores_always_and_parts_once(kind: str) -> None:
    async def story() -> None:
        fickle = Fickle(kind)
        monitor = Monitor([fickle], Metrics(Settings("agent", 3002)))
        state = monitor.states[0]
        assert monitor.unready() == ["fickle: not asked yet"]
        await monitor._ask(state)
        assert monitor.unready() == []
        fickle.error = ConnectionRefusedError("no\nsecond line")
        await monitor._ask(state)
        assert monitor.unready() == []  # once is no outage
        for _ in range(PATIENCE):
            await monitor._ask(state)
        assert monitor.unready() == (["fickle: no"] if kind == "store" else [])
        fickle.error = None
        await monitor._ask(state)
        assert monitor.unready() == []
        monitor.draining = True
        assert monitor.unready() == ["shutting down"]

    asyncio.run(story())


def test_a_slow_dependency_is_asked_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reference_service.monitor.TIMEOUT", 0.2)

    async def story() -> None:
        fickle = Fickle()
        fickle.hangs = True
        monitor = Monitor([fickle], Metrics(Settings("agent", 3002)))
        monitor.start()
        for _ in range(200):  # probes
            monitor.unready()
        await asyncio.sleep(0.1)
        assert fickle.asked == 1
        await asyncio.sleep(0.5)
        assert 2 <= fickle.asked <= 3
        assert monitor.unready() == ["fickle: no answer in time"]
        await monitor.stop()

    asyncio.run(story())


def test_an_answer_grown_old_says_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monitor = Monitor([Fickle()], Metrics(Settings("agent", 3002)))
        await monitor._ask(monitor.states[0])
        monkeypatch.setattr("reference_service.monitor.STALE", 0)
        assert monitor.unready() == ["fickle: no recent answer"]

    asyncio.run(story())


def test_errors_are_one_line_that_names_the_hop() -> None:
    assert str(CallError("agent", "model", "no answer")) == "agent > model: no answer"
    assert describe(ValueError("first\nsecond")) == "first"
    assert describe(ValueError()) == "ValueError"
    assert describe(TimeoutError()) == "no answer in time"
