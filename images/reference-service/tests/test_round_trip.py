"""All eight parts as processes, over real PostgreSQL and NATS: the round trip and what it leaves."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from graph import JWT_SECRET, PARTS, USERS, Platform, eventually, http
from servers import FakeQdrant, PostgresServer

EDGES = {(caller, callee) for caller, (calls, _) in PARTS.items() for callee in calls if caller != "frontend"}


def test_every_edge_is_used_over_both_transports(platform: Platform) -> None:
    answer = http(f"{platform['gateway'].url}/run", "POST", {"prompt": "hello there"})
    body = answer.json()
    assert answer.status == 200, body
    assert body["ok"]
    assert body["errors"] == []
    for transport in ("http", "nats"):
        hops = {(hop["caller"], hop["part"]) for hop in body["hops"] if hop["transport"] == transport}
        assert hops - {("client", "gateway")} == EDGES
    assert body["parts"] == sorted(USERS)
    for hop in body["hops"]:
        assert hop["duration_ms"] >= 0
        assert hop["start_ms"] >= 0
        assert hop["start_ms"] + hop["duration_ms"] <= body["duration_ms"] + 1


def test_each_part_leaves_a_row_and_a_message_and_vector_a_vector(platform: Platform, postgres: PostgresServer) -> None:
    gateway = platform["gateway"].url
    run = http(f"{gateway}/run", "POST", {}).json()
    rows = {
        user: postgres.sql([f"SELECT caller, trace_id FROM \"{user}\".round_trips WHERE run_id = '{run['run_id']}'"])
        for user in USERS
    }
    callers = {user: {caller for caller, _ in found} for user, found in rows.items()}
    assert callers["gateway"] == {"client"}
    assert callers["model"] == {"agent", "orchestration"}
    assert {trace for found in rows.values() for _, trace in found} == {run["trace_id"]}

    left = http(f"{gateway}/run/{run['run_id']}").json()
    assert left["errors"] == []
    assert set(left["parts"]) == set(USERS)
    assert all(counts["postgres"] >= 1 and counts["nats"] == 1 for counts in left["parts"].values())
    assert left["parts"]["vector"]["qdrant"] == 1

    removed = http(f"{gateway}/run/{run['run_id']}", "DELETE").json()
    assert removed["errors"] == []
    assert removed["parts"]["model"]["postgres"] == 2
    after = http(f"{gateway}/run/{run['run_id']}").json()
    assert not any(count for counts in after["parts"].values() for count in counts.values())


def test_a_caller_may_choose_the_run_id_so_that_it_can_remove_what_it_got_no_answer_for(platform: Platform) -> None:
    gateway, run_id = platform["gateway"].url, str(uuid.uuid4())
    assert http(f"{gateway}/run", "POST", {"run_id": run_id}).json()["run_id"] == run_id
    assert http(f"{gateway}/run/{run_id}", "DELETE").json()["parts"]["gateway"]["postgres"] == 1


@pytest.mark.parametrize("run_id", ["mine", 7, None, ""])
def test_a_run_id_that_is_none_is_refused(platform: Platform, run_id: object) -> None:
    answer = http(f"{platform['gateway'].url}/run", "POST", {"run_id": run_id})
    assert answer.status == 400
    assert f"run_id is '{run_id}'" in answer.json()["error"]["message"]


def test_the_callers_trace_goes_all_the_way_down(platform: Platform) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = http(f"{platform['gateway'].url}/run", "POST", {}, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert answer.json()["trace_id"] == trace
    assert answer.headers["traceparent"].split("-")[1] == trace
    for part in USERS:
        eventually(
            f"{part} logs the trace",
            lambda part=part: any(e.get("trace_id") == trace for e in platform[part].entries()),
            3,
        )


def test_logs_are_json_and_hold_no_secret(platform: Platform) -> None:
    http(f"{platform['gateway'].url}/run", "POST", {})
    for process in platform.parts.values():
        entries = process.entries()
        assert entries
        assert all({"time", "level", "message", "part", "version", "pod"} <= set(entry) for entry in entries)
        text = process.log.read_text(encoding="utf-8")
        assert "hush" not in text
        assert JWT_SECRET not in text


def test_metrics_count_what_happened(platform: Platform) -> None:
    http(f"{platform['gateway'].url}/run", "POST", {})
    text = http(f"{platform['vector'].url}/metrics").body.decode()
    assert 'platform_dependency_up{dependency="qdrant",kind="store"} 1.0' in text
    assert re.search(r'platform_round_trips_total\{outcome="ok"\} [1-9]', text)
    text = http(f"{platform['orchestration'].url}/metrics").body.decode()
    assert re.search(r'platform_calls_total\{callee="vector",outcome="ok",transport="http"\} [1-9]', text)
    assert re.search(r'platform_calls_total\{callee="vector",outcome="ok",transport="nats"\} [1-9]', text)


def test_platform_shows_every_part_and_store_and_no_secret(platform: Platform) -> None:
    overview = http(f"{platform['gateway'].url}/platform").json()
    assert {name: report["state"] for name, report in overview["parts"].items() if name != "frontend"} == dict.fromkeys(
        USERS, "ready"
    )
    assert overview["parts"]["frontend"]["state"] == "unknown"  # nobody below the gateway may reach it
    assert {(edge["from"], edge["to"]) for edge in overview["edges"] if edge["up"]} == EDGES
    assert overview["stores"]["postgres"]["up"] == sorted(USERS)
    assert overview["stores"]["qdrant"]["up"] == ["vector"]
    assert overview["parts"]["agent"]["credentials"]["OPENAI_API_KEY"] is True
    assert "hush" not in json.dumps(overview)


@pytest.mark.parametrize("via", ["", "orchestration", "orchestration,agent,tool", "*"])
def test_work_goes_where_it_is_sent(platform: Platform, via: str) -> None:
    answer = http(f"{platform['gateway'].url}/work?ms=1&bytes=10&via={via}")
    assert answer.status == 200
    served = answer.json()["served_by"]
    assert served == ["gateway", *via.split(",")] if "*" not in via and via else served[0] == "gateway"
    if via == "*":
        assert set(served) == set(USERS)


def test_work_asks_stores_until_they_answer(
    platform: Platform, qdrant: FakeQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, do = [], qdrant.do

    def late(method: str, path: str, body: Any) -> tuple[int, Any]:
        if path.endswith("/points/query"):
            asked.append(path)
            if len(asked) < 3:
                return 503, None
        return do(method, path, body)

    monkeypatch.setattr(qdrant, "do", late)
    answer = http(f"{platform['gateway'].url}/work?ms=1&via=orchestration,vector&touch=1")
    assert answer.status == 200
    assert answer.json()["asked_again"] == 2
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("ms=-1", "ms is '-1'"),
        ("bytes=999999999", "10485760"),
        ("via=model", "gateway calls orchestration"),
        ("x=1", "unknown parameter x"),
    ],
)
def test_work_refuses_what_it_cannot_do(platform: Platform, query: str, says: str) -> None:
    answer = http(f"{platform['gateway'].url}/work?{query}")
    assert answer.status == 400
    assert says in answer.json()["error"]["message"]


def test_a_stopped_part_is_named_and_shown_down(platform: Platform) -> None:
    gateway = platform["gateway"].url
    tool = platform["tool"]
    tool.signal()
    assert tool.wait() == 0
    try:
        eventually(
            "tool is shown as down", lambda: http(f"{gateway}/platform").json()["parts"]["tool"]["state"] == "down", 10
        )
        answer = http(f"{gateway}/run", "POST", {})
        body = answer.json()
        assert answer.status == 502
        assert any(line.startswith("agent > tool over http: ") for line in body["errors"])
        assert any(
            line.startswith("orchestration > tool over nats: nobody listens on platform.tool.ask")
            for line in body["errors"]
        )
        assert {hop["part"] for hop in body["hops"] if hop["ok"]} == set(USERS) - {"tool"}
        # Those above are still in service: the loss of one part takes no other with it.
        assert all(platform[name].ready() for name in ("gateway", "orchestration", "agent", "frontend"))
        work = http(f"{gateway}/work?via=orchestration,tool")
        assert work.status == 502
        assert "orchestration > tool" in work.json()["error"]["message"]
    finally:
        tool.start().wait_ready()
    eventually("a round trip works again", lambda: http(f"{gateway}/run", "POST", {}).status == 200, 10)


def test_parts_cut_off_are_unknown_and_remembered(platform: Platform) -> None:
    gateway = platform["gateway"].url
    http(f"{gateway}/platform")
    orchestration = platform["orchestration"]
    orchestration.signal()
    orchestration.wait()
    try:
        overview = eventually(
            "orchestration is down",
            lambda: (o := http(f"{gateway}/platform").json())["parts"]["orchestration"]["state"] == "down" and o,
        )
        assert overview["parts"]["model"]["state"] == "unknown"
        assert overview["parts"]["model"]["version"] == "1.0.0"
        assert {(edge["from"], edge["to"]) for edge in overview["edges"]} == EDGES
    finally:
        orchestration.start().wait_ready()


def test_the_gateway_answers_only_the_frontends_origin(platform: Platform) -> None:
    url = f"{platform['gateway'].url}/platform"
    assert http(url, origin="http://frontend.test").headers["access-control-allow-origin"] == "http://frontend.test"
    assert "access-control-allow-origin" not in http(url, origin="http://elsewhere.test").headers
    assert http(url, "OPTIONS", origin="http://frontend.test", access_control_request_method="POST").status == 204
    assert http(url, "OPTIONS", origin="http://elsewhere.test", access_control_request_method="POST").status == 403


def test_a_session_token_is_checked_where_it_is_given(platform: Platform) -> None:
    gateway = platform["gateway"].url
    token = http(f"{gateway}/session", "POST").json()["token"]
    assert http(f"{gateway}/run", "POST", {}, authorization=f"Bearer {token}").status == 200
    refused = http(f"{gateway}/run", "POST", {}, authorization=f"Bearer {token}x")
    assert refused.status == 401
    assert token not in refused.body.decode()


def test_internals_are_not_served_at_the_edge(platform: Platform) -> None:
    for part in ("gateway", "frontend"):
        assert http(f"{platform[part].url}/internal/status").status == 404
    assert http(f"{platform['frontend'].url}/api/work").status == 404


def test_the_frontend_passes_on_to_the_gateway(platform: Platform) -> None:
    frontend = platform["frontend"].url
    assert http(f"{frontend}/api/platform").json()["gateway"]["part"] == "gateway"
    assert http(f"{frontend}/api/run", "POST", {}).json()["ok"]


def test_a_stream_runs_for_as_long_as_asked(platform: Platform) -> None:
    body = http(f"{platform['gateway'].url}/stream?seconds=2&interval_ms=50").body.decode()
    events = [line for line in body.splitlines() if line.startswith("id: ")]
    assert [int(event[4:]) for event in events] == list(range(len(events)))
    assert 10 <= len(events) <= 41  # 41 where nothing delays it
    assert body.rstrip().splitlines()[-2] == "event: end"


def test_memory_stays_small(platform: Platform) -> None:
    used = {name: process.memory() for name, process in platform.parts.items()}
    print("MiB resident:", {name: round(value) for name, value in used.items()})
    assert max(used.values()) < 110
