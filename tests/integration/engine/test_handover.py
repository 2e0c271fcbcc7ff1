"""Objects that other tools made or changed: what becomes ours, what goes, what stays, and that a plan says so."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.applier import Outcome
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import FIELD_MANAGER
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.conflicts import FieldConflict
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.diff import clean
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError

from ..conftest import Cluster
from . import objects
from .objects import make, selector
from .support import Engine, Object, Run

pytestmark = pytest.mark.cluster

FOREIGN = "velero-server"


def deployment(env: dict[str, str], **fields: Any) -> Object:
    container: Object = {"name": "main", "image": objects.IMAGE}
    if env:
        container["env"] = [{"name": name, "value": value} for name, value in env.items()]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    return make("apps/v1", "Deployment", "web", spec={"selector": selector("web"), "template": template, **fields})


def config(**data: str) -> Object:
    return make("v1", "ConfigMap", "c", data=data)


def put(engine: Engine, obj: Object, manager: str, **query: str) -> Object:
    """Create or replace ``obj`` as ``manager``, by a request as its client sends it."""
    cluster = engine.connect()
    kind = cluster.kinds.find(obj["apiVersion"], obj["kind"])
    assert kind
    live = cluster.find(kind, engine.namespace, obj["metadata"]["name"])
    body = copy.deepcopy(obj)
    if live is None:
        path, method = kind.path(engine.namespace), "POST"
    else:
        path, method = kind.path(engine.namespace, obj["metadata"]["name"]), "PUT"
        body["metadata"] = {**live["metadata"], **body["metadata"]}
    return cluster.send(method, path, {"fieldManager": manager, **query}, body)[1]


def live(engine: Engine, obj: Object) -> Object:
    cluster = engine.connect()
    kind = cluster.kinds.find(obj["apiVersion"], obj["kind"])
    assert kind
    found = cluster.find(kind, engine.namespace, obj["metadata"]["name"])
    assert found
    return found


def env_of(obj: Object) -> dict[str, str]:
    items = obj["spec"]["template"]["spec"]["containers"][0].get("env") or []
    return {item["name"]: item.get("value", "") for item in items}


def managers(obj: Object) -> set[str]:
    return {entry["manager"] for entry in obj["metadata"]["managedFields"] if not entry.get("subresource")}


def planned(engine: Engine, wanted: list[Object], **how: Any) -> Run:
    """A run after a plan that foretold just what it made of the objects; a further run finds nothing to do."""
    before = engine.apply(wanted, check=True, **how)
    assert [path for method, path in before.requests if method in {"POST", "PUT", "DELETE"}] == []
    run = engine.apply(wanted, **how)
    assert before.actions == run.actions
    for one, other in zip(before.result.outcomes, run.result.outcomes, strict=True):
        assert _plain(one) == _plain(other)
    assert engine.apply(wanted, **how).writes == []
    assert engine.apply(wanted, check=True, **how).writes == []
    return run


def _plain(outcome: Outcome) -> Object:
    assert outcome.after
    return clean(outcome.after)


# --- tools that are replaced ------------------------------------------------------------------------------------------


def test_a_config_map_made_again_by_kubectl_loses_the_key(cluster: Cluster, engine: Engine) -> None:
    engine.apply([config(OLD_FLAG="1", a="1")])
    within = ("--namespace", engine.namespace)
    theirs = cluster.get(*within, "configmap", "c")
    theirs["metadata"] = {key: theirs["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    cluster.kubectl(*within, "delete", "configmap", "c")
    cluster.kubectl(*within, "apply", "--filename=-", objects=[theirs])
    assert engine.apply([config(a="1")], check=True).plan[2:] == ["data.OLD_FLAG: - 1"]
    run = planned(engine, [config(a="1")])
    assert run.actions == {"ConfigMap c": "configured"}
    found = live(engine, config())
    assert found["data"] == {"a": "1"}
    assert managers(found) == {FIELD_MANAGER}
    assert "kubectl.kubernetes.io/last-applied-configuration" not in found["metadata"]["annotations"]


@pytest.mark.parametrize(
    "tool",
    ["kubectl-create", "kubectl-client-side-apply", "helm", "skaffold", "OpenAPI-Generator", "before-first-apply"],
)
def test_what_a_tool_made_is_adopted_whole(engine: Engine, tool: str) -> None:
    theirs = deployment({"A": "1", "OLD": "1"}, replicas=2)
    theirs["spec"]["template"]["spec"]["containers"].append({"name": "beside", "image": objects.IMAGE})
    theirs["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    put(engine, theirs, tool)
    foretold = engine.apply([deployment({"A": "1"})], check=True).plan
    assert 'spec.template.spec.containers[main].env[OLD]: - {"name": "OLD", "value": "1"}' in foretold
    assert any(line.startswith("spec.template.spec.containers[beside]: - ") for line in foretold)
    planned(engine, [deployment({"A": "1"})])
    found = live(engine, theirs)
    assert env_of(found) == {"A": "1"}
    assert len(found["spec"]["template"]["spec"]["containers"]) == 1
    assert "app.kubernetes.io/managed-by" not in found["metadata"]["labels"]
    assert found["spec"]["replicas"] == 2  # an autoscaler may have set them
    assert found["metadata"]["generation"] == 2  # one change of the pods, not two
    planned(engine, [deployment({})])
    assert env_of(live(engine, theirs)) == {}


def test_kubectl_server_side_apply_is_adopted(cluster: Cluster, engine: Engine) -> None:
    within = ("--namespace", engine.namespace)
    cluster.kubectl(*within, "apply", "--server-side", "--filename=-", objects=[deployment({"A": "1", "OLD": "1"})])
    planned(engine, [deployment({"A": "1"})])
    assert env_of(live(engine, deployment({}))) == {"A": "1"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "env", "deployment/web", "OLD=1"),
        ("patch", "deployment/web", "--patch", '{"spec":{"template":{"spec":{"dnsPolicy":"Default"}}}}'),
        ("patch", "deployment/web", "--type=json", "--patch", '[{"op":"add","path":"/spec/paused","value":true}]'),
    ],
    ids=lambda arguments: arguments[0] + arguments[2][:6],
)
def test_what_kubectl_added_is_taken_out(cluster: Cluster, engine: Engine, arguments: tuple[str, ...]) -> None:
    wanted = [deployment({"A": "1"})]
    engine.apply(wanted)
    before = live(engine, wanted[0])["spec"]
    cluster.kubectl("--namespace", engine.namespace, *arguments)
    assert live(engine, wanted[0])["spec"] != before
    run = planned(engine, wanted)
    assert run.actions == {"Deployment web": "configured"}
    assert live(engine, wanted[0])["spec"] == before


def test_what_people_mean_to_stay_stays(cluster: Cluster, engine: Engine) -> None:
    wanted = [deployment({"A": "1"}), config(a="1")]
    engine.apply(wanted)
    within = ("--namespace", engine.namespace)
    cluster.kubectl(*within, "rollout", "restart", "deployment/web")
    cluster.kubectl(*within, "scale", "deployment/web", "--replicas=3")
    cluster.kubectl(*within, "label", "configmap/c", "team=a")
    cluster.kubectl(*within, "annotate", "configmap/c", "multi-agent.platform/keep=true")
    assert engine.apply(wanted).writes == []
    planned(engine, [deployment({"A": "2"}), config(a="2")])
    found, mapped = live(engine, wanted[0]), live(engine, wanted[1])
    assert "kubectl.kubernetes.io/restartedAt" in found["spec"]["template"]["metadata"]["annotations"]
    assert found["spec"]["replicas"] == 3
    assert mapped["metadata"]["labels"]["team"] == "a"
    assert mapped["metadata"]["annotations"]["multi-agent.platform/keep"] == "true"


def test_a_secrets_own_keys_stay_and_are_named_only(cluster: Cluster, engine: Engine) -> None:
    def secret(**values: str) -> Object:
        return make("v1", "Secret", "s", stringData=values)

    within = ("--namespace", engine.namespace)
    cluster.kubectl(*within, "create", "secret", "generic", "s", "--from-literal=own=hidden", "--from-literal=a=1")
    run = engine.apply([secret(a="1", b="2")], check=True)
    assert run.plan[-1] == "! Secret s: manager kubectl-create has data.own, which is not declared (kept)"
    planned(engine, [secret(a="1", b="2")])
    assert live(engine, secret())["data"].keys() == {"own", "a", "b"}
    # What was declared once is ours alone.
    planned(engine, [secret(b="2")])
    assert live(engine, secret())["data"].keys() == {"own", "b"}


def test_adoption_of_every_kind_converges(engine: Engine) -> None:
    """As a tool makes them: the server records its own defaults as the tool's."""
    wanted = objects.namespaced()
    for obj in wanted:
        made = copy.deepcopy(obj)
        made["metadata"].setdefault("annotations", {})["tool.example.test/of"] = "x"
        put(engine, made, "helm")
    before = engine.apply(wanted, check=True)
    run = engine.apply(wanted)
    assert before.actions == run.actions
    for obj in wanted:
        stays = obj["kind"] == "PersistentVolumeClaim"
        assert ("tool.example.test/of" in live(engine, obj)["metadata"]["annotations"]) is stays, obj["kind"]
    assert engine.apply(wanted).writes == []


def test_a_field_that_cannot_be_removed_stays(engine: Engine) -> None:
    secret = make("v1", "Secret", "s", stringData={"a": "1"})
    put(engine, {**secret, "type": "example.test/own"}, "helm")
    assert engine.apply([secret]).actions == {"Secret s": "configured"}
    assert engine.apply([secret]).actions == {"Secret s": "unchanged"}
    assert live(engine, secret)["type"] == "example.test/own"


def test_a_run_that_is_killed_after_the_handover_is_continued(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [config(a="1")]
    engine.apply(wanted)
    put(engine, {**live(engine, wanted[0]), "data": {"a": "1", "old": "1"}}, "kubectl-edit")
    from ansible_collections.multi_agent.platform.plugins.module_utils.engine import handover  # noqa: PLC0415

    record = handover.record

    def killed(*arguments: Any) -> bool:
        assert record(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(handover, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            engine.apply(wanted)
    assert live(engine, wanted[0])["data"] == {"a": "1", "old": "1"}
    planned(engine, wanted)
    assert live(engine, wanted[0])["data"] == {"a": "1"}


# --- other managers ---------------------------------------------------------------------------------------------------


def restored(engine: Engine, wanted: list[Object]) -> None:
    """The objects as a restore makes them: deleted, and made again by another manager with all their fields."""
    engine.apply(wanted)
    for obj in wanted:
        found = live(engine, obj)
        cluster = engine.connect()
        kind = cluster.kinds.find(obj["apiVersion"], obj["kind"])
        assert kind
        cluster.delete(kind, engine.namespace, obj["metadata"]["name"])
        gone = time.monotonic() + 60
        while (left := cluster.find(kind, engine.namespace, obj["metadata"]["name"])) and time.monotonic() < gone:
            assert left["metadata"]["uid"] == found["metadata"]["uid"]
            time.sleep(0.2)
        again = {key: value for key, value in found.items() if key != "status"}
        again["metadata"] = {
            key: value for key, value in found["metadata"].items() if key in {"name", "labels", "annotations"}
        }
        if obj["kind"] == "Job":
            again["spec"].pop("selector", None)
            again["spec"]["template"]["metadata"].pop("labels", None)
        try:
            put(engine, again, FOREIGN)
        except ApiError as error:
            pytest.fail(f"{obj['kind']}: {error}")


def test_equal_meaning_is_no_conflict(engine: Engine) -> None:
    """Quantities, ports without a protocol, defaults in lists and references: spelled otherwise in the cluster."""
    wanted = objects.namespaced()
    restored(engine, wanted)
    assert set(engine.apply(wanted, check=True).actions.values()) == {"unchanged"}
    assert set(engine.apply(wanted).actions.values()) == {"unchanged"}
    assert engine.apply(wanted).writes == []


def test_another_value_is_a_conflict_with_the_variable_named(engine: Engine) -> None:
    put(engine, deployment({"A": "1", "OLD": "x"}), FOREIGN)
    for check in (True, False):
        with pytest.raises(FieldConflict) as caught:
            engine.apply([deployment({"A": "2"})], check=check)
        assert '.spec.template.spec.containers[name="main"].env[name="A"].value' in caught.value.message
        assert "-e platform_force_conflicts=true" in caught.value.remedy
        assert "image" not in caught.value.message


def test_what_was_taken_over_by_force_is_ours_permanently(engine: Engine) -> None:
    """Of fields whose values were equal too: the next change of one of them is no conflict."""
    put(engine, deployment({"A": "1", "TOKEN": "1", "OLD": "x"}), FOREIGN)
    put(engine, make("v1", "Secret", "s", stringData={"password": "1", "user": "x"}), FOREIGN)

    def wanted(a: str, password: str) -> list[Object]:
        secret = make("v1", "Secret", "s", stringData={"password": password, "user": "x"})
        return [deployment({"A": a, "TOKEN": password}), secret]

    with pytest.raises(FieldConflict):
        engine.apply(wanted("2", "1"))
    planned(engine, wanted("2", "1"), force_conflicts=True)
    planned(engine, wanted("3", "2"))
    found = live(engine, deployment({}))
    assert env_of(found) == {"A": "3", "TOKEN": "2", "OLD": "x"}


def test_force_takes_objects_that_are_unchanged_too(engine: Engine) -> None:
    wanted = [config(a="1", b="1")]
    restored(engine, wanted)
    assert engine.apply(wanted).actions == {"ConfigMap c": "unchanged"}
    assert engine.apply(wanted, force_conflicts=True).actions == {"ConfigMap c": "unchanged"}
    assert managers(live(engine, wanted[0])) == {FIELD_MANAGER}
    planned(engine, [config(a="2", b="2")])


def test_what_others_left_is_reported_and_stays(engine: Engine) -> None:
    put(engine, deployment({"A": "1", "OLD": "x"}), FOREIGN)
    wanted = [deployment({"A": "1"})]
    line = f"Deployment web: manager {FOREIGN} has spec.template.spec.containers[main].env[OLD], "
    for _ in range(2):
        run = engine.apply(wanted, check=True)
        # Nothing of the many defaults that the server recorded as the other's.
        assert [left.line() for left in run.left] == [f"{line}which is not declared (kept)"]
        assert run.plan[-1] == f"! {line}which is not declared (kept)"
        engine.apply(wanted)
    assert env_of(live(engine, wanted[0])) == {"A": "1", "OLD": "x"}


def test_a_run_without_changes_asks_nothing_more(engine: Engine) -> None:
    wanted = [deployment({"A": "1"}), config(a="1")]
    engine.apply(wanted)
    once = engine.apply(wanted).requests
    put(engine, {**live(engine, wanted[1]), "data": {"a": "1", "other": "1"}}, FOREIGN)
    assert sorted(engine.apply(wanted).requests) == sorted(once)
