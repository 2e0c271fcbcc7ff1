"""Each fault by itself: what is sent again and what is final at once, and what a user reads then."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import cluster as engine_cluster
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import Cluster as Client
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import connect
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import (
    ApiError,
    ConnectionFailed,
    EngineError,
)
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.kinds import BUILT_IN

from tests.integration.conftest import Cluster, tools_cluster
from tests.integration.engine.objects import make
from tools.cluster.paths import ClusterPaths
from tools.cluster.processes import processes_below

from .proxy import (
    CUT,
    GONE,
    OF_WRITES,
    REFUSE,
    RESET_AFTER,
    SLOW,
    STALL_AFTER,
    TRANSIENT,
    Fault,
    Proxy,
    Schedule,
    answers,
)
from .scenario import run

pytestmark = pytest.mark.cluster

CONFIG_MAP = BUILT_IN["v1", "ConfigMap"]
FINAL = [
    answers("401", 401, "Unauthorized", "Unauthorized"),
    answers("403", 403, "Forbidden", 'configmaps "x" is forbidden: User "jane" cannot patch resource "configmaps"'),
    answers("404", 404, "NotFound", "the server could not find the requested resource"),
    answers(
        "field conflict",
        409,
        "Conflict",
        'Apply failed with 1 conflict: conflict with "operator" using v1: .data.a',
        details={"causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "operator"', "field": ".a"}]},
    ),
    answers("422", 422, "Invalid", 'ConfigMap "x" is invalid: data: Too long'),
]


def _client(through: Path, patience: float = 10) -> Client:
    return connect({"kubeconfig": str(through)}, patience=patience)


def _apply(client: Client, namespace: str) -> bool:
    obj = make("v1", "ConfigMap", "x", data={"a": "1"})
    obj["metadata"]["namespace"] = namespace
    return client.apply(CONFIG_MAP, obj, what="ConfigMap x")[0]


@pytest.mark.parametrize("fault", [*TRANSIENT, *OF_WRITES], ids=str)
def test_a_write_is_sent_again(proxy: Proxy, through: Path, namespace: str, fault: Fault) -> None:
    proxy.play(Schedule({1: fault}))
    _apply(_client(through), namespace)
    assert len(proxy.log) == (1 if fault is SLOW else 2)
    assert _client(through).find(CONFIG_MAP, namespace, "x") is not None


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
def test_a_read_is_sent_again(proxy: Proxy, through: Path, namespace: str, fault: Fault) -> None:
    proxy.play(Schedule({1: fault, 2: fault}))
    items, version = _client(through).list(CONFIG_MAP, namespace)
    assert version.isdigit()
    assert [item["kind"] for item in items] == ["ConfigMap"] * len(items)


def test_a_list_in_pages_is_whole(
    cluster: Cluster, proxy: Proxy, through: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot behind the pages may go between two of them: the list begins again, and names nothing twice."""
    monkeypatch.setattr(engine_cluster, "PAGE", 2)
    names = [f"page-{number}" for number in range(5)]
    objects = [make("v1", "ConfigMap", name, data={}) for name in names]
    for obj in objects:
        obj["metadata"]["labels"] = {"pages": "yes"}
    cluster.kubectl("--namespace", namespace, "create", "--filename=-", objects=objects)
    proxy.play(Schedule({3: GONE}))
    items, _ = _client(through).list(CONFIG_MAP, namespace, labels="pages=yes")
    assert [item["metadata"]["name"] for item in items] == names
    assert len(proxy.log) == 6


@pytest.mark.parametrize("fault", FINAL, ids=str)
def test_final_at_once(proxy: Proxy, through: Path, namespace: str, fault: Fault) -> None:
    proxy.play(Schedule(dict.fromkeys(range(1, 9), fault)))
    with pytest.raises(ApiError, match="ConfigMap x") as caught:
        _apply(_client(through), namespace)
    assert caught.value.status == fault.status
    # An expired token is read anew once.
    assert len(proxy.log) == (2 if fault.status == 401 else 1)


def test_retry_after_is_kept(proxy: Proxy, through: Path, namespace: str) -> None:
    busy = Fault("429", status=429, body="{}", headers=(("Retry-After", "2"),))
    proxy.play(Schedule({1: busy}))
    started = time.monotonic()
    _apply(_client(through), namespace)
    assert time.monotonic() - started >= 2


def test_patience_ends(proxy: Proxy, through: Path, namespace: str) -> None:
    proxy.play(Schedule(dict.fromkeys(range(1, 500), RESET_AFTER)))
    with pytest.raises(ConnectionFailed, match=r"ConfigMap x: http://127.0.0.1:\d+ cannot be reached: ") as caught:
        _apply(_client(through, patience=1), namespace)
    assert 1 < len(proxy.log) < 100
    assert "Check that the cluster runs" in caught.value.remedy


def test_an_answer_cut_in_the_middle_is_no_answer(proxy: Proxy, through: Path, namespace: str) -> None:
    proxy.play(Schedule({1: CUT}))
    assert _client(through).version()["major"] == "1"
    assert len(proxy.log) == 2


def test_a_page_of_something_else_is_no_answer(proxy: Proxy, through: Path) -> None:
    proxy.play(Schedule(dict.fromkeys(range(1, 500), Fault("portal", status=200, body="<html>Please sign in</html>"))))
    with pytest.raises(EngineError, match="JSON"):
        _client(through, patience=1).version()


@pytest.mark.parametrize("fault", [RESET_AFTER, STALL_AFTER], ids=str)
def test_own_lease_is_recognised(proxy: Proxy, through: Path, namespace: str, fault: Fault) -> None:
    """The Lease was made, but its maker did not learn of it: it must not wait for itself."""
    run(through, namespace, 0)
    lease = next(number for number, method, _, _ in proxy.log if method == "POST")
    proxy.play(Schedule())
    run(through, namespace, 1)
    proxy.play(Schedule({lease: fault, lease + 1: SLOW}))
    assert run(through, namespace, 0, lock_seconds=0).result.changed


def test_api_server_killed_and_restarted(cluster: Cluster, proxy: Proxy, through: Path, namespace: str) -> None:
    """The server dies in the middle of a run and comes back seconds later: the run just takes longer."""
    program = f"{ClusterPaths(cluster.name).runtime}/bin/kube-apiserver "
    server = next(p for p in processes_below(ClusterPaths(cluster.name).runtime) if p.command.startswith(program))
    restarted = threading.Thread(target=tools_cluster, args=("create", "--name", cluster.name))

    def kill() -> None:
        os.kill(server.pid, signal.SIGKILL)
        restarted.start()

    proxy.play(Schedule(kill_at=random.randint(15, 30)), kill)  # noqa: S311 - any moment among the writes
    try:
        first = run(through, namespace, 0, patience=60)
        assert first.result.changed
    finally:
        restarted.join()
    second = run(through, namespace, 0, patience=60)
    assert second.writes == []


def test_refused_until_patience(proxy: Proxy, through: Path, namespace: str) -> None:
    proxy.play(Schedule({1: REFUSE}))
    _apply(_client(through), namespace)
