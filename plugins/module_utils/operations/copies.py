"""How many copies the live stores keep, against what is declared: streams of NATS, shards of Qdrant. Reads only."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..platform.replication import STREAM_REPLICAS
from . import pod_http

Object = dict[str, Any]
Finding = tuple[bool, str, str]  # whether it hurts already, what, remedy
Get = Callable[[Object, int, str], Any]  # pod, port, path

_MOST_COLLECTIONS = 200
_AT_ONCE = 8
_STREAMS = "/jsz?accounts=true&streams=true&config=true"
_PAGE = "docs/operations/health.md#copies-in-the-stores"


@dataclass(frozen=True)
class Declared:
    """What the inventory asks for, and where the stores answer."""

    stream_replicas: int = 1
    replication_factor: int = 1
    write_consistency_factor: int = 1
    monitor_port: int = 8222
    qdrant_port: int = 6333

    @classmethod
    def of(cls, catalogue: Mapping[str, Any]) -> Declared:
        """From the derived model (see the filter ``catalogue``)."""
        nats, qdrant = catalogue["stores"]["nats"], catalogue["stores"]["qdrant"]
        return cls(
            stream_replicas=int(catalogue["config"]["common"][STREAM_REPLICAS]),
            replication_factor=int(qdrant["replication_factor"]),
            write_consistency_factor=int(qdrant["write_consistency_factor"]),
            monitor_port=int(nats["ports"]["monitor"]),
            qdrant_port=int(qdrant["ports"]["http"]),
        )


@dataclass(frozen=True)
class Collection:
    """A collection of Qdrant: shard -> {peer: state of its copy}."""

    name: str
    factor: int
    shards: Mapping[int, Mapping[int, str]]


@dataclass
class Copies:
    """What the stores say. ``unread``: store -> why it could not be asked."""

    declared: Declared = field(default_factory=Declared)
    streams: dict[str, Object] = field(default_factory=dict)
    collections: list[Collection] = field(default_factory=list)
    peers: list[int] = field(default_factory=list)
    passed_over: int = 0
    unread: dict[str, str] = field(default_factory=dict)


def read(cluster: Cluster, namespace: str, declared: Declared, pods: Iterable[Object], key: str) -> Copies:
    """Ask the running pods of the stores that should keep more than one copy. ``key``: Qdrant's read-only key."""
    running: dict[str, list[Object]] = {"nats": [], "qdrant": []}
    for pod in pods:
        store = (pod["metadata"].get("labels") or {}).get("app")
        if store in running and (pod.get("status") or {}).get("phase") == "Running":
            running[store].append(pod)
    found = Copies(declared)
    if declared.stream_replicas > 1 and running["nats"]:

        def monitor(pod: Object, number: int, path: str) -> Any:
            return pod_http.get(cluster, namespace, pod, number, path)

        _ask("nats", found, lambda: _read_streams(monitor, running["nats"], found))
    if declared.replication_factor > 1 and running["qdrant"]:

        def qdrant(pod: Object, number: int, path: str) -> Any:
            return pod_http.get(cluster, namespace, pod, number, path, {"api-key": key})["result"]

        _ask("qdrant", found, lambda: _read_collections(qdrant, running["qdrant"][0], found))
    return found


def _ask(store: str, found: Copies, work: Callable[[], None]) -> None:
    try:
        work()
    except EngineError as error:
        found.unread[store] = " ".join(error.message.split())[:300]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found.unread[store] = f"its answer is not in the known form ({error.__class__.__name__}: {error})"[:300]


def _read_streams(get: Get, servers: list[Object], found: Copies) -> None:
    """Each server knows the streams that it keeps a copy of; its leader knows how the other copies are."""
    for server in servers:
        answer = get(server, found.declared.monitor_port, _STREAMS)
        for account in answer.get("account_details") or []:
            for stream in account.get("stream_detail") or []:
                state = stream.get("cluster") or {}
                if stream["name"] not in found.streams or state.get("leader") == server["metadata"]["name"]:
                    found.streams[str(stream["name"])] = stream


def _read_collections(get: Get, pod: Object, found: Copies) -> None:
    number = found.declared.qdrant_port
    names = sorted(str(item["name"]) for item in get(pod, number, "/collections")["collections"])
    found.passed_over = max(0, len(names) - _MOST_COLLECTIONS)
    found.peers = sorted(int(peer) for peer in get(pod, number, "/cluster")["peers"])

    def collection(name: str) -> Collection:
        path = f"/collections/{quote(name, safe='')}"
        params = get(pod, number, path)["config"]["params"]
        state = get(pod, number, f"{path}/cluster")
        shards: dict[int, dict[int, str]] = {}
        for shard in state["local_shards"]:
            shards.setdefault(int(shard["shard_id"]), {})[int(state["peer_id"])] = str(shard["state"])
        for shard in state["remote_shards"]:
            shards.setdefault(int(shard["shard_id"]), {})[int(shard["peer_id"])] = str(shard["state"])
        return Collection(name, int(params["replication_factor"]), shards)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found.collections = list(pool.map(collection, names[:_MOST_COLLECTIONS]))


def examine(copies: Copies) -> Iterator[Finding]:
    """Streams and collections with fewer copies than declared, each with the command that adds them."""
    for store, why in copies.unread.items():
        yield (
            False,
            f"The copies that {store} keeps cannot be read: {why.rstrip('.')}",
            f"Allow this user pods/portforward (docs/guide/deployer-role.yaml), or look yourself: {_PAGE}",
        )
    for name, stream in sorted(copies.streams.items()):
        yield from _stream(name, stream, copies.declared)
    for collection in copies.collections:
        yield from _collection(collection, copies)
    if copies.passed_over:
        yield (
            False,
            f"Only the first {_MOST_COLLECTIONS} collections of Qdrant were looked at, not {copies.passed_over} more",
            f"Look at the others yourself: {_PAGE}",
        )


def _stream(name: str, stream: Object, declared: Declared) -> Iterator[Finding]:
    have = int((stream.get("config") or {}).get("num_replicas") or 1)
    if have < declared.stream_replicas:
        yield (
            True,
            f"Stream {name} of NATS has {_copies(have)}, and {declared.stream_replicas} are declared:"
            " losing a node can lose it",
            f"nats --inbox-prefix=_INBOX.stream_admin stream edit {shlex.quote(name)}"
            f" --replicas={declared.stream_replicas} --force (as user stream_admin: {_PAGE})",
        )
        return
    late = [
        f"{peer.get('name')} ({'offline' if peer.get('offline') else 'behind'})"
        for peer in (stream.get("cluster") or {}).get("replicas") or []
        if peer.get("offline") or not peer.get("current")
    ]
    if late:
        yield (
            True,
            f"Copies of stream {name} of NATS are not current: {', '.join(sorted(late))}",
            "Wait until they have caught up; if they do not, `make check-health` and `make logs S=nats` say why",
        )


def _collection(collection: Collection, copies: Copies) -> Iterator[Finding]:
    declared = copies.declared
    path = f"http://127.0.0.1:{declared.qdrant_port}/collections/{quote(collection.name, safe='')}"
    if collection.factor < declared.replication_factor:
        params = {
            "replication_factor": declared.replication_factor,
            "write_consistency_factor": declared.write_consistency_factor,
        }
        yield (
            True,
            f"Collection {collection.name} of Qdrant has replication_factor {collection.factor}, and"
            f" {declared.replication_factor} is declared: losing a node can lose part of it",
            f"{_curl('PATCH', path, {'params': params})} ({_PAGE})",
        )
    for shard, held in sorted(collection.shards.items()):
        active = sorted(peer for peer, state in held.items() if state == "Active")
        lacking = [peer for peer in copies.peers if peer not in held]
        if len(active) >= declared.replication_factor:
            continue
        if len(held) < declared.replication_factor and active and lacking:
            order = {"shard_id": shard, "from_peer_id": active[0], "to_peer_id": lacking[0]}
            remedy = f"{_curl('POST', f'{path}/cluster', {'replicate_shard': order})} ({_PAGE})"
        else:
            remedy = "Wait until it is recovered; if it is not, `make check-health` and `make logs S=qdrant` say why"
        yield (
            True,
            f"Shard {shard} of collection {collection.name} of Qdrant has {_copies(len(active), 'active ')}, and"
            f" {declared.replication_factor} are declared",
            remedy,
        )


def _copies(number: int, adjective: str = "") -> str:
    return f"{number} {adjective}{'copy' if number == 1 else 'copies'}"


def _curl(method: str, url: str, body: Object) -> str:
    return (
        f"curl -X {method} {shlex.quote(url)} -H 'content-type: application/json' -H \"api-key: $QDRANT_API_KEY\""
        f" -d {shlex.quote(json.dumps(body))}"
    )
