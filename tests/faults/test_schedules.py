"""Property: whatever breaks during a run, after the faults end one run converges and a second one changes nothing.

Nothing is lost meanwhile: not what others wrote into our objects, not objects of others, and nothing that is declared.
A failed schedule is repeated by its seed: FAULTS_SEED=<seed> FAULTS_SCHEDULES=1. The same few are played each time, so
that a failure comes of a change; `make faults` plays hundreds of others.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from os import environ
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError

from tests.integration.conftest import ROOT, Cluster

from .proxy import OF_WATCHES, OF_WRITES, TRANSIENT, Phase, Proxy, Schedule
from .scenario import TIER, run, version

pytestmark = pytest.mark.cluster

_SCHEDULES = int(environ.get("FAULTS_SCHEDULES") or 20)
_FIRST = int(environ.get("FAULTS_SEED") or 1)
# A run that changes everything and breaks nowhere sends about this many requests.
_REQUESTS = 35


def schedule(chance: random.Random) -> Schedule:
    """Some faults at random requests, some in a row, some of watches; in a third of all a kill."""
    faults = (*TRANSIENT, *OF_WRITES)
    requests = {chance.randint(1, _REQUESTS): chance.choice(faults) for _ in range(chance.randint(0, 6))}
    if chance.random() < 0.3:
        start, fault = chance.randint(1, _REQUESTS), chance.choice(faults)
        requests.update(dict.fromkeys(range(start, start + chance.randint(2, 12)), fault))
    watches = {chance.randint(1, 4): chance.choice(OF_WATCHES) for _ in range(chance.randint(0, 3))}
    if chance.random() < 0.35:
        return Schedule(requests, watches, chance.randint(1, _REQUESTS), chance.choice(list(Phase)))
    return Schedule(requests, watches)


def play(proxy: Proxy, through: Path, namespace: str, number: int, plan: Schedule, wait: float) -> str:
    """Run under the faults of ``plan``; says how it ended."""
    if not plan.kill_at:
        proxy.play(plan)
        try:
            run(through, namespace, number, wait_seconds=wait)
        except EngineError as error:
            return f"failed: {error}"
        return "succeeded"
    command = [sys.executable, "-m", "tests.faults.scenario", str(through), namespace, str(number), str(wait)]
    path = f"{ROOT / 'collections'}:{ROOT}"
    with subprocess.Popen(command, cwd=ROOT, env=environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE) as process:
        proxy.play(plan, process.kill)
        said = process.communicate(timeout=120)[1].decode()
    # What ended it: our signal, or a failure that it reported; anything else is a bug.
    assert process.returncode in {0, -9} or "EngineError" in said or "errors." in said, said
    return f"ended with {process.returncode}"


def spread(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """What is in the namespace, by kind and name."""
    kinds = "configmap,secret,serviceaccount,networkpolicy,service,deployment,cronjob,hpa,pdb,pvc,lease"
    items = cluster.get("--namespace", namespace, kinds)["items"]
    return {f"{item['kind']} {item['metadata']['name']}": item for item in items}


def check(cluster: Cluster, namespace: str, number: int, lease_left: bool = False) -> None:
    """The cluster holds that version, nothing of the other, and all that is not ours."""
    there = spread(cluster, namespace)
    declared = {f"{obj['kind']} {obj['metadata']['name']}" for obj in version(number)}
    others = {"ConfigMap kube-root-ca.crt", "ServiceAccount default", "ConfigMap stranger"}
    left = {f"Lease applyset-{TIER}"} & set(there) if lease_left else set()
    assert set(there) - left == declared | others | {f"ConfigMap applyset-{TIER}"}
    assert there["ConfigMap common"]["data"] == {"version": str(number), "same": "x", "theirs": "stays"}
    assert there["Service one"]["spec"]["ports"][0]["targetPort"] == 3000 + number
    assert there["Deployment one"]["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":{number}")
    assert there["HorizontalPodAutoscaler one"]["spec"]["maxReplicas"] == 3 + number


@pytest.mark.parametrize("seed", [_FIRST + number for number in range(_SCHEDULES)])
def test_converges_after_faults(cluster: Cluster, proxy: Proxy, through: Path, place: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable
    plan, number, wait = schedule(chance), chance.randint(0, 1), chance.choice([0, 0, 10])
    print(f"FAULTS_SEED={seed}, version {number}, wait {wait} s: {plan}")
    run(through, place, 1 - number)  # so that there is everything to do
    # What a replaced tool added goes, wherever a run is cut off.
    cluster.kubectl("--namespace", place, "patch", "configmap", "common", "--patch", '{"data":{"added":"goes"}}')
    ended = play(proxy, through, place, number, plan, wait)
    print(ended)
    broken = [entry for entry in proxy.log if entry[3]]
    for entry in broken:
        print(*entry)
    # What could not give its Lease back leaves it to expire, until a run writes again; any other has to be gone.
    refused = any(method == "DELETE" and "/leases/" in path for _, method, path, _ in broken)
    lease_left = refused or ended == "ended with -9"
    proxy.play(Schedule())
    with contextlib.suppress(AssertionError):
        check(cluster, place, number, lease_left)
        print("(converged under the faults)")
    run(through, place, number)
    check(cluster, place, number, lease_left)
    again = run(through, place, number)
    assert not again.result.changed
    assert again.writes == []
