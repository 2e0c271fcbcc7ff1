"""What exists and does less than what is declared is found; what merely takes its time is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError, EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.manifests import identity
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.snapshot import Snapshot
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import declared, releases, shortfalls

Object = dict[str, Any]


def make(kind: str, name: str, api_version: str = "v1", **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def within(kind: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "ns"}}


def workload(**spec: Any) -> Object:
    return make("Deployment", "web", "apps/v1", spec=spec)


def scaler(*conditions: Object, least: int = 2) -> Object:
    return {"spec": {"minReplicas": least}, "status": {"conditions": list(conditions)}}


LOOKED = {"type": "AbleToScale", "status": "True"}


@pytest.mark.parametrize(
    ("live", "wanted", "least", "autoscaler", "words"),
    [
        (workload(replicas=2), workload(), 2, scaler(LOOKED), ""),
        (workload(replicas=0), workload(), 2, scaler(LOOKED), "has 0 pods, the minimum is 2"),
        (workload(replicas=0), None, None, scaler(LOOKED), "has 0 pods, the minimum is 2"),
        (workload(replicas=0), None, None, None, ""),
        (workload(replicas=0), workload(), None, scaler(LOOKED), ""),
        (workload(replicas=1), workload(), 2, scaler(LOOKED), "has 1 pod, the minimum of its autoscaler is 2"),
        (workload(replicas=1), workload(), 2, scaler(), ""),
        (workload(replicas=1), workload(), 2, None, "has 1 pod, the minimum of its autoscaler is 2"),
        (workload(replicas=1), workload(replicas=3), None, None, "has 1 pod, declared are 3"),
        (workload(replicas=5), workload(replicas=3), None, None, ""),
        (workload(), workload(replicas=1), None, None, ""),
        (workload(replicas=0), workload(replicas=0), None, None, ""),
        (workload(replicas=2, paused=True), workload(), 2, scaler(LOOKED), "its rollout is paused"),
        (workload(replicas=2, paused=True), workload(paused=True), 2, scaler(LOOKED), ""),
    ],
)
def test_fewer_pods_than_declared(
    live: Object, wanted: Object | None, least: int | None, autoscaler: Object | None, words: str
) -> None:
    said = shortfalls.pods(live, wanted, least, autoscaler)
    assert said.startswith(words)
    assert bool(said) == bool(words)


def known(*objects: Object, live: tuple[Object, ...] = (), **fields: Any) -> declared.Declared:
    """A release of one tier, and what is there of it."""
    seen = Snapshot({identity(obj): obj for obj in live})
    release = releases.Release(3, {"tiers": {"services": "manifests"}})
    return declared.Declared(
        **{"release": release, "objects": {"services": list(objects)}, **fields}, live={"services": seen}
    )


def pod(ready: str = "True", **labels: str) -> Object:
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": {"name": "p", "labels": labels}, "status": {"conditions": conditions}}


def service(**selector: str) -> Object:
    return make("Service", "web", spec={"selector": selector})


@pytest.mark.parametrize(
    ("live", "pods", "found"),
    [
        (service(app="web"), [pod(app="web")], []),
        (service(app="other"), [pod(app="web")], ["Service web: its selector app=other finds no ready pod"]),
        (service(), [pod(app="web")], []),
        (service(app="other"), [pod("False", app="web")], []),
        (service(app="other"), [], []),
    ],
    ids=["as declared", "another selector", "selects all", "its pods are not ready", "no pods"],
)
def test_service_that_finds_no_pod(live: Object, pods: list[Object], found: list[str]) -> None:
    assert list(shortfalls.unreached(known(service(app="web"), live=(live,)), pods)) == found


def store(replicas: int) -> Object:
    templates = [{"metadata": {"name": "data"}}]
    return make("StatefulSet", "nats", "apps/v1", spec={"replicas": replicas, "volumeClaimTemplates": templates})


def test_volumes_that_are_missing_or_going() -> None:
    claims: list[Object] = [
        {"metadata": {"name": "data-nats-0"}},
        {"metadata": {"name": "data-nats-2", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ]
    assert list(shortfalls.claims(known(store(3)), claims)) == [
        "Volume data-nats-1 of StatefulSet nats is missing",
        "Volume data-nats-2 is being deleted: its data goes when its pod ends",
    ]


def test_missing_objects_are_named_by_kind_with_a_remedy() -> None:
    gone = [declared.Missing("t", make("Service", name)) for name in ("a", "b")]
    going = declared.Missing("t", make("Secret", "c"), deleting=True)
    kept = make("Secret", "d")
    kept["metadata"]["annotations"] = {"multi-agent.platform/keep": "true"}
    assert list(shortfalls.missing([*gone, going, declared.Missing("t", kept)])) == [
        ("Service a, b: missing (its name does not resolve)", shortfalls.GONE),
        ("Secret c: being deleted", shortfalls.GONE),
        ("Secret d: missing (new pods that use it do not start)", shortfalls.KEPT),
    ]


@pytest.mark.parametrize(
    ("state", "words", "remedy"),
    [
        (declared.Declared(), "No release is recorded in namespace ns", "`make deploy` records one"),
        (known(unreadable={"nats": EngineError("it is gone", "")}), "Tier nats cannot be compared", "records it again"),
        (known(unreadable={"nats": ApiError(403, {"message": "no"})}), "Tier nats cannot be compared", "deployer-role"),
        (known(unseen=[within("Secret", "s")]), "may not look at Secret s", "deployer-role"),
        (
            known(release=releases.Release(4, {"tiers": {"a": "m"}, "planned": ["a", "b"]})),
            "Release 4 has not reached b",
            "`make deploy` again",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(state: declared.Declared, words: str, remedy: str) -> None:
    ((what, todo),) = shortfalls.unknown(state, "ns")
    assert words in what
    assert remedy in todo


def test_what_a_role_cannot_show_is_no_problem_and_is_said() -> None:
    state = known(unseen=[make("Namespace", "ns"), make("PriorityClass", "store")])
    assert list(shortfalls.unknown(state, "ns")) == []
    assert shortfalls.not_looked_at(shortfalls.hidden(state, "ns")) == [
        "Not looked at, because this user may not: PriorityClass store"
    ]
    assert shortfalls.not_looked_at(shortfalls.hidden(known(), "ns")) == []
