"""Growing volumes: what is planned, what is refused, in which order it is done."""

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import expansion


def claim(name: str, size: str, app: str = "postgres", storage_class: str = "standard") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}},
    }


def stateful_set(size: str) -> dict[str, Any]:
    template = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}
    return {"metadata": {"name": "postgres", "uid": "u1"}, "spec": {"volumeClaimTemplates": [template]}}


class Cluster:
    """Holds claims, one StatefulSet and the StorageClass; writes down what is sent."""

    def __init__(self, claims: list[dict[str, Any]], owner: dict[str, Any] | None, expands: bool = True) -> None:
        self.claims, self.owner, self.expands = claims, owner, expands
        self.sent: list[str] = []

    def list(self, _kind: Any, _namespace: str) -> tuple[list[dict[str, Any]], str]:
        return self.claims, "1"

    def find(self, kind: Any, _namespace: str | None, name: str) -> dict[str, Any] | None:
        if kind.kind == "StorageClass":
            return {"allowVolumeExpansion": self.expands}
        if kind.kind == "StatefulSet":
            return self.owner if name == "postgres" else None
        return next((c for c in self.claims if c["metadata"]["name"] == name), None)

    def patch(self, _kind: Any, _namespace: str, name: str, body: Any, _writer: str) -> None:
        self.sent.append(f"{name}={body['spec']['resources']['requests']['storage']}")

    def delete(self, kind: Any, _namespace: str, name: str, *, uid: str, propagation: str) -> bool:
        self.sent.append(f"delete {kind.kind} {name} {uid} {propagation}")
        self.owner = None
        return True


def test_claims_grow_before_the_set_is_let_go() -> None:
    cluster = Cluster([claim("data-postgres-0", "10Gi"), claim("data-postgres-1", "20Gi")], stateful_set("10Gi"))
    (growth,) = expansion.plan(cluster, "ns", {"postgres": "20Gi"})  # type: ignore[arg-type]
    expansion.execute(cluster, "ns", growth)  # type: ignore[arg-type]
    assert cluster.sent == ["data-postgres-0=20Gi", "delete StatefulSet postgres u1 Orphan"]


def test_an_equal_size_written_otherwise_is_nothing_to_do() -> None:
    cluster = Cluster([claim("data-postgres-0", "10240Mi")], stateful_set("10Gi"))
    assert expansion.plan(cluster, "ns", {"postgres": "10Gi"}) == []  # type: ignore[arg-type]


def test_a_killed_run_is_finished() -> None:
    """The set is gone and the claims are grown: nothing is left for this step, the tier makes the set."""
    cluster = Cluster([claim("data-postgres-0", "20Gi")], None)
    assert expansion.plan(cluster, "ns", {"postgres": "20Gi"}) == []  # type: ignore[arg-type]


def test_claims_of_others_are_left_alone() -> None:
    others = [claim("data-postgres-0", "1Gi", app="legacy"), claim("data-mypostgres-0", "1Gi", app="mypostgres")]
    cluster = Cluster(others, None)
    assert expansion.plan(cluster, "ns", {"postgres": "20Gi"}) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "expands", "words"),
    [("5Gi", True, "cannot shrink"), ("20Gi", False, "does not let volumes grow")],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(size: str, expands: bool, words: str) -> None:
    cluster = Cluster([claim("data-postgres-0", "10Gi")], stateful_set("10Gi"), expands)
    with pytest.raises(EngineError, match=words):
        expansion.plan(cluster, "ns", {"postgres": size})  # type: ignore[arg-type]
    assert cluster.sent == []
