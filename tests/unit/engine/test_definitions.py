"""A definition and objects of its kind in one run, on a server that takes its time to serve the kind."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from .fakes import FakeCluster, Object
from .imports import applier, applyset, definitions, errors, kinds, snapshot

ESTABLISHED = {"conditions": [{"type": "Established", "status": "True"}]}


def definition() -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.test"},
        "spec": {
            "group": "example.test",
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": False}],
        },
    }


def widget(version: str = "v1") -> Object:
    return {
        "apiVersion": f"example.test/{version}",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "ns"},
    }


class Server(FakeCluster):
    """Establishes a definition and names its kind in discovery only at the ``later``-th time that it is asked."""

    def __init__(self, later: int) -> None:
        super().__init__()
        self.kinds = kinds.Registry(self._discovery)
        self.left = {"established": later, "served": later}
        self.applied: list[str] = []

    def _discovery(self, *_: Any) -> Object:
        self.left["served"] -= self.left["established"] <= 0
        if self.left["served"] > 0:
            return {"items": []}
        resource = {"resource": "widgets", "responseKind": {"kind": "Widget"}, "scope": "Namespaced"}
        versions = [{"version": "v1", "resources": [resource]}]
        return {"items": [{"metadata": {"name": "example.test"}, "versions": versions}]}

    def find(self, kind: kinds.Kind, namespace: str | None, name: str) -> Object | None:
        found = super().find(kind, namespace, name)
        self.left["established"] -= 1
        if found and self.left["established"] <= 0:
            found["status"] = ESTABLISHED
        return found

    def apply(self, kind: kinds.Kind, obj: Object, *, dry_run: bool = False, **_: Any) -> tuple[bool, Object]:
        if not dry_run and not obj["metadata"]["name"].startswith("applyset-"):
            self.objects.append(copy.deepcopy(obj))
            self.applied.append(obj["kind"])
        return True, obj


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(definitions, "_POLL_SECONDS", 0.001)


def run(cluster: Server, *objects: Object, check: bool = False) -> list[str]:
    made = applier.Applier(cluster, applyset.ApplySet("t", "ns"), check=check, seen=snapshot.Snapshot())  # type: ignore[arg-type]
    return [outcome.action for outcome in made.run(list(objects))]


@pytest.mark.parametrize("later", [1, 3])
def test_objects_wait_until_their_kind_is_served(later: int) -> None:
    cluster = Server(later)
    assert run(cluster, definition(), widget()) == ["created", "created"]
    assert cluster.applied == ["CustomResourceDefinition", "Widget"]


@pytest.mark.parametrize(
    ("left", "message"),
    [
        ({"established": 10**6}, "CustomResourceDefinition widgets.example.test was not established within"),
        ({"served": 10**6}, "Widget of example.test/v1 was not served within .* widgets.example.test is established"),
    ],
)
def test_a_kind_that_never_comes_is_named(left: dict[str, int], message: str) -> None:
    cluster = Server(1)
    cluster.left.update(left)
    with pytest.raises(errors.EngineError, match=message):
        run(cluster, definition(), widget())
    assert cluster.applied == ["CustomResourceDefinition"]


@pytest.mark.parametrize("check", [False, True])
def test_a_version_that_the_definition_does_not_serve_is_refused(check: bool) -> None:
    cluster = Server(1)
    with pytest.raises(errors.InvalidManifest, match=r"does not serve Widget of example.test/v1alpha1"):
        run(cluster, definition(), widget("v1alpha1"), check=check)


def test_check_mode_takes_the_definition_at_its_word() -> None:
    cluster = Server(10**6)
    assert run(cluster, definition(), widget(), check=True) == ["created", "created"]
    assert cluster.applied == []
