"""Growing volumes: what is planned, what is refused, in which order it is done."""

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.interruption import Interruption
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import expansion
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.plan import Item


def claim(name: str, size: str, app: str = "postgres", has: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"storageClassName": "standard", "resources": {"requests": {"storage": size}}},
        "status": {"capacity": {"storage": has or size}},
    }


def stateful_set(size: str) -> dict[str, Any]:
    template = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}
    return {"metadata": {"name": "postgres", "uid": "u1"}, "spec": {"volumeClaimTemplates": [template]}}


class Cluster:
    """Holds claims, one StatefulSet and the StorageClass; writes down what is sent."""

    def __init__(self, claims: list[dict[str, Any]], owner: dict[str, Any] | None, expands: bool = True) -> None:
        self.claims, self.owner, self.expands = claims, owner, expands
        self.sent: list[str] = []
        self.interruption = Interruption()

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


def test_claims_grow_and_the_set_is_left_alone() -> None:
    cluster = Cluster([claim("data-postgres-0", "10Gi"), claim("data-postgres-1", "20Gi")], stateful_set("10Gi"))
    (growth,) = expansion.plan(cluster, "ns", {"postgres": "20Gi"})  # type: ignore[arg-type]
    assert growth.lines() == [
        "10Gi -> 20Gi: claim data-postgres-0",
        "StatefulSet postgres is then replaced around its running pods",
    ]
    expansion.execute(cluster, "ns", growth)  # type: ignore[arg-type]
    assert cluster.sent == ["data-postgres-0=20Gi"]


def test_a_claim_that_does_not_grow_is_named_with_what_it_has() -> None:
    cluster = Cluster([claim("data-postgres-0", "10Gi")], stateful_set("10Gi"))
    growths = expansion.plan(cluster, "ns", {"postgres": "20Gi"})  # type: ignore[arg-type]
    with pytest.raises(EngineError, match=r"data-postgres-0 \(has 10Gi of 20Gi\)") as caught:
        expansion.wait(cluster, "ns", growths, 0)  # type: ignore[arg-type]
    assert "no StatefulSet was touched" in str(caught.value)


def test_a_run_that_ended_while_waiting_waits_again() -> None:
    """The claim asks for its size already, and has not got it: the set is not to be replaced before."""
    cluster = Cluster([claim("data-postgres-0", "20Gi", has="10Gi")], stateful_set("10Gi"))
    growths = expansion.plan(cluster, "ns", {"postgres": "20Gi"})  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="Not grown"):
        expansion.wait(cluster, "ns", growths, 0)  # type: ignore[arg-type]


def test_a_file_system_that_grows_with_its_pod_is_not_waited_for() -> None:
    waiting = claim("data-postgres-0", "10Gi")
    waiting["status"]["conditions"] = [{"type": "FileSystemResizePending"}]
    cluster = Cluster([waiting], stateful_set("10Gi"))
    growths = expansion.plan(cluster, "ns", {"postgres": "20Gi"})  # type: ignore[arg-type]
    assert expansion.wait(cluster, "ns", growths, 0) == ["data-postgres-0"]  # type: ignore[arg-type]


def created(image: str, size: str = "10Gi") -> Item:
    spec = {**stateful_set(size)["spec"], "image": image}
    obj = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "postgres"}, "spec": spec}
    return Item("created", obj, [])


def test_a_set_that_is_gone_comes_back_only_as_it_was() -> None:
    now = expansion.Now({"postgres": "10Gi"}, {"postgres": created("a").obj})
    other = Item("created", {"kind": "ConfigMap", "metadata": {"name": "postgres"}}, [])
    assert now.others([("datastores", created("a")), ("datastores", other)]) == [("datastores", other)]
    ((_, changed),) = now.others([("datastores", created("b"))])
    assert changed.details == ["spec.image: a -> b"]


def test_an_equal_size_written_otherwise_is_nothing_to_do() -> None:
    cluster = Cluster([claim("data-postgres-0", "10240Mi")], stateful_set("10Gi"))
    assert expansion.plan(cluster, "ns", {"postgres": "10Gi"}) == []  # type: ignore[arg-type]


def test_a_killed_run_is_finished() -> None:
    """The set is gone and the claims have grown: nothing is left for this step, the tier creates the set."""
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
