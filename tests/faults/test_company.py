"""What meets a run under way: others who work on the same objects, and somebody who tells it to stop.

Nothing of theirs is lost, and the next run converges.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.applyset import ApplySet
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import Cluster as Client
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError

from tests.integration.conftest import Cluster
from tests.integration.engine.support import Engine

from .proxy import Proxy, Schedule
from .scenario import TIER, run
from .test_schedules import check

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("part", [0.0, 0.3, 0.45, 0.6, 0.75, 0.9])
def test_kubectl_in_the_middle_of_a_run(cluster: Cluster, proxy: Proxy, through: Path, place: str, part: float) -> None:
    """`kubectl scale`, an edit of what we declare and one of what we do not, when ``part`` of the requests are done."""
    within = ("--namespace", place)
    run(through, place, 0)
    proxy.play(Schedule())
    run(through, place, 1)
    moment = 1 + int(part * len(proxy.log))
    cluster.kubectl(*within, "scale", "deployment/one", "--replicas=1")
    ended = Event()

    def work() -> None:
        cluster.kubectl(*within, "scale", "deployment/one", "--replicas=2")
        edit = '{"data":{"version":"edited"}}'
        cluster.kubectl(*within, "patch", "configmap", "common", "--field-manager=kubectl-edit", "--patch", edit)
        cluster.kubectl(*within, "annotate", "--overwrite", "service", "one", "example.test/note=theirs")
        ended.set()

    proxy.play(Schedule(meanwhile_at=moment), meanwhile=work)
    run(through, place, 0)
    assert ended.wait(60)  # a run does not wait for a request that takes this long: it sends it again
    assert len(proxy.log) >= moment
    proxy.play(Schedule())
    run(through, place, 0)
    check(cluster, place, 0)
    assert cluster.get(*within, "deployment", "one")["spec"]["replicas"] == 2
    assert cluster.get(*within, "service", "one")["metadata"]["annotations"]["example.test/note"] == "theirs"
    assert run(through, place, 0).writes == []


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_an_autoscaler_in_the_middle_of_a_run(
    cluster: Cluster, proxy: Proxy, through: Path, place: str, part: float
) -> None:
    """It writes the subresource ``scale`` of a workload that is being written; its number stays."""
    scale = ("--namespace", place, "patch", "deployment", "one", "--subresource=scale", "--type=merge")
    manager = "--field-manager=kube-controller-manager"
    run(through, place, 0)
    proxy.play(Schedule())
    run(through, place, 1)
    moment = 1 + int(part * len(proxy.log))
    cluster.kubectl(*scale, manager, '--patch={"spec":{"replicas":1}}')
    ended = Event()

    def work() -> None:
        cluster.kubectl(*scale, manager, '--patch={"spec":{"replicas":3}}')
        ended.set()

    proxy.play(Schedule(meanwhile_at=moment), meanwhile=work)
    run(through, place, 0)
    assert ended.wait(60)
    assert len(proxy.log) >= moment
    check(cluster, place, 0)
    assert cluster.get("--namespace", place, "deployment", "one")["spec"]["replicas"] == 3
    assert run(through, place, 0).writes == []


@pytest.mark.parametrize("wait", [30, 0])
def test_two_runs_of_different_inventories(cluster: Cluster, through: Path, place: str, wait: float) -> None:
    """One after the other where they wait; else the second stops and says who is at work, and has written nothing."""
    run(through, place, 0)

    def bring(number: int) -> str:
        try:
            run(through, place, number, lock_seconds=wait)
        except EngineError as error:
            return error.message
        return ""

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(bring, [1, 1]))
    assert all(not text or "Another run works on tier" in text for text in said)
    assert not all(said)
    assert wait == 0 or not any(said)
    check(cluster, place, 1)
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(bring, [0, 1]))
    last = next(number for number in (0, 1) if _holds(cluster, place, number))
    assert wait == 0 or not any(said)
    assert run(through, place, last).writes == []


@pytest.mark.parametrize("alive", [False, True])
def test_a_lease_of_another_run(cluster: Cluster, through: Path, place: str, alive: bool) -> None:
    """Left by a run that died it expires by itself and is taken over; as long as it is renewed it is respected."""
    run(through, place, 0)
    name = ApplySet(TIER, place).name
    spec = {"holderIdentity": "somebody@elsewhere (process 7)", "leaseDurationSeconds": 3}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}
    cluster.kubectl("create", "--filename=-", objects=[{**lease, "metadata": {"name": name, "namespace": place}}])
    ended = Event()

    def renew() -> None:
        while not ended.wait(1):
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            cluster.kubectl(
                *("--namespace", place, "patch", f"lease/{name}", "--type=merge"),
                f"--patch={json.dumps({'spec': {'renewTime': now}})}",
            )

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(renew) if alive else None
        try:
            if alive:
                with pytest.raises(EngineError, match=r"Another run works on tier .*: somebody@elsewhere"):
                    run(through, place, 1, lock_seconds=8)
            else:
                run(through, place, 1, lock_seconds=60)
        finally:
            ended.set()
        if other:
            other.result()
    check(cluster, place, 0 if alive else 1, lease_left=alive)


@pytest.mark.parametrize("part", [0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9])
def test_a_run_that_is_told_to_stop(
    cluster: Cluster, proxy: Proxy, through: Path, place: str, monkeypatch: pytest.MonkeyPatch, part: float
) -> None:
    """At any of its requests: it says where it was, gives its Lease back, and the next run goes on from there."""
    clients = _clients(monkeypatch)
    run(through, place, 0)
    proxy.play(Schedule())
    run(through, place, 1)
    moment = 1 + int(part * len(proxy.log))
    proxy.play(Schedule(meanwhile_at=moment), meanwhile=lambda: clients[-1].interruption.tell("SIGINT"))
    with pytest.raises(EngineError, match=r"[Ss]topped by SIGINT") as caught:
        run(through, place, 0, wait_seconds=10)
    assert "erun to continue." in caught.value.remedy
    assert cluster.kubectl("--namespace", place, "get", "leases", "--output=name") == ""
    run(through, place, 0)
    check(cluster, place, 0)
    assert run(through, place, 0).writes == []


def test_a_run_that_loses_its_lease(
    cluster: Cluster, proxy: Proxy, through: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run took it while this one slept: it stops, says who, and leaves the Lease to the other."""
    clients = _clients(monkeypatch)
    run(through, place, 0)
    proxy.play(Schedule())
    run(through, place, 1)
    taken = next(number for number, method, path, _ in proxy.log if method == "POST" and "/leases" in path)
    lease = ("--namespace", place, f"lease/{ApplySet(TIER, place).name}")

    def take_over() -> None:
        patch = json.dumps({"spec": {"holderIdentity": "somebody@elsewhere (process 7)"}})
        cluster.kubectl("patch", *lease, "--type=merge", f"--patch={patch}")
        deadline = time.monotonic() + 30
        while not clients[-1].interruption.reason and time.monotonic() < deadline:
            time.sleep(0.05)

    proxy.play(Schedule(meanwhile_at=taken + 2), meanwhile=take_over)
    with pytest.raises(EngineError, match=r"Stopped by the loss of its Lease.*worked on by somebody@elsewhere"):
        run(through, place, 0)
    assert cluster.get(*lease)["spec"]["holderIdentity"] == "somebody@elsewhere (process 7)"
    proxy.play(Schedule())
    run(through, place, 0)  # the other's is not renewed: it expires
    check(cluster, place, 0)
    assert run(through, place, 0).writes == []


def _clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """The (growing) list of clients that runs make from now on."""
    clients: list[Client] = []
    connect = Engine.connect

    def connected(engine: Engine) -> Client:
        clients.append(connect(engine))
        return clients[-1]

    monkeypatch.setattr(Engine, "connect", connected)
    return clients


def _holds(cluster: Cluster, namespace: str, number: int) -> bool:
    try:
        check(cluster, namespace, number)
    except AssertionError:
        return False
    return True
