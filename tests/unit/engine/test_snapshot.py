"""A look that begins before it is known what is declared."""

from __future__ import annotations

import copy
import threading
from typing import Any

from .fakes import FakeCluster, Object, make, status_error
from .imports import applyset, kinds, snapshot

SET = applyset.ApplySet("t", "ns")
ROUTES = "gateway.networking.k8s.io"


class Server(FakeCluster):
    """Lists by label, and serves two versions of HTTPRoute, each with the objects in its own form."""

    def __init__(self, *members: Object, remembers: set[tuple[str, str, str, str]]) -> None:
        super().__init__(*(self._member(obj) for obj in members))
        self.kinds = kinds.Registry(self._discovery)
        self.parent: Object = SET.parent(remembers)
        self.failures: dict[str, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()

    @staticmethod
    def _member(obj: Object) -> Object:
        obj["metadata"].setdefault("labels", {})[applyset.PART_OF] = SET.id
        return obj

    @staticmethod
    def _discovery(*_: Any) -> Object:
        resource = {"resource": "httproutes", "responseKind": {"kind": "HTTPRoute"}, "scope": "Namespaced"}
        versions = [{"version": version, "resources": [resource]} for version in ("v1", "v1beta1")]
        return {"items": [{"metadata": {"name": ROUTES}, "versions": versions}]}

    def find(self, kind: kinds.Kind, namespace: str | None, name: str) -> Object | None:
        return {"metadata": {"name": name}} if kind.kind == "Namespace" else None

    def list(
        self, kind: kinds.Kind, namespace: str | None = None, *, labels: str = "", **_: Any
    ) -> tuple[list[Object], str]:
        if labels.startswith(applyset.ID):
            return [copy.deepcopy(self.parent)], "1"
        self.lists.append(f"{kind.kind} {kind.api_version}")
        self.gate.wait(10)
        if failure := self.failures.get(kind.api_version):
            raise failure
        found = [o for o in self.objects if (o["kind"], o["metadata"]["namespace"]) == (kind.kind, namespace)]
        return [{**copy.deepcopy(o), "apiVersion": kind.api_version} for o in found], "1"


def test_what_the_last_run_had_is_asked_for_before_it_is_known_what_is_declared() -> None:
    cluster = Server(make("v1", "Secret", "a"), remembers={("", "Secret", "ns", "a")})
    with snapshot.Look(cluster, "ns", [SET]) as look:  # type: ignore[arg-type]
        look._began.result(10)
        begun = list(look._found)
        seen = look.end({SET: [make("v1", "Service", "b")]})[SET]
    assert [str(kind) for kind, _ in begun] == ["Secret"]
    assert set(seen.members) == {("", "Secret", "ns", "a")}
    assert sorted(cluster.lists) == ["Secret v1", "Service v1"]


def test_what_is_declared_is_compared_in_its_own_version() -> None:
    """The last run's kind is known without its version; a refusal of the other version is nobody's concern."""
    cluster = Server(make(f"{ROUTES}/v1", "HTTPRoute", "web"), remembers={(ROUTES, "HTTPRoute", "ns", "web")})
    cluster.failures[f"{ROUTES}/v1"] = status_error(500)
    with snapshot.Look(cluster, "ns", [SET]) as look:  # type: ignore[arg-type]
        seen = look.end({SET: [make(f"{ROUTES}/v1beta1", "HTTPRoute", "web")]})[SET]
    assert [live["apiVersion"] for live in seen.members.values()] == [f"{ROUTES}/v1beta1"]


def test_what_is_declared_is_looked_for_elsewhere_in_its_own_version_too() -> None:
    """Only the parent names the other namespace."""
    web = make(f"{ROUTES}/v1", "HTTPRoute", "web", metadata={"namespace": "other"})
    cluster = Server(web, remembers={(ROUTES, "HTTPRoute", "other", "web")})
    with snapshot.Look(cluster, "ns", [SET]) as look:  # type: ignore[arg-type]
        seen = look.end({SET: [make(f"{ROUTES}/v1beta1", "HTTPRoute", "here")]})[SET]
    assert (ROUTES, "HTTPRoute", "other", "web") in seen.members


def test_a_look_that_is_given_up_asks_nothing_more() -> None:
    many = {("", kind, "ns", "x") for _, kind in kinds.BUILT_IN if kinds.BUILT_IN.get(("v1", kind))}
    cluster = Server(remembers=many)
    cluster.gate.clear()
    with snapshot.Look(cluster, "ns", [SET]) as look:  # type: ignore[arg-type]
        look._began.result(10)
    cluster.gate.set()
    look._pool.shutdown(wait=True)
    assert len(cluster.lists) <= snapshot._AT_ONCE < len(many)
