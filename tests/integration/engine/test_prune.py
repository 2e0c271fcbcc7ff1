"""What left the inventory leaves the cluster: the twelve steps of kubernetes.core, for prune; what it never touches."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import snapshot
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError, EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.lease import LAST_RUN
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.manifests import identity
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.prune import Policy

from ..conftest import Cluster
from .objects import make, selector
from .support import Engine, Object

pytestmark = pytest.mark.cluster

STAYS = [make("v1", "ConfigMap", f"stays-{number}") for number in range(4)]
GOES = [
    make("v1", "ConfigMap", "goes"),
    make("v1", "Service", "goes", spec={"selector": {"app": "x"}, "ports": [{"port": 80}]}),
    make(
        "apps/v1",
        "Deployment",
        "goes",
        spec={
            "selector": selector("goes"),
            "template": {
                "metadata": {"labels": {"app": "goes"}},
                "spec": {"containers": [{"name": "m", "image": "x"}]},
            },
        },
    ),
]
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
DATA = [
    make("v1", "PersistentVolumeClaim", "data", spec=CLAIM),
    make(
        "apps/v1",
        "StatefulSet",
        "store",
        spec={
            "selector": selector("store"),
            "serviceName": "store",
            "template": {
                "metadata": {"labels": {"app": "store"}},
                "spec": {"containers": [{"name": "m", "image": "x"}]},
            },
            "volumeClaimTemplates": [{"metadata": {"name": "volume"}, "spec": CLAIM}],
        },
    ),
    make("v1", "Secret", "kept") | {"metadata": {"name": "kept", "annotations": {"multi-agent.platform/keep": "true"}}},
]
NAMED = Policy(frozenset({"PersistentVolumeClaim/data", "StatefulSet/store", "Secret/kept"}))


@dataclass(frozen=True)
class Step:
    """One of the six that are made in check mode and for real. ``expected``: how many objects had which action."""

    name: str
    declared: list[Object]
    expected: dict[str, int]
    policy: Policy = field(default_factory=Policy)


STEPS = [
    Step("prune", [*STAYS, *DATA], {"unchanged": 7, "pruned": 3}),
    Step("prune again", [*STAYS, *DATA], {"unchanged": 7}),
    Step("undeclare data", STAYS, {"unchanged": 4, "kept": 3}),
    Step("undeclare data again", STAYS, {"unchanged": 4, "kept": 3}),
    Step("name the data", STAYS, {"unchanged": 4, "pruned": 3}, NAMED),
    Step("name the data again", STAYS, {"unchanged": 4}, NAMED),
]


def live(cluster: Cluster, namespace: str) -> set[tuple[str, str]]:
    kinds = "configmaps,services,deployments,statefulsets,persistentvolumeclaims,secrets"
    items = cluster.get("--namespace", namespace, "--selector=applyset.kubernetes.io/part-of", kinds)["items"]
    return {(item["kind"], item["metadata"]["name"]) for item in items if not item["metadata"].get("deletionTimestamp")}


def test_twelve_steps(cluster: Cluster, engine: Engine) -> None:
    engine.apply([*STAYS, *GOES, *DATA])
    for step in STEPS:
        before = live(cluster, engine.namespace)
        planned = engine.apply(step.declared, check=True, policy=step.policy)
        assert live(cluster, engine.namespace) == before, f"{step.name}: check mode wrote something"
        real = engine.apply(step.declared, policy=step.policy, wait_seconds=60)
        for mode, run in (("check", planned), ("real", real)):
            counts = {action: number for action, number in run.result.counts().items() if number}
            assert counts == step.expected, f"{step.name}, {mode}"
            assert run.result.changed == ("pruned" in step.expected), f"{step.name}, {mode}"
        assert planned.result.objects() == real.result.objects(), step.name
        assert len(planned.result.diffs()) == step.expected.get("pruned", 0)
        gone = {(obj["kind"], obj["metadata"]["name"]) for obj in real.result.pruned}
        assert live(cluster, engine.namespace) == before - gone, step.name
    # The claim of a StatefulSet is nobody's to prune.
    assert cluster.kubectl("--namespace", engine.namespace, "get", "pvc", "--output=name").split() == [
        "persistentvolumeclaim/volume-store-0"
    ]


def test_most_of_a_tier_goes_only_on_request(cluster: Cluster, engine: Engine) -> None:
    engine.apply([*STAYS, *GOES])
    before = live(cluster, engine.namespace)
    for check in (True, False):
        with pytest.raises(EngineError, match=r"4 of 7 objects of this tier are no longer declared") as caught:
            engine.apply(GOES, check=check)
        assert "platform_prune_most" in caught.value.remedy
        assert live(cluster, engine.namespace) == before
    assert engine.apply(GOES, policy=Policy(most=True)).result.counts()["pruned"] == 4


def test_object_that_is_named_stays_until_it_is_not(cluster: Cluster, engine: Engine) -> None:
    engine.apply([*STAYS, *GOES])
    keeping = Policy(namespace=engine.namespace, keep=frozenset({"Service/goes", "Deployment/goes"}))
    for check in (True, False, False):
        run = engine.apply(STAYS, check=check, policy=keeping)
        kept = {obj["kind"]: reason for obj, reason in run.result.kept}
        assert kept.keys() == {"Service", "Deployment"}
        assert kept["Service"] == "is named in platform_prune_keep (take Service/goes out of it to let it go)"
    assert {kind for kind, name in live(cluster, engine.namespace) if name == "goes"} == {"Service", "Deployment"}
    assert engine.apply(STAYS, policy=Policy()).result.counts()["pruned"] == 2


@pytest.mark.parametrize("first", ["new", "old"])
def test_an_object_that_moves_to_another_tier_is_not_deleted(cluster: Cluster, engine: Engine, first: str) -> None:
    """Whichever of the two tiers is applied first."""
    old, new = engine, Engine(engine.kubeconfig, engine.namespace, "other")
    moves = GOES[0]
    old.apply([*STAYS, moves])
    uid = cluster.get("--namespace", engine.namespace, "configmap", "goes")["metadata"]["uid"]
    elsewhere = {identity(moves | {"metadata": {**moves["metadata"], "namespace": engine.namespace}})}
    runs: list[Any] = [lambda: old.apply(STAYS, elsewhere=elsewhere), lambda: new.apply([moves])]
    for run in runs if first == "old" else reversed(runs):
        assert run().result.pruned == []
    now = cluster.get("--namespace", engine.namespace, "configmap", "goes")["metadata"]
    assert now["uid"] == uid
    assert old.apply(STAYS).writes == []
    assert new.apply([moves]).writes == []


def parent(cluster: Cluster, namespace: str) -> Any:
    """Labels and annotations of the parent, but for who ran last."""
    live = cluster.get("--namespace", namespace, "configmap", "applyset-test")["metadata"]
    live["annotations"].pop(LAST_RUN, None)
    return live["labels"], live["annotations"]


def test_a_gate_that_stayed_goes_with_its_workload(cluster: Cluster, engine: Engine) -> None:
    """No Job is declared any more when something is pruned, and the passed gate is found all the same."""
    web = copy.deepcopy(GOES[-1])
    web["metadata"]["name"] = "web"
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "x"}]}}
    # Of no pods: it succeeds without any.
    gate = make("batch/v1", "Job", "web-migration-1", spec={"completions": 0, "parallelism": 0, "template": template})
    gate["metadata"]["annotations"] = {"multi-agent.platform/gate": "web"}
    engine.apply([*STAYS, GOES[0], web, gate])
    assert [obj["kind"] for obj in engine.apply([*STAYS, web]).result.pruned] == ["ConfigMap"]
    assert {obj["kind"] for obj in engine.apply(STAYS).result.pruned} == {"Deployment", "Job"}
    assert cluster.get("--namespace", engine.namespace, "jobs")["items"] == []


@pytest.mark.parametrize("way", ["delete", "edit"])
def test_a_parent_that_was_lost_is_restored_by_a_run_without_changes(
    cluster: Cluster, engine: Engine, way: str
) -> None:
    engine.apply([*STAYS, *GOES])
    before = parent(cluster, engine.namespace)
    within = ("--namespace", engine.namespace)
    if way == "delete":
        cluster.kubectl(*within, "delete", "configmap", "applyset-test")
    else:
        kinds = "applyset.kubernetes.io/contains-group-kinds=ConfigMap"
        cluster.kubectl(*within, "annotate", "--overwrite", "configmap", "applyset-test", kinds)
    assert engine.apply([*STAYS, *GOES], check=True).writes == []
    assert not engine.apply([*STAYS, *GOES]).result.changed
    assert parent(cluster, engine.namespace) == before
    assert engine.apply([*STAYS, *GOES]).writes == []
    # So what leaves after that is found.
    assert len(engine.apply(STAYS).result.pruned) == len(GOES)


@pytest.fixture
def away(cluster: Cluster, engine: Engine, cluster_scope: Callable[..., None]) -> Object:
    """An object of the tier in a namespace of others."""
    obj = make("v1", "ConfigMap", "away")
    other = obj["metadata"]["namespace"] = f"{engine.namespace}-other"
    cluster.kubectl("create", "namespace", other)
    cluster_scope("Namespace", other)
    return obj


def test_the_last_object_in_another_namespace_is_found(cluster: Cluster, engine: Engine, away: Object) -> None:
    """Nothing that is declared names that namespace any more; the parent does, and forgets it afterwards."""
    other = away["metadata"]["namespace"]
    engine.apply([*STAYS, away])
    assert engine.apply([*STAYS, away]).writes == []
    assert parent(cluster, engine.namespace)[1]["applyset.kubernetes.io/additional-namespaces"] == other
    foreign = copy.deepcopy(away)
    foreign["metadata"]["name"] = "foreign"
    cluster.kubectl("create", "--filename=-", objects=[foreign])
    for check in (True, False):
        pruned = engine.apply(STAYS, check=check).result.pruned
        assert [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in pruned] == [(other, "away")]
    names = cluster.kubectl("--namespace", other, "get", "configmaps", "--output=name")
    assert "configmap/foreign" in names
    assert "configmap/away" not in names
    assert "applyset.kubernetes.io/additional-namespaces" not in parent(cluster, engine.namespace)[1]
    assert engine.apply(STAYS).writes == []


def test_a_namespace_that_may_not_be_looked_at_is_said_and_not_forgotten(
    engine: Engine, away: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = away["metadata"]["namespace"]
    engine.apply([*STAYS, *GOES, away])
    members = snapshot._members

    def forbidden(api: Any, kind: Any, scope: str | None, ids: Any) -> Any:
        if scope == other:
            raise ApiError(403, {"message": f"{kind.plural} is forbidden"})
        return members(api, kind, scope, ids)

    monkeypatch.setattr(snapshot, "_members", forbidden)
    run = engine.apply(STAYS)
    assert len(run.result.pruned) == len(GOES)
    (said,) = run.said
    assert said.startswith(f"An earlier run reached into namespace {other}; this user may not look for ConfigMap, ")
    assert engine.apply(STAYS).writes == []
    monkeypatch.setattr(snapshot, "_members", members)
    assert [obj["metadata"]["namespace"] for obj in engine.apply(STAYS).result.pruned] == [other]


def test_what_is_not_ours_is_never_pruned(cluster: Cluster, engine: Engine) -> None:
    """Not what bears no label of the tier, whatever its name, and not a namesake that somebody made meanwhile."""
    engine.apply([*STAYS, *GOES])
    within = ("--namespace", engine.namespace)
    cluster.kubectl(*within, "create", "configmap", "stranger")
    cluster.kubectl(*within, "delete", "configmap", "goes")
    cluster.kubectl(*within, "create", "configmap", "goes")
    run = engine.apply(STAYS)
    assert {obj["kind"] for obj in run.result.pruned} == {"Service", "Deployment"}
    names = cluster.kubectl(*within, "get", "configmaps", "--output=name")
    assert "configmap/stranger" in names
    assert "configmap/goes" in names
