"""When an object need not be written: by value, else by the server's record of our fields."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from .imports import FIELD_MANAGER, compare


def stamped(spec: Any, kind: str = "Deployment", api_version: str = "apps/v1", **fields: Any) -> dict[str, Any]:
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec, **fields}
    obj["metadata"]["annotations"] = {compare.INPUT_HASH: compare.input_hash(obj)}
    return obj


def live_of(desired: dict[str, Any], spec: Any = None, owned: dict[str, Any] | None = None, **entry: Any) -> Any:
    """What the server has of ``desired``: another spec perhaps, and fieldsV1 of our apply."""
    live = copy.deepcopy(desired)
    if spec is not None:
        live["spec"] = spec
    fields = {"f:metadata": {"f:annotations": {f"f:{compare.INPUT_HASH}": {}}}, **(owned or {})}
    record = {"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": desired["apiVersion"], "fieldsV1": fields}
    record |= entry
    live["metadata"]["managedFields"] = [record] if owned is not None else []
    live["metadata"] |= {"uid": "1", "resourceVersion": "2"}
    return live


SAME = [
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": {"b": "x"}}, {"a": {"b": "x", "c": 1}}),
    ({"limits": {"cpu": "0.5", "memory": "1024Mi"}}, {"limits": {"cpu": "500m", "memory": "1Gi"}}),
    ({"limits": {"cpu": 2}}, {"limits": {"cpu": "2"}}),
    ({"hard": {"count/jobs.batch": 20}}, {"hard": {"count/jobs.batch": "20"}}),
    ({"sizeLimit": "1024Mi"}, {"sizeLimit": "1Gi"}),
    ({"env": [{"name": "b", "value": "1"}]}, {"env": [{"name": "a"}, {"name": "b", "value": "1"}]}),
    ({"ports": [{"containerPort": 1}]}, {"ports": [{"containerPort": 1, "protocol": "TCP"}]}),
    ({"ports": [{"port": 1}]}, {"ports": [{"port": 1, "protocol": "TCP", "targetPort": 1, "nodePort": 30000}]}),
    ({"args": ["a", "b"]}, {"args": ["a", "b"]}),
    ({"selector": {"app": "x"}}, {"selector": {"app": "x"}}),
    ({"a": {}}, {"a": {"filled": "in"}}),
]
DIFFERENT = [
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {}),
    ({"a": 1}, {"a": "1"}),
    ({"a": True}, {"a": 1}),
    ({"a": {"b": 1}}, {"a": []}),
    ({"limits": {"cpu": "500m"}}, {"limits": {"cpu": "5m"}}),
    ({"name": "1024Mi"}, {"name": "1Gi"}),
    *(
        ({field: {"memory": "1Gi"}}, {field: {"memory": "1024Mi"}})
        for field in ("data", "stringData", "labels", "annotations")
    ),
    ({"args": ["a", "b"]}, {"args": ["b", "a"]}),
    ({"args": ["a"]}, {"args": ["a", "b"]}),
    ({"env": [{"name": "a"}, {"name": "b"}]}, {"env": [{"name": "b"}, {"name": "a"}]}),
    ({"env": [{"name": "a", "value": "1"}]}, {"env": [{"name": "a", "value": "2"}]}),
    ({"env": [{"name": "a"}]}, {"env": []}),
    ({"ports": [{"port": 1, "protocol": "UDP"}]}, {"ports": [{"port": 1, "protocol": "TCP"}]}),
    ({"selector": {"app": "x"}}, {"selector": {"app": "x", "more": "y"}}),
    ({"objectSelector": {"matchLabels": {"a": "b"}}}, {"objectSelector": {"matchLabels": {"a": "b", "c": "d"}}}),
    (
        {"matchConstraints": {"resourceRules": [{"a": "b"}]}},
        {"matchConstraints": {"resourceRules": [{"a": "b"}], "excludeResourceRules": [{"a": "b"}]}},
    ),
    ({"paramRef": {"name": "x"}}, {"paramRef": {"name": "x", "namespace": "y"}}),
    ({"from": [{"namespaceSelector": {}}]}, {"from": [{}]}),
    ({"from": [{"podSelector": {"a": "b"}}]}, {"from": [{"podSelector": {"a": "b"}, "namespaceSelector": {}}]}),
    ({"rules": [{"verbs": ["get"]}]}, {"rules": [{"verbs": ["get"], "resources": ["secrets"]}]}),
    ({"rules": [{"verbs": ["get"]}]}, {"rules": [{"verbs": ["get"]}, {"verbs": ["*"]}]}),
    ({"a": ""}, {}),
]


@pytest.mark.parametrize(("desired", "live"), SAME)
def test_holds(desired: Any, live: Any) -> None:
    assert compare.holds(desired, live)
    assert compare.unchanged(stamped(desired), live_of(stamped(desired), live))


@pytest.mark.parametrize(("desired", "live"), DIFFERENT)
def test_does_not_hold(desired: Any, live: Any) -> None:
    assert not compare.holds(desired, live)
    assert not compare.unchanged(stamped(desired), live_of(stamped(desired), live))


@pytest.mark.parametrize(
    ("desired", "live", "owned"),
    [
        # The server spells a time or leaves out a zero in its own way.
        ({"time": "2026-01-01T00:00:00Z"}, {"time": "2026-01-01T00:00:00.000000Z"}, {"f:time": {}}),
        ({"off": False, "zero": 0, "text": ""}, {}, {"f:off": {}, "f:zero": {}, "f:text": {}}),
        # It completes elements of an atomic list, and an atomic struct.
        ({"rules": [{"to": "x"}]}, {"rules": [{"to": "x", "weight": 1}]}, {"f:rules": {}}),
        ({"fieldRef": {"fieldPath": "x"}}, {"fieldRef": {"fieldPath": "x", "apiVersion": "v1"}}, {"f:fieldRef": {}}),
        (
            {"matchConstraints": {"resourceRules": [{"a": "b"}]}},
            {"matchConstraints": {"resourceRules": [{"a": "b", "scope": "*"}], "matchPolicy": "Equivalent"}},
            {"f:matchConstraints": {}},
        ),
        # Elements by a key that no table of ours knows, and by value.
        (
            {"parts": [{"id": "b", "n": 1.0}]},
            {"parts": [{"id": "a"}, {"id": "b", "n": 1}]},
            {"f:parts": {'k:{"id":"b"}': {".": {}, "f:id": {}, "f:n": {}}}},
        ),
        ({"tags": ["x"]}, {"tags": ["y", "x"]}, {"f:tags": {'v:"x"': {}}}),
        # The second has no key of its own to tell it from the first, which is taken.
        (
            {"doors": [{"port": 53, "protocol": "UDP"}, {"port": 53}]},
            {"doors": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {
                "f:doors": {
                    'k:{"port":53,"protocol":"UDP"}': {".": {}, "f:port": {}, "f:protocol": {}},
                    'k:{"port":53,"protocol":"TCP"}': {".": {}, "f:port": {}},
                }
            },
        ),
    ],
)
def test_the_servers_record_decides(desired: Any, live: Any, owned: Any) -> None:
    wanted = stamped(desired)
    assert not compare.holds(desired, live)
    assert compare.unchanged(wanted, live_of(wanted, live, {"f:spec": owned}))
    # Not without the record, nor with that of another manager, operation, version or subresource.
    assert not compare.unchanged(wanted, live_of(wanted, live, {}))
    for other in ({"manager": "kubectl"}, {"operation": "Update"}, {"apiVersion": "x/v2"}, {"subresource": "status"}):
        assert not compare.unchanged(wanted, live_of(wanted, live, {"f:spec": owned}, **other))


@pytest.mark.parametrize(
    ("desired", "live", "owned"),
    [
        # A map that lost its only owned member looks like one that is owned as a whole.
        ({"free": {"list": [1, 2]}}, {"free": {"list": [1, 3]}}, {"f:free": {}}),
        ({"free": {"list": [1, 2]}}, {"free": {}}, {"f:free": {}}),
        # A map that is owned as a whole by somebody else now, with a member more.
        ({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "b", "c": "d"}}, {"f:other": {}}),
        # An element that somebody took away, or moved before another of ours.
        ({"parts": [{"id": "a"}]}, {"parts": []}, {"f:parts": {'k:{"id":"a"}': {".": {}, "f:id": {}}}}),
        (
            {"parts": [{"id": "a"}, {"id": "b"}]},
            {"parts": [{"id": "b"}, {"id": "a"}]},
            {"f:parts": {'k:{"id":"a"}': {".": {}, "f:id": {}}, 'k:{"id":"b"}': {".": {}, "f:id": {}}}},
        ),
        ({"tags": ["x"]}, {"tags": ["y"]}, {"f:tags": {'v:"y"': {}}}),
        # One of two elements, where what is left has the key that both may have.
        (
            {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]},
            {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]},
            {"f:ports": {'k:{"port":53,"protocol":"UDP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}}},
        ),
    ],
)
def test_what_is_no_longer_on_record(desired: Any, live: Any, owned: Any) -> None:
    wanted = stamped(desired)
    assert not compare.unchanged(wanted, live_of(wanted, live, {"f:spec": owned}))


@pytest.mark.parametrize(
    ("api_version", "kind", "field"),
    [
        ("v1", "ServiceAccount", "imagePullSecrets"),
        ("discovery.k8s.io/v1", "EndpointSlice", "ports"),
        *(("example.test/v1", "Widget", field) for field in ("env", "ports", "volumes", "listeners", "secrets")),
    ],
)
def test_lists_that_only_the_record_knows(api_version: str, kind: str, field: str) -> None:
    """Merged by key in a pod, replaced as a whole here: an element more is drift, unless the record has keys."""
    ours, more = [{"name": "a", "port": 1}], [{"name": "b", "port": 2}, {"name": "a", "port": 1}]
    wanted = stamped({field: ours}, kind, api_version)
    assert compare.unchanged(wanted, live_of(wanted, owned={"f:spec": {f"f:{field}": {}}}))
    # Whoever adds an element owns the whole list then.
    assert not compare.unchanged(wanted, live_of(wanted, {field: more}, {"f:spec": {}}))
    keyed: dict[str, Any] = {"f:spec": {f"f:{field}": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:port": {}}}}}
    assert compare.unchanged(wanted, live_of(wanted, {field: more}, keyed))


def test_another_input_is_a_change() -> None:
    before, after = stamped({"a": 1, "b": 2}), stamped({"a": 1})
    assert not compare.unchanged(after, live_of(before))
    bare = live_of(after)
    del bare["metadata"]["annotations"]
    assert not compare.unchanged(after, bare)


def test_values_of_a_secret_are_not_in_its_hash_and_are_compared() -> None:
    one, two = (stamped(None, "Secret", "v1", data={"a": value}) for value in ("MQ==", "Mg=="))
    assert compare.input_hash(one) == compare.input_hash(two)
    assert compare.unchanged(one, live_of(one))
    assert not compare.unchanged(two, live_of(one, owned={"f:data": {"f:a": {}}, "f:spec": {}}))
    assert compare.input_hash(one) != compare.input_hash(stamped(None, "Secret", "v1", data={"b": "MQ=="}))


@pytest.mark.parametrize(
    ("one", "other", "equal"), [("1", 1, True), ("1k", "1000", True), ("1Ki", "1k", False), ("x", "x", False)]
)
def test_quantities(one: Any, other: Any, equal: bool) -> None:
    assert compare.equal_quantities(one, other) is equal
