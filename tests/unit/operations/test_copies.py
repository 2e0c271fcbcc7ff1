"""Copies in the stores: what is found in the answers of NATS and Qdrant, and the commands that add copies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import copies, pod_http
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.copies import Copies, Declared

PROD = Declared(stream_replicas=3, replication_factor=2, write_consistency_factor=1)
KEY = "read-only-key-of-qdrant"


def _pod(name: str, phase: str = "Running") -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"app": name.split("-", maxsplit=1)[0]}}, "status": {"phase": phase}}


SERVERS = [_pod(f"nats-{number}") for number in range(3)]
MEMBERS = [_pod(f"qdrant-{number}") for number in range(3)]


def _stream(
    name: str = "platform", replicas: int = 3, leader: str = "nats-0", late: Mapping[str, str] | None = None
) -> dict[str, Any]:
    others = [server for server in ("nats-0", "nats-1", "nats-2") if server != leader][: replicas - 1]
    late = late or {}
    peers = [{"name": peer, "current": peer not in late, "offline": late.get(peer) == "offline"} for peer in others]
    return {"name": name, "config": {"num_replicas": replicas}, "cluster": {"leader": leader, "replicas": peers}}


def _jsz(*streams: Mapping[str, Any]) -> dict[str, Any]:
    return {"account_details": [{"name": "PLATFORM", "stream_detail": list(streams)}]}


def _qdrant(factor: int = 2, shards: Mapping[int, Mapping[int, str]] | None = None) -> dict[str, Any]:
    """Answers by path, of a cluster with peers 1, 2 and 3; peer 1 is asked."""
    held = shards or {0: {1: "Active", 2: "Active"}, 1: {2: "Active", 3: "Active"}}
    pairs = [(shard, peer, state) for shard, peers in held.items() for peer, state in peers.items()]
    return {
        "/collections": {"collections": [{"name": "platform"}]},
        "/cluster": {"status": "enabled", "peer_id": 1, "peers": {"1": {}, "2": {}, "3": {}}},
        "/collections/platform": {"config": {"params": {"replication_factor": factor, "write_consistency_factor": 1}}},
        "/collections/platform/cluster": {
            "peer_id": 1,
            "shard_count": len(held),
            "local_shards": [{"shard_id": s, "points_count": 1, "state": state} for s, p, state in pairs if p == 1],
            "remote_shards": [{"shard_id": s, "peer_id": p, "state": state} for s, p, state in pairs if p != 1],
        },
    }


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], Any]:
    """(pod, path) -> what it answers; an exception is raised."""
    answers: dict[tuple[str, str], Any] = {}

    def get(_cluster: Any, _namespace: str, pod: Any, number: int, path: str, headers: Any = None) -> Any:
        assert number == (6333 if pod["metadata"]["name"].startswith("qdrant") else 8222)
        assert headers == ({"api-key": KEY} if number == 6333 else None)
        answer = answers[pod["metadata"]["name"], path.partition("?")[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(pod_http, "get", get)
    return answers


def _fill(answers: dict[tuple[str, str], Any], qdrant: Mapping[str, Any], *streams: Any) -> None:
    answers.update({(server["metadata"]["name"], "/jsz"): _jsz(*streams) for server in SERVERS})
    answers.update({("qdrant-0", path): {"result": answer} for path, answer in qdrant.items()})


def _found(declared: Declared = PROD, pods: Any = (*SERVERS, *MEMBERS)) -> list[copies.Finding]:
    cluster: Any = None
    return list(copies.examine(copies.read(cluster, "multi-agent", declared, pods, KEY)))


def test_copies_as_declared_have_no_findings(stores: dict[tuple[str, str], Any]) -> None:
    _fill(stores, _qdrant(), _stream())
    assert _found() == []


def test_single_stores_are_not_asked(stores: dict[tuple[str, str], Any]) -> None:
    assert not stores  # any question would be a KeyError
    assert _found(Declared()) == []


def test_pods_that_do_not_run_are_not_asked(stores: dict[tuple[str, str], Any]) -> None:
    assert not stores
    assert _found(pods=[_pod("nats-0", "Pending"), _pod("qdrant-0", "Pending"), _pod("agent-0")]) == []


def test_stream_with_one_copy_has_the_command_that_adds_two(stores: dict[tuple[str, str], Any]) -> None:
    """A stream without other copies is known to its own server alone."""
    _fill(stores, _qdrant(), _stream())
    stores["nats-2", "/jsz"] = _jsz(_stream(), _stream("events of mine", 1, "nats-2"))
    ((hurts, what, remedy),) = _found()
    assert hurts
    assert what == "Stream events of mine of NATS has 1 copy, and 3 are declared: losing a node can lose it"
    assert remedy.startswith(
        "nats --inbox-prefix=_INBOX.stream_admin stream edit 'events of mine' --replicas=3 --force"
    )


def test_late_copies_are_those_that_the_leader_names(stores: dict[tuple[str, str], Any]) -> None:
    _fill(stores, _qdrant(), _stream(leader="nats-1"))
    stores["nats-1", "/jsz"] = _jsz(_stream(leader="nats-1", late={"nats-0": "behind", "nats-2": "offline"}))
    ((hurts, what, _),) = _found()
    assert hurts
    assert what == "Copies of stream platform of NATS are not current: nats-0 (behind), nats-2 (offline)"


def test_collection_with_a_low_factor_has_the_commands_for_it_and_its_shards(
    stores: dict[tuple[str, str], Any],
) -> None:
    _fill(stores, _qdrant(1, {0: {1: "Active"}, 1: {2: "Active", 3: "Active"}}), _stream())
    factor, shard = _found()
    assert factor[0]
    assert factor[1].startswith("Collection platform of Qdrant has replication_factor 1, and 2 is declared")
    assert "curl -X PATCH http://127.0.0.1:6333/collections/platform " in factor[2]
    assert json.dumps({"params": {"replication_factor": 2, "write_consistency_factor": 1}}) in factor[2]
    assert shard[:2] == (True, "Shard 0 of collection platform of Qdrant has 1 active copy, and 2 are declared")
    assert "curl -X POST http://127.0.0.1:6333/collections/platform/cluster " in shard[2]
    assert json.dumps({"replicate_shard": {"shard_id": 0, "from_peer_id": 1, "to_peer_id": 2}}) in shard[2]
    assert KEY not in str([factor, shard])


def test_dead_copy_of_a_shard_is_waited_for(stores: dict[tuple[str, str], Any]) -> None:
    _fill(stores, _qdrant(2, {0: {1: "Active", 2: "Dead"}}), _stream())
    ((hurts, what, remedy),) = _found()
    assert hurts
    assert what == "Shard 0 of collection platform of Qdrant has 1 active copy, and 2 are declared"
    assert remedy.startswith("Wait until it is recovered")


def test_names_of_collections_are_safe_in_commands() -> None:
    found = Copies(PROD, collections=[copies.Collection("a'; rm -rf /", 1, {})])
    ((_, _, remedy),) = copies.examine(found)
    assert "/collections/a%27%3B%20rm%20-rf%20%2F " in remedy


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (EngineError('The API server refused the stream: pods "nats-0" is forbidden.', ""), "is forbidden"),
        ({"account_details": [{"stream_detail": [{}]}]}, "not in the known form (KeyError"),
        ([], "not in the known form (AttributeError"),
    ],
)
def test_store_that_cannot_be_asked_is_advice(stores: dict[tuple[str, str], Any], answer: Any, why: str) -> None:
    _fill(stores, _qdrant(), _stream())
    stores["nats-0", "/jsz"] = answer
    ((hurts, what, remedy),) = _found()
    assert not hurts
    assert what.startswith("The copies that nats keeps cannot be read: ")
    assert why in what
    assert "pods/portforward" in remedy


def test_many_collections_are_not_all_looked_at(stores: dict[tuple[str, str], Any]) -> None:
    answers = _qdrant()
    names = [f"c{number:03}" for number in range(203)]
    answers["/collections"] = {"collections": [{"name": name} for name in names]}
    for name in names:
        answers[f"/collections/{name}"] = answers["/collections/platform"]
        answers[f"/collections/{name}/cluster"] = answers["/collections/platform/cluster"]
    _fill(stores, answers, _stream())
    ((hurts, what, _),) = _found()
    assert (hurts, what) == (False, "Only the first 200 collections of Qdrant were looked at, not 3 more")
