"""What is written, and what becomes of an answer, against a server that is a script."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import immutable

from .fakes import FakeCluster, Object, make
from .imports import FIELD_MANAGER, applier, applyset, compare, conflicts, errors, manifests, snapshot

LEAVING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.test/hold"]}
KEYS = {"details": {"causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "helm"', "field": ".x"}]}}
IMMUTABLE = {"reason": "FieldValueInvalid", "field": "roleRef", "message": "Invalid value: {}: field is immutable"}


class Server(FakeCluster):
    """Answers an apply by ``refusals``, else by what it was given; a deleted object is gone after ``lasting`` looks."""

    def __init__(self, *objects: Object, lasting: float = 2) -> None:
        super().__init__(*objects)
        self.refusals: Iterator[errors.ApiError | None] = iter(())
        self.applied: list[tuple[str, bool]] = []
        self.deleted: list[str] = []
        self.lasting = lasting

    def find(self, kind: Any, namespace: str | None, name: str) -> Object | None:
        found = super().find(kind, namespace, name)
        if found and "deletionTimestamp" in found["metadata"]:
            self.lasting -= 1
            if self.lasting < 0:
                self.objects.remove(found)
                return None
        return found

    def apply(self, kind: Any, obj: Object, *, force: bool = False, **_: Any) -> tuple[bool, Object]:
        if obj["metadata"]["name"].startswith("applyset-"):
            return False, obj
        self.applied.append((obj["metadata"]["name"], force))
        if refusal := next(self.refusals, None):
            raise refusal
        there = super().find(kind, None, obj["metadata"]["name"])
        return there is None, there or obj

    def delete(self, _kind: Any, _namespace: str | None, name: str, **_: Any) -> bool:
        self.deleted.append(name)
        next(obj for obj in self.objects if obj["metadata"]["name"] == name)["metadata"].update(LEAVING)
        return True


def run(cluster: Server, obj: Object, *members: Object, **how: Any) -> applier.Outcome:
    """Apply one object, given what bears the label of the tier."""
    seen = snapshot.Snapshot({manifests.identity(member): member for member in members})
    made = applier.Applier(cluster, applyset.ApplySet("t", "ns"), seen=seen, **how)  # type: ignore[arg-type]
    return made.run([obj])[0]


def ingress(**metadata: Any) -> Object:
    return make("networking.k8s.io/v1", "Ingress", "web", metadata={"uid": "1", **metadata})


def binding() -> Object:
    return make("rbac.authorization.k8s.io/v1", "RoleBinding", "reader", metadata={"uid": "1"})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applier, "_GONE_SECONDS", 0.3)
    monkeypatch.setattr(applier, "_GONE_POLL_SECONDS", 0.01)


def applied(obj: Object) -> Object:
    """``obj`` as it is after a run that changes nothing any more."""
    return applier.Applier(FakeCluster(), applyset.ApplySet("t", "ns"))._stamp(copy.deepcopy(obj))  # type: ignore[arg-type]


def test_what_is_being_deleted_is_made_when_it_is_gone() -> None:
    going = applied(ingress(**LEAVING))
    cluster = Server(going)
    outcome = run(cluster, ingress(), going)
    assert outcome.action == applier.CREATED
    assert cluster.applied == [("web", False)]
    assert cluster.objects == []


def test_what_is_being_deleted_would_be_made() -> None:
    going = applied(ingress(**LEAVING))
    cluster = Server(going)
    assert run(cluster, ingress(), going, check=True).action == applier.CREATED
    assert cluster.applied == []


def test_what_is_taken_over_while_it_is_being_deleted_is_made_when_it_is_gone() -> None:
    """It bears another tool's labels, so that nobody had looked at it."""
    cluster = Server(ingress(**LEAVING))
    assert run(cluster, ingress()).action == applier.CREATED
    assert cluster.applied == [("web", False)]


def test_what_is_not_gone_is_named_with_what_holds_it() -> None:
    going = applied(ingress(**LEAVING))
    cluster = Server(going, lasting=float("inf"))
    with pytest.raises(errors.EngineError, match=r"Ingress web: .* not gone after 0 s \(finalizers: example.test/hold"):
        run(cluster, ingress(), going)
    assert cluster.applied == []


def test_what_is_there_and_equal_is_left_alone() -> None:
    live = applied(ingress())
    cluster = Server(live)
    assert compare.unchanged(live, live)
    assert run(cluster, ingress(), live).action == applier.UNCHANGED
    assert cluster.applied == []


def _after_a_conflict() -> Iterator[errors.ApiError | None]:
    yield errors.ApiError(409, {"message": "Apply failed with 1 conflict", **KEYS})
    yield errors.ApiError(422, {"message": "is invalid", "details": {"causes": [IMMUTABLE]}})


def test_a_field_that_cannot_change_of_an_object_that_is_taken_over() -> None:
    cluster = Server(binding())
    cluster.refusals = _after_a_conflict()
    assert run(cluster, binding()).action == applier.RECREATED
    assert cluster.applied == [("reader", False), ("reader", True), ("reader", False)]
    assert cluster.deleted == ["reader"]


def test_a_field_that_cannot_change_of_one_that_stays_is_explained_though_it_was_taken_over() -> None:
    cluster = Server(ingress())
    cluster.refusals = _after_a_conflict()
    with pytest.raises(immutable.ImmutableField, match=r"Ingress web: a field cannot be changed"):
        run(cluster, ingress())
    assert cluster.deleted == []


@pytest.mark.parametrize(
    "body",
    [
        {"message": 'admission webhook "gatekeeper" denied the request: immutable', "details": {"causes": [IMMUTABLE]}},
        {"message": "denied: cannot be changed", "details": {"causes": [{"message": "denied: cannot be changed"}]}},
    ],
    ids=str,
)
def test_nothing_is_deleted_for_a_policy(body: Object) -> None:
    cluster = Server(binding())
    cluster.refusals = iter([errors.ApiError(422, body)])
    with pytest.raises(errors.EngineError):
        run(cluster, binding())
    assert cluster.deleted == []


def test_check_mode_of_an_object_whose_namespace_comes_with_the_run() -> None:
    failure = errors.ApiError(404, {"message": 'namespaces "new" not found', "details": {"kind": "namespaces"}})
    obj = make("v1", "ConfigMap", "c", metadata={"namespace": "new"})
    cluster = Server()
    cluster.refusals = iter([failure])
    assert run(cluster, obj, check=True).action == applier.CREATED
    cluster.refusals = iter([failure])
    with pytest.raises(errors.ApiError):
        run(cluster, obj)


FORBIDDEN = {
    "reason": "FieldValueForbidden",
    "field": "spec",
    "message": "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template' are forbidden",
}


def stateful_set(size: str, **spec: Any) -> Object:
    template = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}
    return make(
        "apps/v1", "StatefulSet", "db", metadata={"uid": "1"}, spec={"volumeClaimTemplates": [template], **spec}
    )


def refused() -> errors.ApiError:
    return errors.ApiError(422, {"details": {"causes": [FORBIDDEN]}})


def test_a_set_with_larger_volumes_is_replaced_in_one_step() -> None:
    live = stateful_set("10Gi")
    cluster = Server(live)
    cluster.refusals = iter([refused()])
    told = cluster.delete

    def delete(*where: Any, **how: Any) -> bool:
        assert (how["uid"], how["propagation"]) == ("1", "Orphan")
        cluster.interruption.tell("SIGINT")
        return told(*where, **how)

    cluster.delete = delete  # type: ignore[method-assign]
    outcome = run(cluster, stateful_set("20Gi"), live, grow_volumes=True)
    assert outcome.action == "recreated"
    # Told to stop as soon as it was deleted: it is made again all the same. The replacement was proven before.
    assert [name for name, _ in cluster.applied] == ["db", "db-proof", "db"]
    assert cluster.deleted == ["db"]


def test_a_set_whose_replacement_is_refused_is_not_deleted() -> None:
    live = stateful_set("10Gi")
    cluster = Server(live)
    cluster.refusals = iter([refused(), errors.ApiError(403, {"message": "a policy says no"})])
    with pytest.raises(errors.ApiError, match="a policy says no"):
        run(cluster, stateful_set("20Gi"), live, grow_volumes=True)
    assert cluster.deleted == []


@pytest.mark.parametrize(
    ("desired", "grow"),
    [
        (stateful_set("20Gi"), False),
        (stateful_set("5Gi"), True),
        (stateful_set("20Gi", serviceName="other"), True),
    ],
    ids=["not asked for", "smaller", "something else too"],
)
def test_a_set_is_not_replaced_for_anything_else(desired: Object, grow: bool) -> None:
    live = stateful_set("10Gi", serviceName="db")
    cluster = Server(live)
    cluster.refusals = iter([refused()])
    with pytest.raises(immutable.ImmutableField):
        run(cluster, desired, live, grow_volumes=grow)
    assert cluster.deleted == []


def test_nothing_is_written_beside_a_set_that_is_refused() -> None:
    template = {"metadata": {}, "spec": {"containers": [{"name": "db", "image": "db:1"}]}}
    live = stateful_set("10Gi", template=template)
    cluster = Server(live)
    cluster.refusals = iter([refused()])
    seen = snapshot.Snapshot({manifests.identity(live): live}, namespace_exists=True)
    made = applier.Applier(cluster, applyset.ApplySet("t", "ns"), seen=seen)  # type: ignore[arg-type]
    with pytest.raises(immutable.ImmutableField):
        made.run([make("v1", "ConfigMap", "c"), stateful_set("20Gi", template=template)])
    assert [name for name, _ in cluster.applied] == ["db"]


def test_a_binding_told_to_stop_in_between_is_made_again() -> None:
    live = binding()
    cluster = Server(live)
    cluster.refusals = iter([errors.ApiError(422, {"details": {"causes": [IMMUTABLE]}})])
    told = cluster.delete

    def delete(*where: Any, **how: Any) -> bool:
        cluster.interruption.tell("SIGINT")
        return told(*where, **how)

    cluster.delete = delete  # type: ignore[method-assign]
    assert run(cluster, binding(), live).action == "recreated"


# --- fields of other managers -----------------------------------------------------------------------------------------

FOREIGN = {"reason": "FieldManagerConflict", "message": 'conflict with "velero-server"', "field": ".data.a"}
MOVED = {"message": "the object has been modified"}


class Shared(Server):
    """A ConfigMap that others write too: what is applied, by its resourceVersion, and the patches of its record."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.sent: list[tuple[bool, bool, str | None]] = []
        self.patches: list[Object] = []
        self.moving = 0
        self.wins = "1"

    def apply(self, kind: Any, obj: Object, *, force: bool = False, **how: Any) -> tuple[bool, Object]:
        if not obj["metadata"]["name"].startswith("applyset-"):
            self.sent.append((bool(how.get("dry_run")), force, obj["metadata"].get("resourceVersion")))
        super().apply(kind, obj, force=force)
        fields: Object = {"f:data": {"f:a": {}}}
        mine = {"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields}
        return False, {**obj, "data": {"a": self.wins}, "metadata": {**obj["metadata"], "managedFields": [mine]}}

    def patch(self, _kind: Any, _namespace: Any, _name: str, body: Object, _writer: str, **_: Any) -> Object:
        self.patches.append(body)
        if len(self.patches) <= self.moving:
            raise errors.ApiError(409, MOVED)
        return body


def shared(manager: str) -> Object:
    entry = {"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:a": {}}}}
    return make("v1", "ConfigMap", "c", data={"a": "1"}, metadata={"resourceVersion": "7", "managedFields": [entry]})


def declared() -> Object:
    return make("v1", "ConfigMap", "c", data={"a": "1"})


def conflict(*then: errors.ApiError | None) -> Iterator[errors.ApiError | None]:
    return iter([errors.ApiError(409, {"message": "x", "details": {"causes": [FOREIGN]}}), *then])


def test_a_conflict_of_spelling_is_forced_on_the_version_looked_at() -> None:
    cluster = Shared(shared("velero-server"))
    cluster.refusals = conflict()
    run(cluster, declared())
    assert cluster.sent == [(False, False, None), (True, True, "7"), (False, True, "7")]


def test_a_conflict_of_values_is_never_forced() -> None:
    cluster = Shared(shared("velero-server"))
    cluster.wins = "2"
    cluster.refusals = conflict()
    with pytest.raises(conflicts.FieldConflict, match=r"velero-server owns: .data.a"):
        run(cluster, declared())
    assert cluster.sent == [(False, False, None), (True, True, "7")]


def test_an_object_changed_before_it_is_forced_is_judged_again() -> None:
    cluster = Shared(shared("velero-server"))
    cluster.refusals = conflict(None, errors.ApiError(409, MOVED))
    run(cluster, declared())
    assert [(dry, force) for dry, force, _ in cluster.sent] == [
        *((False, False), (True, True), (False, True)),
        (False, False),
    ]


def test_a_record_changed_before_the_handover_is_read_again() -> None:
    cluster = Shared(shared("helm"))
    cluster.moving = 2
    run(cluster, declared())
    assert [body["metadata"]["resourceVersion"] for body in cluster.patches] == ["7"] * 3
    assert [(dry, force) for dry, force, _ in cluster.sent] == [(True, False)] * 3 + [(False, False)]


def test_an_object_that_never_rests_is_given_up() -> None:
    cluster = Shared(shared("helm"))
    cluster.moving = 1000
    with pytest.raises(errors.EngineError, match="ConfigMap c: it is changed by others all the time"):
        run(cluster, declared())
    assert all(dry for dry, _, _ in cluster.sent)


def test_check_mode_hands_nothing_over() -> None:
    cluster = Shared(shared("helm"))
    run(cluster, declared(), check=True)
    assert cluster.patches == []
    assert all(dry for dry, _, _ in cluster.sent)
