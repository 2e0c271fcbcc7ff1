"""Property: whatever declared field somebody changes or removes in the cluster, the next run sees and mends it.

Each round spoils one declared leaf of every object at once, by a PUT of another manager, then runs once. What the
server refuses (immutable fields) or puts right by itself is no drift and is not counted.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import environ
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import manifests, tier
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import Cluster
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.manifests import describe

from . import objects
from .support import Engine, Object

pytestmark = pytest.mark.cluster

Path = tuple[str | int, ...]

_ROUNDS = int(environ.get("ENGINE_TEST_ROUNDS") or 8)
_IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}
# By these the API tells elements of a list apart (x-kubernetes-list-map-keys): who changes one has added an element and
# taken ours away. Ours comes back and theirs goes, which `locate` cannot tell apart.
_KEYS = {
    "ports": {"port", "protocol", "containerPort"},
    "volumeMounts": {"mountPath"},
    "topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"},
    **{field: {"name"} for field in ("containers", "env", "volumes", "imagePullSecrets", "secrets", "parts")},
    **{field: {"name"} for field in ("webhooks", "matchConditions", "variables")},
}
_GONE = object()


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where the scalars of ``value`` are, and its empty maps and lists."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))
    elif path not in _IDENTITY and not (len(path) > 2 and path[-1] in _KEYS.get(str(path[-3]), ())):
        yield path


def locate(desired: Any, live: Any, path: Path) -> tuple[Any, Any] | None:
    """The container and the key in ``live`` of what is at ``path`` in ``desired``; None where there is nothing."""
    for number, step in enumerate(path):
        at: str | int | None = step
        if isinstance(step, int):
            at = _counterpart(desired, live, step) if isinstance(live, list) else None
            if at is None:
                return None
        elif not isinstance(live, dict) or step not in live:
            return None
        if number == len(path) - 1:
            return live, at
        desired, live = desired[step], live[at]
    return None


def _counterpart(desired: list[Any], live: list[Any], index: int) -> int | None:
    """The element of ``live`` that is ``desired[index]``: the one that agrees in most scalars."""
    item = desired[index]
    if not isinstance(item, dict):
        return live.index(item) if item in live else (index if index < len(live) else None)

    def agreement(other: Any) -> int:
        return sum(other.get(key) == value for key, value in item.items()) if isinstance(other, dict) else -1

    return max(range(len(live)), key=lambda i: agreement(live[i]), default=None)


def value_at(desired: Any, live: Any, path: Path) -> Any:
    found = locate(desired, live, path)
    return _GONE if found is None else found[0][found[1]]


def other(value: Any, kind: str) -> Any:
    """A value that differs from ``value`` and has its type; for texts that are choices the server will refuse it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "c3BvaWx0" if kind == "Secret" else f"{value}x" if not value[-1:].isdigit() else f"{value}1"
    return _GONE


def spoil(cluster: Cluster, desired: Object, path: Path, chance: random.Random) -> str | None:
    """Change or remove one leaf in the cluster; says which way, or None where it cannot be done."""
    kind = cluster.kinds.find(desired["apiVersion"], desired["kind"])
    assert kind is not None
    where = kind.path(desired["metadata"].get("namespace"), desired["metadata"]["name"])
    ways = ["changed", "removed"]
    chance.shuffle(ways)
    for way in ways:
        for _attempt in range(3):
            live = cluster.get(where)
            before = value_at(desired, live, path)
            if before is _GONE:
                return None
            spoilt = copy.deepcopy(live)
            found = locate(desired, spoilt, path)
            assert found is not None
            new = other(before, desired["kind"]) if way == "changed" else _GONE
            if new is _GONE:
                del found[0][found[1]]
            else:
                found[0][found[1]] = new
            try:
                answer = cluster.send("PUT", where, {"fieldManager": "kubectl-edit"}, spoilt)[1]
            except ApiError as error:
                if error.status == 409:
                    continue  # a controller wrote its status meanwhile
                break
            if value_at(desired, answer, path) == before:
                break  # put right by the server
            return way
    return None


def prepared(engine: Engine, wanted: list[Object]) -> list[Object]:
    cluster = engine.connect()
    return manifests.prepare(copy.deepcopy(wanted), "test", tier.namespaced_by(cluster), engine.namespace)


class Victim:
    """One object, and the leaves of it that are still to be spoilt, in random order."""

    def __init__(self, cluster: Cluster, desired: Object, seed: float) -> None:
        self.desired = desired
        self.name = describe(desired)
        self._cluster = cluster
        # Of its own, so that threads do not change each other's choices.
        self._chance = random.Random(f"{seed}{self.name}")  # noqa: S311 - repeatable
        self._paths = list(leaves(desired))
        self._chance.shuffle(self._paths)
        self.told = ""
        self._before: Any = None
        self._path: Path = ()

    def live(self) -> Object:
        kind = self._cluster.kinds.find(self.desired["apiVersion"], self.desired["kind"])
        assert kind is not None
        return self._cluster.get(kind.path(self.desired["metadata"].get("namespace"), self.desired["metadata"]["name"]))

    def spoil(self) -> bool:
        """Spoil the next leaf that can be; false where none is left."""
        while self._paths:
            self._path = self._paths.pop()
            self._before = value_at(self.desired, self.live(), self._path)
            way = spoil(self._cluster, self.desired, self._path, self._chance)
            if way:
                self.told = f"{self.name}: {'.'.join(map(str, self._path))} was {way}"
                return True
        return False

    def is_back(self) -> bool:
        return bool(value_at(self.desired, self.live(), self._path) == self._before)


def check_drift(
    engine: Engine, wanted: list[Object], chance: random.Random, rounds: int, spare: frozenset[str] = frozenset()
) -> int:
    """How many leaves were spoilt, each seen and taken back; none of the kinds in ``spare``."""
    engine.apply(wanted)
    cluster, seed = replace(engine, patience=0).connect(), chance.random()
    victims = [Victim(cluster, obj, seed) for obj in prepared(engine, wanted) if obj["kind"] not in spare]
    count = 0
    with ThreadPoolExecutor(8) as pool:
        for _ in range(rounds):
            hit = [v for v, spoilt in zip(victims, pool.map(Victim.spoil, victims), strict=True) if spoilt]
            if not hit:
                break
            run = engine.apply(wanted)
            assert [victim.told for victim in hit if run.actions[victim.name] != "configured"] == []
            assert {name for name, action in run.actions.items() if action != "unchanged"} == {v.name for v in hit}
            assert [v.told for v, back in zip(hit, pool.map(Victim.is_back, hit), strict=True) if not back] == []
            assert engine.apply(wanted).writes == [], [victim.told for victim in hit]
            count += len(hit)
    return count


def test_drift_is_taken_back(engine: Engine, chance: random.Random) -> None:
    assert check_drift(engine, objects.namespaced(), chance, _ROUNDS) >= 10 * min(_ROUNDS, 8)


def test_drift_cluster_wide_is_taken_back(
    engine: Engine, chance: random.Random, cluster_scope: Callable[[str, str], None]
) -> None:
    wanted = objects.cluster_wide(engine.namespace)
    for obj in wanted:
        if obj["kind"] != "Widget":
            cluster_scope(obj["kind"], obj["metadata"]["name"])
    # A definition that is spoilt may take the objects of its kind along: it has a test of its own.
    spare = frozenset({"CustomResourceDefinition"})
    assert check_drift(engine, wanted, chance, min(_ROUNDS, 6), spare) >= 20


def test_what_is_added_to_what_is_ours_as_a_whole_is_taken_back(
    engine: Engine, cluster_scope: Callable[[str, str], None]
) -> None:
    """Lists and selectors that are merged under the same name in other kinds."""
    every = [*objects.namespaced(), *objects.cluster_wide(engine.namespace)]
    for obj in objects.cluster_wide(engine.namespace):
        if obj["kind"] != "Widget":
            cluster_scope(obj["kind"], obj["metadata"]["name"])
    name = engine.namespace
    more: dict[str, Callable[[Object], Any]] = {
        "ServiceAccount puller": lambda o: o["imagePullSecrets"].append({"name": "more"}),
        "EndpointSlice slice": lambda o: o["ports"].append({"name": "more", "port": 5434, "protocol": "TCP"}),
        "Widget widget": lambda o: o["spec"]["env"].append({"name": "more", "value": "x"}),
        f"ValidatingWebhookConfiguration validate-{name}": lambda o: o["webhooks"][0]["objectSelector"][
            "matchLabels"
        ].update(more="x"),
        f"ValidatingAdmissionPolicy policy-{name}": lambda o: o["spec"]["matchConstraints"].update(
            excludeResourceRules=[o["spec"]["matchConstraints"]["resourceRules"][0]]
        ),
    }
    wanted = [obj for obj in every if describe(obj) in more or obj["kind"] == "CustomResourceDefinition"]
    engine.apply(wanted)
    cluster = engine.connect()
    for obj in prepared(engine, wanted):
        if change := more.get(describe(obj)):
            kind = cluster.kinds.find(obj["apiVersion"], obj["kind"])
            assert kind is not None
            path = kind.path(obj["metadata"].get("namespace"), obj["metadata"]["name"])
            live = cluster.get(path)
            change(live)
            cluster.send("PUT", path, {"fieldManager": "kubectl-edit"}, live)
    actions = engine.apply(wanted).actions
    assert {name for name, action in actions.items() if action == "configured"} == more.keys()
    assert engine.apply(wanted).writes == []


def test_drift_of_a_definition_is_taken_back(
    engine: Engine, chance: random.Random, cluster_scope: Callable[[str, str], None]
) -> None:
    definition = objects.definition(engine.namespace)
    cluster_scope("CustomResourceDefinition", definition["metadata"]["name"])
    assert check_drift(engine, [definition], chance, min(_ROUNDS, 6)) >= 3
