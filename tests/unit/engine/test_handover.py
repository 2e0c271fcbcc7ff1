"""Which fields of other managers become ours, which are removed and which stay."""

from __future__ import annotations

from typing import Any

import pytest

from .imports import FIELD_MANAGER, fieldsets, handover, meaning

Object = dict[str, Any]


def entry(manager: str, fields: Any, operation: str = "Update", **more: str) -> Object:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **more}


def ours(fields: Any, **more: str) -> Object:
    return entry(FIELD_MANAGER, fields, "Apply", **more)


def live(*entries: Object, kind: str = "ConfigMap", **fields: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "c", "managedFields": list(entries)}, **fields}


def hand_over(kind: str, *entries: Object, declared: Any, force: bool = False) -> handover.Handover | None:
    return handover.hand_over(live(*entries, kind=kind), live(ours(declared), kind=kind), force)


def owners(change: handover.Handover | None) -> dict[str, Any]:
    assert change
    return {record["manager"]: record["fieldsV1"] for record in change.entries}


# --- sets of fields ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"f:data": {"f:a": {}}},
        {"f:data": {".": {}, "f:a": {}}},
        {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}, 'v:"x"': {}, "i:0": {}}},
    ],
    ids=str,
)
def test_fields_survive_a_round_trip(fields: Any) -> None:
    assert fieldsets.fields_v1(fieldsets.paths(fields)) == fields


@pytest.mark.parametrize(
    ("obj", "gone", "kept", "left"),
    [
        ({"data": {"a": "1", "b": "2"}}, {"f:data": {"f:a": {}}}, {}, {"data": {"b": "2"}}),
        # A map that becomes empty goes, one that is not owned and has something stays.
        ({"data": {"a": "1"}, "x": 1}, {"f:data": {"f:a": {}}}, {}, {"x": 1}),
        ({"m": {"a": 1, "b": 2}}, {"f:m": {".": {}, "f:a": {}}}, {"f:m": {"f:b": {}}}, {"m": {"b": 2}}),
        # An element goes with its defaults, unless something in it stays.
        (
            {"env": [{"name": "A", "x": 1}, {"name": "B", "value": "1"}]},
            {"f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}}}},
            {"f:env": {'k:{"name":"B"}': {}}},
            {"env": [{"name": "B", "value": "1"}]},
        ),
        ({"tags": ["x", "y"]}, {"f:tags": {'v:"x"': {}}}, {}, {"tags": ["y"]}),
        # What is not there takes nothing along.
        ({"empty": {}}, {"f:empty": {"f:a": {}}, "f:no": {'k:{"name":"A"}': {}}}, {}, {"empty": {}}),
    ],
)
def test_fields_are_removed_as_an_apply_does(obj: Object, gone: Any, kept: Any, left: Object) -> None:
    assert fieldsets.without(obj, fieldsets.paths(gone), fieldsets.paths(kept)) == left


# --- tools that are replaced ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manager", sorted(handover.MOVED))
def test_fields_of_a_tool_that_are_not_declared_go(manager: str) -> None:
    tool = entry(manager, {"f:data": {".": {}, "f:a": {}, "f:old": {}}})
    change = hand_over("ConfigMap", tool, declared={"f:data": {"f:a": {}}})
    assert change
    assert fieldsets.fields_v1(change.removed) == {"f:data": {"f:old": {}}}
    assert owners(change) == {FIELD_MANAGER: {"f:data": {"f:a": {}, "f:old": {}}}}
    assert change.entries[0]["operation"] == "Apply"


@pytest.mark.parametrize(
    "other",
    [
        entry("velero-server", {"f:data": {"f:old": {}}}),
        entry("kube-controller-manager", {"f:data": {"f:old": {}}}),
        entry("helm", {"f:data": {"f:old": {}}}, subresource="scale"),
        {**entry("helm", {"f:data": {"f:old": {}}}), "apiVersion": "v2"},
    ],
    ids=lambda other: str(other["manager"]),
)
def test_what_another_manager_owns_too_stays(other: Object) -> None:
    tool = entry("kubectl-edit", {"f:data": {"f:a": {}, "f:old": {}}})
    change = hand_over("ConfigMap", tool, other, declared={"f:data": {"f:a": {}}})
    assert change
    assert not change.removed
    assert change.entries == [other, ours({"f:data": {"f:a": {}}})]


def test_a_field_shared_with_a_tool_becomes_ours_alone() -> None:
    """Else it would stay when it is no longer declared."""
    mine, tool = ours({"f:data": {"f:a": {}}}), entry("kubectl-create", {"f:data": {"f:a": {}}})
    change = hand_over("ConfigMap", mine, tool, declared={"f:data": {"f:a": {}}})
    assert change
    assert (change.entries, change.removed) == ([mine], frozenset())
    dropped = hand_over("ConfigMap", mine, tool, declared={"f:data": {"f:b": {}}})
    assert dropped
    assert fieldsets.fields_v1(dropped.removed) == {"f:data": {"f:a": {}}}


RESTARTED: dict[str, Any] = {"f:kubectl.kubernetes.io/restartedAt": {}}
KEPT = [
    ("Deployment", "kubectl-rollout", {"f:spec": {"f:template": {"f:metadata": {"f:annotations": RESTARTED}}}}),
    ("Deployment", "helm", {"f:spec": {"f:replicas": {}}}),
    ("ConfigMap", "kubectl-label", {"f:metadata": {"f:labels": {"f:team": {}}}}),
    ("ConfigMap", "kubectl-annotate", {"f:metadata": {"f:annotations": {"f:note": {}}}}),
    ("ConfigMap", "kubectl-edit", {"f:metadata": {"f:annotations": {"f:multi-agent.platform/keep": {}}}}),
    ("ConfigMap", "kubectl-patch", {"f:metadata": {"f:finalizers": {'v:"example.test/hold"': {}}}}),
    ("Namespace", "kubectl-create", {"f:metadata": {"f:labels": {"f:team": {}}}}),
    ("PersistentVolumeClaim", "kubectl-create", {"f:metadata": {"f:annotations": {"f:pv.kubernetes.io/x": {}}}}),
    ("Secret", "kubectl-create", {"f:data": {"f:own": {}}}),
    ("Secret", f"{FIELD_MANAGER}-rotation", {"f:data": {"f:own": {}}}),
    ("PersistentVolumeClaim", "kubectl-create", {"f:spec": {"f:volumeName": {}}}),
    ("Job", "kubectl-create", {"f:spec": {"f:selector": {}}}),
    ("StatefulSet", "helm", {"f:spec": {"f:podManagementPolicy": {}}}),
]


@pytest.mark.parametrize(("kind", "manager", "fields"), KEPT, ids=lambda value: str(value)[:40])
def test_what_a_tool_keeps(kind: str, manager: str, fields: Any) -> None:
    declared: Any = {"f:metadata": {"f:labels": {"f:mine": {}}}}
    assert hand_over(kind, ours(declared), entry(manager, fields), declared=declared) is None
    assert not handover.due(live(ours(declared), entry(manager, fields), kind=kind), False)


def test_a_secrets_key_that_was_declared_goes_though_a_tool_has_it_too() -> None:
    fields: Any = {"f:data": {"f:password": {}, "f:password_next": {}}}
    tool = entry("kubectl-create", {**fields, "f:type": {}})
    change = hand_over("Secret", ours(fields), tool, declared={"f:data": {"f:password": {}}, "f:type": {}})
    assert change
    assert fieldsets.fields_v1(change.removed) == {"f:data": {"f:password_next": {}}}


def test_another_version_of_our_record_is_left() -> None:
    mine = {**ours({"f:data": {"f:a": {}}}), "apiVersion": "v0"}
    assert (
        hand_over("ConfigMap", mine, entry("helm", {"f:data": {"f:b": {}}}), declared={"f:data": {"f:a": {}}}) is None
    )


@pytest.mark.parametrize(
    ("fields", "due"), [({"f:data": {"f:a": {}}}, False), ({"f:data": {"f:b": {}}}, True), ({"f:data": {}}, False)]
)
def test_a_field_that_a_tool_added_is_due(fields: Any, due: bool) -> None:
    assert handover.due(live(ours({"f:data": {"f:a": {}}}), entry("kubectl-edit", fields)), False) is due


def test_without_a_record_of_ours_a_tool_is_due() -> None:
    assert handover.due(live(entry("kubectl-create", {"f:data": {"f:a": {}}})), False)
    assert not handover.due(live(entry("velero-server", {"f:data": {"f:a": {}}})), False)
    assert handover.due(live(entry("velero-server", {"f:data": {"f:a": {}}})), True)


# --- any other manager, by force --------------------------------------------------------------------------------------


def test_force_takes_shared_fields_and_leaves_the_rest() -> None:
    theirs = entry("velero-server", {"f:data": {".": {}, "f:a": {}, "f:old": {}}})
    declared: Any = {"f:data": {"f:a": {}}}
    assert hand_over("ConfigMap", theirs, declared=declared) is None
    change = hand_over("ConfigMap", theirs, declared=declared, force=True)
    assert owners(change) == {"velero-server": {"f:data": {"f:old": {}}}, FIELD_MANAGER: declared}
    assert change
    assert (change.forced, change.removed) == (True, frozenset())
    shared = live(ours(declared), theirs)
    assert handover.due(shared, True)
    assert not handover.due(shared, False)


@pytest.mark.parametrize("manager", ["kube-controller-manager", f"{FIELD_MANAGER}-operator"])
def test_force_leaves_controllers_and_our_own_commands(manager: str) -> None:
    fields: Any = {"f:data": {"f:a": {}}}
    assert not handover.due(live(ours(fields), entry(manager, fields)), True)


def test_what_others_left_is_named_by_manager() -> None:
    obj = live(
        ours({"f:data": {"f:a": {}}}),
        entry("velero-server", {"f:metadata": {"f:labels": {"f:x": {}}}, "f:data": {".": {}, "f:a": {}, "f:old": {}}}),
        entry("kube-controller-manager", {"f:data": {"f:b": {}}}),
        entry("kubelet", {"f:status": {"f:c": {}}}, subresource="status"),
    )
    assert handover.left(obj) == {"velero-server": frozenset({("f:data", "f:old")})}


# --- equal meaning ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "path", "same"),
    [
        ({"limits": {"cpu": "2000m"}}, {"limits": {"cpu": 2}}, ("f:limits", "f:cpu"), True),
        ({"limits": {"x/gpu": "1k"}}, {"limits": {"x/gpu": "1000"}}, ("f:limits",), True),
        ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "3"}}, ("f:limits",), False),
        # In texts nothing but the text counts.
        ({"data": {"cpu": "2000m"}}, {"data": {"cpu": "2"}}, ("f:data", "f:cpu"), False),
        ({"timeouts": {"request": "1m"}}, {"timeouts": {"request": "60s"}}, ("f:timeouts", "f:request"), True),
        ({"timeouts": {"request": "1m30s"}}, {"timeouts": {"request": "90s"}}, ("f:timeouts",), True),
        ({"value": "1m"}, {"value": "60s"}, ("f:value",), False),
        ({"policyTypes": ["Ingress", "Egress"]}, {"policyTypes": ["Egress", "Ingress"]}, ("f:policyTypes",), True),
        ({"rules": [{"verbs": ["get", "list"]}]}, {"rules": [{"verbs": ["list", "get"]}]}, ("f:rules",), True),
        ({"args": ["a", "b"]}, {"args": ["b", "a"]}, ("f:args",), False),
        ({"on": True}, {"on": 1}, ("f:on",), False),
        ({}, {"on": True}, ("f:on",), False),
        ({}, {}, ("f:on",), True),
    ],
)
def test_meaning_of_values(one: Object, other: Object, path: tuple[str, ...], same: bool) -> None:
    assert meaning.same(one, other, path) is same
