"""Text to objects: YAML 1.2, shapes, names, secrets."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .imports import compare, errors, kinds, manifests


def namespaced(api_version: str, kind: str) -> bool | None:
    known = kinds.BUILT_IN.get((api_version, kind))
    return known.namespaced if known else None


def obj(kind: str = "ConfigMap", name: Any = "x", api_version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def prepare(*objects: dict[str, Any], namespace: str | None = "ns") -> list[dict[str, Any]]:
    return manifests.prepare(objects, "x.yaml.j2", namespaced, namespace)


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("n", "n"),
        ("true", True),
        ("False", False),
        ("0644", "0644"),
        ("0x1f", "0x1f"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("8080:80", "8080:80"),
        ("12:30:45", "12:30:45"),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("0", 0),
        ("-7", -7),
        ("3000", 3000),
        ("1.5", 1.5),
        ("500m", "500m"),
        ("~", None),
        ("null", None),
        ("'3'", "3"),
        ("1.2.3", "1.2.3"),
        ("1e3", "1e3"),
        ("1.5e+3", "1.5e+3"),
        ("0o644", "0o644"),
        (".5", 0.5),
        ("-.5", -0.5),
        (".0_", ".0_"),
        ("10:20:30.25", "10:20:30.25"),
        ("190:20:30.15", "190:20:30.15"),
        (".inf", ".inf"),
        ("-.INF", "-.INF"),
        (".nan", ".nan"),
        ("=", "="),
    ],
)
def test_only_decimal_digits_make_a_number(scalar: str, value: Any) -> None:
    (parsed,) = manifests.parse(f"kind: X\na: {scalar}\n", "x")
    assert parsed["a"] == value
    assert type(parsed["a"]) is type(value)


def test_documents_lists_and_emptiness() -> None:
    items = "items:\n  - kind: B\n  - kind: List\n    items: [{kind: C}]\n"
    text = f"---\n---\nkind: A\n---\n# nothing\n---\nkind: ConfigMapList\n{items}"
    assert [o["kind"] for o in manifests.parse(text, "x")] == ["A", "B", "C"]
    assert manifests.parse("", "x") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: A\nkind: B\n", r"x\.j2: rendered line 2 is not valid YAML: key 'kind' twice\. There: kind: B"),
        ("a: {b: 1, b: 2}\n", "key 'b' twice"),
        ("a:\n  - b\n c: 1\n", "rendered line 3 is not valid YAML"),
        ("a: b: c\n", "mapping values are not allowed"),
        ("- a\n", "document 1 is list, not an object"),
        ("text\n", "document 1 is str, not an object"),
    ],
)
def test_what_is_no_object(text: str, message: str) -> None:
    with pytest.raises(errors.InvalidManifest, match=message) as caught:
        manifests.parse(text, "x.j2")
    assert caught.value.remedy


@pytest.mark.parametrize(
    "secret",
    [
        "apiVersion: v1\nkind: Secret\ndata:\n  a: {value}: x\n",
        "apiVersion: v1\ndata:\n  a: {value}: x\nkind: Secret\n",
        "kind: ConfigMap\n---\n'kind': 'Secret'\nstringData:\n  a: {value}: x\n",
        "apiVersion: v1\nkind: 'Secret'  # ours\nstringData:\n  a: {value}: x\n",
        "apiVersion: v1\nkind: List\nitems:\n  - kind: Secret\n    stringData:\n      a: {value}: x\n",
        '{{"kind": "Secret", "stringData": {{"a": {value}: x}}}}\n',
    ],
)
def test_no_excerpt_of_a_secret(secret: str) -> None:
    with pytest.raises(errors.InvalidManifest) as caught:
        manifests.parse(secret.format(value="hunter2"), "x.j2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"kind": "A", "metadata": {"name": "x"}}, r"no apiVersion \(it has kind, metadata\)"),
        ({"apiVersion": "v1", "metadata": {"name": "x"}}, "no kind"),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "ConfigMap has no metadata.name"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}, "has no metadata.name"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": None}, "has no metadata.name"),
        (obj(name=8080), "metadata.name of a ConfigMap is 8080, not a string"),
        (obj(name="Upper"), "'Upper' of a ConfigMap is not a DNS name"),
        (obj(name="a_b"), "not a DNS name"),
        (obj(name="-a"), "not a DNS name"),
        (obj(name="a." * 130 + "a"), "not a DNS name"),
        (obj(name="a\n"), "not a DNS name"),
        (obj(name="a/b", kind="Role", api_version="rbac.authorization.k8s.io/v1"), "not"),
    ],
)
def test_broken_objects(broken: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidManifest, match=message) as caught:
        prepare(broken)
    assert caught.value.remedy


@pytest.mark.parametrize("part", ["labels", "annotations"])
@pytest.mark.parametrize("value", [1, True, None, 1.5, ["a"]])
def test_labels_and_annotations_are_strings(part: str, value: Any) -> None:
    broken = obj()
    broken["metadata"][part] = {"key": value}
    with pytest.raises(errors.InvalidManifest, match=rf"metadata.{part}.key of ConfigMap x is .*, not a string"):
        prepare(broken)


def test_completion() -> None:
    role = obj("ClusterRole", "system:x", "rbac.authorization.k8s.io/v1")
    role["metadata"]["namespace"] = "dropped"
    elsewhere = obj(name="y")
    elsewhere["metadata"]["namespace"] = "own"
    prepared = {o["metadata"]["name"]: o for o in prepare(obj(), role, elsewhere, obj("Thing", "z", "x.test/v1"))}
    assert prepared["x"]["metadata"]["namespace"] == "ns"
    assert prepared["y"]["metadata"]["namespace"] == "own"
    assert "namespace" not in prepared["system:x"]["metadata"]
    assert prepared["z"]["metadata"]["namespace"] == "ns"


def test_string_data_becomes_data() -> None:
    (secret,) = prepare(obj("Secret", data={"a": "YQ==", "b": "old"}, stringData={"b": "é", "n": 1}))
    assert secret["data"] == {"a": "YQ==", "b": base64.b64encode("é".encode()).decode(), "n": "MQ=="}
    assert "stringData" not in secret


def test_nulls_of_a_secret_are_dropped() -> None:
    (secret,) = prepare(obj("Secret", data=None, stringData={"a": "b", "token": None}))
    assert secret["data"] == {"a": "Yg=="}
    (secret,) = prepare(obj("Secret", data={"a": None}, stringData={"token": None}))
    assert secret["data"] == {}


@pytest.mark.parametrize("field", ["data", "stringData"])
@pytest.mark.parametrize("value", [True, 1.125, ["hunter2"], {"hunter2": 1}])
def test_a_value_of_a_secret_that_is_no_text_is_named_and_not_shown(field: str, value: Any) -> None:
    fields: dict[str, Any] = {field: {"token": value}}
    with pytest.raises(errors.InvalidManifest, match=rf"^x.yaml.j2: {field}.token of Secret x is n") as caught:
        prepare(obj("Secret", **fields))
    assert caught.value.remedy
    for shown in ("True", "1.125", "hunter2"):
        assert shown not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "field"),
    [("ConfigMap", "data"), ("ConfigMap", "binaryData"), ("Secret", "data"), ("Secret", "stringData")],
)
@pytest.mark.parametrize("value", [["hunter2"], "hunter2"])
def test_what_has_to_be_a_map(kind: str, field: str, value: Any) -> None:
    with pytest.raises(
        errors.InvalidManifest, match=rf"^x.yaml.j2: {field} of {kind} x is a (list|str), not a map"
    ) as (caught):
        prepare(obj(kind, **{field: value}))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("part", ["labels", "annotations"])
def test_labels_and_annotations_are_maps(part: str) -> None:
    broken = obj()
    broken["metadata"][part] = ["a"]
    with pytest.raises(errors.InvalidManifest, match=rf"metadata.{part} of ConfigMap x is a list, not a map"):
        prepare(broken)


def test_keys_become_text() -> None:
    (prepared,) = prepare(obj(data={404: "none", "name": "x"}, spec=[{1: {2: "deep"}}]))
    assert prepared["data"] == {"404": "none", "name": "x"}
    assert prepared["spec"] == [{"1": {"2": "deep"}}]
    compare.input_hash(prepared)


@pytest.mark.parametrize("key", [1.1, True, None])
def test_a_key_that_is_another_as_text_is_refused(key: Any) -> None:
    with pytest.raises(errors.InvalidManifest, match=r"x.yaml.j2: ConfigMap x has the key .*, which is not a string"):
        prepare(obj(data={key: "x"}))


def test_nulls_are_dropped_at_any_depth() -> None:
    (prepared,) = prepare(obj(spec={"a": None, "b": [{"c": None, "d": 0}], "e": {}, "f": "", "g": False}))
    assert prepared["spec"] == {"b": [{"d": 0}], "e": {}, "f": "", "g": False}


def test_order_of_waves_keeps_the_order_within() -> None:
    pairs = [
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("apps/v1", "Deployment"),
        ("v1", "Service"),
        ("v1", "Secret"),
        ("v1", "ConfigMap"),
        ("x.test/v1", "Widget"),
        ("v1", "Namespace"),
    ]
    ordered = [o["kind"] for o in prepare(*(obj(kind, "x", version) for version, kind in pairs))]
    assert ordered == [
        "Namespace",
        "Secret",
        "ConfigMap",
        "Service",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Widget",
    ]


def test_twice_is_refused_in_any_version_of_the_group() -> None:
    with pytest.raises(errors.InvalidManifest, match="ConfigMap x is there twice"):
        prepare(obj(), obj())
    with pytest.raises(errors.InvalidManifest, match="Widget x is there twice"):
        prepare(obj("Widget", "x", "x.test/v1"), obj("Widget", "x", "x.test/v2"))
    assert len(prepare(obj("Widget", "x", "x.test/v1"), obj("Widget", "x", "y.test/v1"))) == 2


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("x: &a {k: v, l: w}\ndata: {<<: *a, k: own}\n", {"k": "own", "l": "w"}),
        ("x: &a {k: v}\ny: &b {k: u, m: n}\ndata: {<<: [*a, *b]}\n", {"k": "v", "m": "n"}),
        ("x: &a {k: v}\ny: &b {<<: *a, k: u}\nz: [*b, {<<: *b}]\ndata: {<<: *b, k: own}\n", {"k": "own"}),
    ],
)
def test_merged_key_is_overridden_by_the_own_one(text: str, data: dict[str, str]) -> None:
    (parsed,) = manifests.parse(f"kind: ConfigMap\n{text}", "x")
    assert parsed["data"] == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: &a {k: v}\ndata: {<<: *a, k: own, k: again}\n", "key 'k' twice"),
        ("a: !!float error\n", "Remove the tag"),
        ("a: !!int x\n", "Remove the tag"),
        ("a: !!binary YQ==\n", "could not determine a constructor"),
        ("a: !!timestamp 2026-01-02\n", "could not determine a constructor"),
        ("a: !!set {b, c}\n", "could not determine a constructor"),
        ("data: &a {b: *a}\n", "an alias contains itself"),
        ("data: &a [*a]\n", "an alias contains itself"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 10)}]\n" for p, c in zip("abcdef", "bcdefg", strict=True)),
            "its aliases make 12345",
        ),
    ],
)
def test_yaml_that_cannot_be_applied_is_refused(text: str, message: str) -> None:
    with pytest.raises(errors.InvalidManifest) as caught:
        manifests.parse(f"kind: X\n{text}", "x")
    assert message in f"{caught.value.message} {caught.value.remedy}"
