"""Conflicts, diffs, ApplySets, kinds, rendering, files: each rule once."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.render import Renderer

from .fakes import make
from .imports import applyset, conflicts, diff, errors, gates, kinds, manifests, prune, render, tier

# --- conflicts --------------------------------------------------------------------------------------------------------


def conflict(*owners: str) -> errors.ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{o}" using v1', "field": f".data.{n}"}
        for n, o in enumerate(owners)
    ]
    return errors.ApiError(409, {"reason": "Conflict", "message": "x", "details": {"causes": causes}})


@pytest.mark.parametrize(
    ("owners", "may"),
    [
        (("kubectl-edit",), True),
        (("kubectl-client-side-apply", "helm"), True),
        (("kube-controller-manager",), False),
        (("kubectl-edit", "operator"), False),
        ((), False),
    ],
)
def test_whose_fields_may_be_taken(owners: tuple[str, ...], may: bool) -> None:
    assert conflicts.may_take(conflict(*owners)) is may


def test_a_conflict_says_who_what_and_since_when() -> None:
    entry = {"manager": "operator", "time": "2026-01-02T03:04:05Z", "fieldsV1": {"f:data": {"f:0": {}, "f:2": {}}}}
    live = {"metadata": {"managedFields": [entry]}}
    error = conflicts.explain(conflict("operator", "kubectl-edit", "operator"), "ConfigMap c", live)
    assert "operator owns since 2026-01-02T03:04:05Z: .data.0, .data.2" in error.message
    assert "kubectl-edit" not in error.message
    assert "-e platform_force_conflicts=true" in error.remedy


def test_since_when_is_of_the_entry_that_holds_the_field() -> None:
    def entry(time: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
        return {"manager": "operator", "time": time, "fieldsV1": fields, **more}

    ports: dict[str, Any] = {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}}}
    entries = [
        entry("2026-01-01", {"f:spec": {".": {}, "f:ports": ports, "f:finalizers": {'v:"x"': {}}}}, operation="Apply"),
        entry("2026-01-02", {"f:spec": {"f:a.b": {}}}, operation="Update"),
        entry("2026-01-03", {"f:status": {"f:ready": {}}}, operation="Update", subresource="status"),
    ]
    fields = [
        '.spec.ports[port=80,protocol="TCP"].name',
        '.spec.finalizers[="x"]',
        ".spec.a.b",
        ".status.ready",
        ".spec.unknown",
    ]
    causes = [{"reason": "FieldManagerConflict", "message": 'conflict with "operator"', "field": f} for f in fields]
    error = errors.ApiError(409, {"message": "x", "details": {"causes": causes}})
    said = conflicts.explain(error, "Widget w", {"metadata": {"managedFields": entries}}).message.splitlines()[1:]
    assert said == [
        "  operator owns: .spec.unknown",
        f"  operator owns since 2026-01-01: {fields[0]}, {fields[1]}",
        "  operator owns since 2026-01-02: .spec.a.b",
        "  operator owns since 2026-01-03: .status.ready",
    ]


# --- diff -------------------------------------------------------------------------------------------------------------


def secret(**data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return make("v1", "Secret", "s", data=encoded)


def test_masking_tells_what_changed_and_no_value() -> None:
    shown = diff.entry(secret(a="old-value", b="same-value", c="gone-value"), secret(a="new-value", b="same-value"))
    assert shown["before_header"] == "Secret s (ns)"
    assert (
        'a: "******** (old)"' in shown["before"]
        or "a: '******** (old)'" in shown["before"]
        or ("a: ******** (old)" in shown["before"])
    )
    assert "(new)" in shown["after"]
    assert "(" not in next(line for line in shown["after"].splitlines() if line.startswith("  b:"))
    assert "c:" in shown["before"]
    for word in ("old", "new", "same", "gone"):
        assert base64.b64encode(f"{word}-value".encode()).decode() not in json.dumps(shown)


@pytest.mark.parametrize("pair", [(None, secret(a="x" * 9)), (secret(a="x" * 9), None)])
def test_masking_of_what_comes_and_goes(pair: tuple[Any, Any]) -> None:
    shown = diff.entry(*pair)
    assert base64.b64encode(b"x" * 9).decode() not in json.dumps(shown)
    assert "" in (shown["before"], shown["after"])


def test_a_copy_that_kubectl_keeps_is_not_shown() -> None:
    obj = secret(a="value-in-annotation")
    obj["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "value-in-annotation"}
    assert "annotations" not in diff.clean(obj)["metadata"]


def test_server_fields_are_no_difference() -> None:
    live = make("v1", "ConfigMap", "c", data={"a": "1"}, status={"x": 1})
    live["metadata"] |= {"uid": "1", "resourceVersion": "2", "managedFields": [], "generation": 3}
    shown = diff.entry(live, make("v1", "ConfigMap", "c", data={"a": "1"}))
    assert shown["before"] == shown["after"]


# --- ApplySet ---------------------------------------------------------------------------------------------------------


def test_id_by_the_formula_of_the_kep() -> None:
    text = "applyset-services.platform.ConfigMap."
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    the_set = applyset.ApplySet("services", "platform")
    assert the_set.id == f"applyset-{digest}-v1"
    assert len(the_set.id) <= 63
    assert the_set.id != applyset.ApplySet("services", "other").id


def test_parent_names_its_kinds_and_is_read_back() -> None:
    group_kinds = {("apps", "Deployment"), ("", "Secret"), ("gateway.networking.k8s.io", "HTTPRoute")}
    parent = applyset.ApplySet("t", "ns").parent((group, kind, "ns", "x") for group, kind in group_kinds)
    annotations = parent["metadata"]["annotations"]
    assert annotations["applyset.kubernetes.io/contains-group-kinds"] == (
        "Deployment.apps,HTTPRoute.gateway.networking.k8s.io,Secret"
    )
    assert "applyset.kubernetes.io/additional-namespaces" not in annotations
    assert applyset.group_kinds(parent) == group_kinds
    assert applyset.group_kinds(None) == set()


def test_parent_names_the_namespaces_beside_its_own() -> None:
    members = [("", "Secret", namespace, "x") for namespace in ("ns", "z", "a")]
    parent = applyset.ApplySet("t", "ns").parent([*members, ("scheduling.k8s.io", "PriorityClass", "", "x")])
    assert parent["metadata"]["annotations"]["applyset.kubernetes.io/additional-namespaces"] == "a,z"
    assert applyset.additional_namespaces(parent) == {"a", "z"}
    assert applyset.additional_namespaces(None) == set()


def test_a_live_parent_may_name_more_and_not_less() -> None:
    here = applyset.ApplySet("services", "multi-agent")
    secret, job, away = (
        ("", "Secret", "multi-agent", "x"),
        ("batch", "Job", "multi-agent", "x"),
        ("", "Secret", "z", "x"),
    )
    wanted = here.parent([secret])
    assert applyset.covers(wanted, wanted)
    for more in (here.parent([secret, job]), here.parent([secret, away])):
        assert applyset.covers(more, wanted)
        assert not applyset.covers(wanted, more)
    assert not applyset.covers(None, wanted)
    without_label, without_kinds, of_another_tool = (json.loads(json.dumps(wanted)) for _ in range(3))
    del without_label["metadata"]["labels"]
    del without_kinds["metadata"]["annotations"]
    of_another_tool["metadata"]["annotations"][applyset.TOOLING] = "kubectl/v1"
    for spoilt in (without_label, without_kinds, of_another_tool):
        assert not applyset.covers(spoilt, wanted)


# --- prune ------------------------------------------------------------------------------------------------------------


def members(*objects: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    return {manifests.identity(obj): obj for obj in objects}


STATEFUL = make("apps/v1", "StatefulSet", "db", spec={"volumeClaimTemplates": [{}]})
KEPT = make("v1", "ConfigMap", "kept", metadata={"annotations": {prune.KEEP: "true"}})
CLAIM = make("v1", "PersistentVolumeClaim", "data")


def test_data_stays_and_the_rest_goes_edges_first() -> None:
    config, web = make("v1", "ConfigMap", "c"), make("apps/v1", "Deployment", "web")
    here = members(STATEFUL, KEPT, CLAIM, config, web, *(make("v1", "Secret", f"s{n}") for n in range(9)))
    declared = {key for key in here if key[1] == "Secret"}
    plan = prune.plan(here, declared, set, prune.Policy())
    assert [obj["kind"] for obj in plan.going] == ["Deployment", "ConfigMap"]
    assert {obj["kind"]: reason.partition(" (")[0] for obj, reason in plan.kept} == {
        "StatefulSet": "has volumes",
        "ConfigMap": f"is annotated {prune.KEEP}",
        "PersistentVolumeClaim": "is a volume",
    }
    assert any(reason.endswith("(platform_prune_data: [StatefulSet/db] lets it go)") for _, reason in plan.kept)
    keeping = prune.plan(here, declared, set, prune.Policy(keep=frozenset({"ConfigMap/c", "Deployment/other/web"})))
    assert [obj["kind"] for obj in keeping.going] == ["Deployment"]
    reason = "is named in platform_prune_keep (take ConfigMap/c out of it to let it go)"
    assert reason in [why for obj, why in keeping.kept if obj["metadata"]["name"] == "c"]
    named = prune.Policy(frozenset({"PersistentVolumeClaim/data"}), sets=True)
    assert {obj["kind"] for obj in prune.plan(here, declared, set, named).going} >= {
        "StatefulSet",
        "PersistentVolumeClaim",
    }


def test_data_in_another_namespace_is_named_with_it() -> None:
    """A name of the platform's own must not let its namesake elsewhere go."""
    policy = prune.Policy(frozenset({"PersistentVolumeClaim/data"}), namespace="ns")
    here, away = (
        make("v1", "PersistentVolumeClaim", "data", metadata={"namespace": namespace}) for namespace in ("ns", "away")
    )
    assert policy.keeps(here) == ""
    assert policy.keeps(away) == "is a volume (platform_prune_data: [PersistentVolumeClaim/away/data] lets it go)"
    assert policy.name(away) == "PersistentVolumeClaim/away/data"
    assert prune.Policy(frozenset({policy.name(away)}), namespace="ns").keeps(away) == ""
    assert policy.name(make("v1", "Namespace", "ns")) == "Namespace/ns"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Delete"}}, ""),
        ({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}, "takes its claims along"),
    ],
)
def test_a_teardown_leaves_every_claim(fields: dict[str, Any], reason: str) -> None:
    stateful = STATEFUL | {"spec": STATEFUL["spec"] | fields}
    assert prune.Policy(sets=True).keeps(stateful).partition(" (")[0] == reason
    assert prune.Policy().keeps(stateful).partition(" (")[0] == (reason or "has volumes")
    assert prune.Policy(frozenset({"StatefulSet/db"}), sets=True).keeps(stateful) == ""


def test_a_teardown_keeps_a_stateful_set_that_asks_for_it() -> None:
    stateful = STATEFUL | {"metadata": KEPT["metadata"]}
    assert prune.Policy(sets=True).keeps(stateful).partition(" (")[0] == f"is annotated {prune.KEEP}"


def test_what_another_tier_declares_or_is_going_already_stays() -> None:
    moved, going = make("v1", "ConfigMap", "m"), make("v1", "ConfigMap", "g", metadata={"deletionTimestamp": "x"})
    plan = prune.plan(members(moved, going), set(), lambda: {manifests.identity(moved)}, prune.Policy())
    assert (plan.going, plan.kept) == ([], [])


def test_a_passed_gate_that_stays_is_on_the_plan() -> None:
    """The parent has to go on naming its kind, or it is never found again."""
    gate = make(
        "batch/v1",
        "Job",
        "web-migration-1",
        metadata={"annotations": {gates.GATE: "web"}},
        status={"conditions": [{"type": "Complete", "status": "True"}]},
    )
    plan = prune.plan(members(gate), {("apps", "Deployment", "ns", "web")}, set, prune.Policy())
    assert (plan.going, plan.kept, plan.staying) == ([], [], [gate])


def test_most_of_a_tier_does_not_go_by_accident() -> None:
    here = members(*(make("v1", "ConfigMap", f"c{n}") for n in range(5)))
    with pytest.raises(errors.EngineError, match="5 of 5 objects of this tier") as caught:
        prune.plan(here, set(), set, prune.Policy())
    assert "platform_prune_most" in caught.value.remedy
    assert len(prune.plan(here, set(), set, prune.Policy(most=True)).going) == 5


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (("v1", "ConfigMap"), "/api/v1/namespaces/n/configmaps/x"),
        (("v1", "Namespace"), "/api/v1/namespaces/x"),
        (("networking.k8s.io/v1", "NetworkPolicy"), "/apis/networking.k8s.io/v1/namespaces/n/networkpolicies/x"),
        (("networking.k8s.io/v1", "Ingress"), "/apis/networking.k8s.io/v1/namespaces/n/ingresses/x"),
        (("storage.k8s.io/v1", "StorageClass"), "/apis/storage.k8s.io/v1/storageclasses/x"),
    ],
)
def test_paths(key: tuple[str, str], path: str) -> None:
    assert kinds.BUILT_IN[key].path("n", "x") == path


def test_discovery_is_asked_once_and_again_after_a_definition() -> None:
    asked: list[str] = []
    resource = {"resource": "widgets", "responseKind": {"kind": "Widget"}, "scope": "Namespaced"}
    group = {"metadata": {"name": "x.test"}, "versions": [{"version": "v1", "resources": [resource]}]}

    def fetch(path: str, accept: str) -> dict[str, Any]:
        asked.append(path)
        return {"items": [group]}

    registry = kinds.Registry(fetch)
    assert registry.find("v1", "ConfigMap") is not None
    assert asked == []
    widget = registry.find("x.test/v1", "Widget")
    assert widget is not None
    assert widget.path("n") == "/apis/x.test/v1/namespaces/n/widgets"
    assert registry.find("x.test/v1", "Gadget") is None
    assert registry.served("x.test", "Widget") == widget
    assert len(asked) == 1
    registry.forget()
    registry.find("x.test/v1", "Widget")
    assert len(asked) == 2


# --- render -----------------------------------------------------------------------------------------------------------


def rendered(folder: Path, text: str, functions: dict[str, Any] | None = None, **variables: Any) -> str:
    (folder / "t.yaml.j2").write_text(text)
    renderer = Renderer([folder], {"upper": str.upper}, functions or {})
    return renderer.render(["t.yaml.j2"], variables.__getitem__, variables.__contains__)["t.yaml.j2"]


def test_values_enter_yaml_as_yaml(tmp_path: Path) -> None:
    text = "a: {{ n }}\nb: {{ t }}\nc: {{ l }}\nd: {{ d }}\ne: {{ s | upper }}\n"
    out = rendered(tmp_path, text, n=None, t=True, l=[1, "x"], d={"k": False}, s="yes")
    assert out == 'a: null\nb: true\nc: [1, "x"]\nd: {"k": false}\ne: YES\n'
    assert manifests.parse(out, "x")[0]["e"] == "YES"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {{ missing }}\n", r"t\.yaml\.j2, line 2: 'missing' is undefined"),
        ("a: {{ given.nothing }}\n", r"t\.yaml\.j2, line 1: .*nothing"),
        ("a: 1\n{% if %}\n", r"t\.yaml\.j2, line 2: "),
        ("a: {{ 1 / 0 }}\n", r"t\.yaml\.j2, line 1: division by zero"),
        ("{% import 'none.j2' as n %}\n", r"There is no template none\.j2"),
        ("a: {{ 'x' | nosuchfilter }}\n", "nosuchfilter"),
    ],
)
def test_errors_name_template_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(errors.InvalidManifest, match=message) as caught:
        rendered(tmp_path, text, given={})
    assert caught.value.remedy


def test_each_variable_is_resolved_once_and_only_if_named(tmp_path: Path) -> None:
    (tmp_path / "macros.j2").write_text("{% macro m() %}{{ shared }}{% endmacro %}")
    (tmp_path / "t.yaml.j2").write_text("{% import 'macros.j2' as m with context %}a: {{ m.m() }}{{ x }}{{ x }}")
    asked: list[str] = []

    def resolve(name: str) -> str:
        asked.append(name)
        return name

    out = Renderer([tmp_path], {}, {}).render(["t.yaml.j2"], resolve, lambda name: True)
    assert out == {"t.yaml.j2": "a: sharedxx"}
    assert sorted(asked) == ["shared", "x"]


def test_checksum_is_of_the_meaning() -> None:
    assert render.checksum({"a": 1, "b": [2]}) == render.checksum({"b": [2], "a": 1})
    assert render.checksum({"a": 1}) != render.checksum({"a": "1"})
    assert len(render.checksum("x")) == 16


# --- files ------------------------------------------------------------------------------------------------------------


def test_written_files_are_the_same_every_time_and_old_ones_go(tmp_path: Path) -> None:
    config = make("v1", "ConfigMap", "c", data={"b": "2", "a": "1\n2\n"})
    reference = base64.b64encode(b"credential:jwt_secret").decode()
    secret = make("v1", "Secret", "s", data={"k": reference})
    loaded = tier.Manifests([config, secret], {})
    first = tier.write(loaded, tmp_path, "t")
    assert [file.name for file in first] == ["configmap-c.yaml", "secret-s.yaml"]
    texts = {file: file.read_text() for file in first}
    assert "k: credential:jwt_secret" in texts[tmp_path / "t" / "secret-s.yaml"]
    assert tier.write(tier.Manifests([secret, config], {}), tmp_path, "t") == []
    assert tier.write(tier.Manifests([config], {}), tmp_path, "t") == [tmp_path / "t" / "secret-s.yaml"]
    assert {file.name for file in (tmp_path / "t").iterdir()} == {"configmap-c.yaml"}
