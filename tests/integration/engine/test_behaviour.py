"""Check mode, conflicts, refusals and company: what a run does in a cluster where others work too."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import applier, diff
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.applier import Failures
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.applyset import ApplySet
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.conflicts import FieldConflict
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import (
    ConnectionFailed,
    EngineError,
    InvalidManifest,
)
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.immutable import ImmutableField
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.kinds import BUILT_IN, DISCOVERY
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.snapshot import Snapshot, take

from ..conftest import Cluster
from . import objects
from .objects import make, selector
from .support import Engine, Object, record

pytestmark = pytest.mark.cluster


def deployment(name: str = "web", image: str = objects.IMAGE, **fields: Any) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": image}]}}
    return make("apps/v1", "Deployment", name, spec={"selector": selector(name), "template": template, **fields})


def at_least_three() -> Object:
    """An autoscaler of ``deployment()``."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
    return make("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec)


def test_table_of_kinds_agrees_with_the_server(engine: Engine) -> None:
    cluster = engine.connect()
    served: dict[tuple[str, str], tuple[str, bool]] = {}
    for path in ("/api", "/apis"):
        _, answer = cluster.send("GET", path, headers={"Accept": DISCOVERY})
        for group in answer["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                api_version = f"{name}/{version['version']}" if name else version["version"]
                for resource in version["resources"]:
                    kind = resource["responseKind"]["kind"]
                    served[api_version, kind] = (resource["resource"], resource["scope"] == "Namespaced")
    assert {key: (kind.plural, kind.namespaced) for key, kind in BUILT_IN.items()} == {
        key: served.get(key) for key in BUILT_IN
    }


# --- check mode -------------------------------------------------------------------------------------------------------


def test_check_mode_plans_what_a_run_does_and_writes_nothing(cluster: Cluster, engine: Engine) -> None:
    # A bare pod is the one object whose dry run asks for another object of the same run, its account.
    wanted = [obj for obj in objects.namespaced() if obj["kind"] != "Pod"]
    plan = engine.apply(wanted, check=True)
    assert set(plan.actions.values()) == {"created"}
    assert cluster.get("--namespace", engine.namespace, "deploy,sts,svc,pvc,role,lease")["items"] == []
    done = engine.apply(wanted)
    assert done.actions == plan.actions
    assert engine.apply(wanted, check=True).actions == dict.fromkeys(plan.actions, "unchanged")


def test_check_mode_where_not_even_the_namespace_exists(cluster: Cluster, engine: Engine) -> None:
    name = f"{engine.namespace}-new"
    elsewhere = Engine(engine.kubeconfig, name)
    wanted = [make("v1", "Namespace", name), *objects.namespaced()]
    plan = elsewhere.apply(wanted, check=True)
    assert set(plan.actions.values()) == {"created"}
    assert len(plan.result.diffs()) == len(wanted)
    assert cluster.kubectl("get", "namespace", name, "--ignore-not-found") == ""


def test_check_mode_of_a_definition_and_its_object(cluster: Cluster, engine: Engine) -> None:
    wanted = objects.cluster_wide(engine.namespace)
    assert set(engine.apply(wanted, check=True).actions.values()) == {"created"}
    assert engine.namespace not in cluster.kubectl("get", "crd", "--output=name")


def test_check_mode_of_an_object_in_another_namespace_that_comes_with_the_run(engine: Engine) -> None:
    name = f"{engine.namespace}-new"
    inside = make("v1", "ConfigMap", "c")
    inside["metadata"]["namespace"] = name
    run = engine.apply([make("v1", "Namespace", name), inside], check=True)
    assert run.actions == {f"Namespace {name}": "created", "ConfigMap c": "created"}
    assert len(run.writes) == 2, "nothing is sent again"


def test_a_missing_namespace_is_named(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"Namespace nowhere does not exist") as caught:
        Engine(engine.kubeconfig, "nowhere").apply([make("v1", "ConfigMap", "x")])
    assert "--tags namespace" in caught.value.remedy


def test_diff_shows_the_change_and_no_secret(engine: Engine) -> None:
    def secret(value: str) -> list[Object]:
        return [make("v1", "Secret", "s", stringData={"token": value, "same": "constant-value"}), deployment()]

    engine.apply(secret("first-secret-value"))
    run = engine.apply(secret("second-secret-value"), check=True)
    assert run.actions == {"Secret s": "configured", "Deployment web": "unchanged"}
    (shown,) = run.result.diffs()
    text = json.dumps(shown)
    for value in ("first-secret-value", "second-secret-value", "constant-value", "Zmlyc3Q", "c2Vjb25k", "Y29uc3Rh"):
        assert value not in text
    assert f"{diff.MASK} (old)" in shown["before"]
    assert f"{diff.MASK} (new)" in shown["after"]


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_all_refusals_of_a_wave_are_in_one_report(engine: Engine) -> None:
    broken = [deployment("good"), deployment("bad", replicas=-1), deployment("worse", image="")]
    with pytest.raises(Failures) as caught:
        engine.apply(broken)
    text = str(caught.value)
    assert text.startswith("2 objects were refused:")
    assert "Deployment bad (definition)" in text
    assert "spec.replicas" in text
    assert "Deployment worse (definition)" in text
    assert "spec.template.spec.containers[0].image: Required value" in text
    assert engine.apply([deployment("good")]).result.changed is False


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (deployment(replica=3), ["Deployment web (definition)", ".spec.replica", "field not declared in schema"]),
        (deployment(replicas="three"), ["Deployment web (definition)", "replicas"]),
        (make("v1", "Service", "s", spec={"ports": [{"port": 99999}]}), ["Service s", "spec.ports[0].port", "65535"]),
        (make("v1", "ConfigMap", "c", data={"a b": "c"}), ["ConfigMap c", "a b"]),
    ],
)
def test_a_refusal_names_object_field_and_reason(engine: Engine, broken: Object, words: list[str]) -> None:
    with pytest.raises(EngineError) as caught:
        engine.apply([broken])
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_kind_is_named(engine: Engine) -> None:
    with pytest.raises(InvalidManifest, match=r"Widget w.*the server does not serve Widget of none.example.test/v1"):
        engine.apply([make("none.example.test/v1", "Widget", "w")])


def test_an_immutable_field_is_named_with_both_values(engine: Engine) -> None:
    engine.apply([deployment()])
    other = deployment()
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    with pytest.raises(ImmutableField, match=r"(?s)Deployment web.*spec.selector: is .*web.*, wanted .*other"):
        engine.apply([other])


def test_an_immutable_secret_is_named_without_its_values(engine: Engine) -> None:
    def secret(value: str) -> Object:
        return make("v1", "Secret", "s", immutable=True, stringData={"token": value})

    engine.apply([secret("first-secret-value")])
    with pytest.raises(ImmutableField, match=r"(?s)Secret s.*\n  data: ") as caught:
        engine.apply([secret("second-secret-value")])
    for value in ("first-secret-value", "second-secret-value", "Zmlyc3Q", "c2Vjb25k"):
        assert value not in str(caught.value)


def test_a_job_is_made_anew(engine: Engine) -> None:
    def job(command: str) -> Object:
        container = {"name": "main", "image": objects.IMAGE, "command": [command]}
        spec = {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
        return make("batch/v1", "Job", "migrate", spec=spec)

    engine.apply([job("one")])
    assert engine.apply([job("two")], check=True).actions == {"Job migrate": "recreated"}
    assert engine.apply([job("two")]).actions == {"Job migrate": "recreated"}
    assert engine.apply([job("two")]).writes == []


def test_a_priority_class_is_made_anew(engine: Engine, cluster_scope: Callable[..., None]) -> None:
    name = f"priority-{engine.namespace}"
    cluster_scope("PriorityClass", name)

    def priority(value: int) -> Object:
        return make("scheduling.k8s.io/v1", "PriorityClass", name, value=value)

    engine.apply([priority(1000)])
    assert engine.apply([priority(2000)], check=True).actions == {f"PriorityClass {name}": "recreated"}
    assert engine.apply([priority(2000)]).actions == {f"PriorityClass {name}": "recreated"}
    assert engine.apply([priority(2000)]).writes == []


def test_a_binding_to_another_role_is_made_anew(engine: Engine) -> None:
    def binding(role: str) -> Object:
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        subjects = [{"kind": "ServiceAccount", "name": "reader", "namespace": engine.namespace}]
        return make("rbac.authorization.k8s.io/v1", "RoleBinding", "reader", roleRef=ref, subjects=subjects)

    engine.apply([binding("view")])
    assert engine.apply([binding("edit")], check=True).actions == {"RoleBinding reader": "recreated"}
    assert engine.apply([binding("edit")]).actions == {"RoleBinding reader": "recreated"}
    assert engine.apply([binding("edit")]).writes == []


def test_a_pod_that_would_change_is_named(engine: Engine) -> None:
    def pod(command: str) -> Object:
        container = {"name": "main", "image": objects.IMAGE, "command": [command]}
        return make("v1", "Pod", "bare", spec={"containers": [container]})

    engine.apply([make("v1", "ServiceAccount", "default"), pod("one")])
    with pytest.raises(ImmutableField, match=r"Pod bare.*a field cannot be changed"):
        engine.apply([make("v1", "ServiceAccount", "default"), pod("two")])


def test_a_binding_that_is_taken_over_is_made_anew(cluster: Cluster, engine: Engine) -> None:
    """kubectl owns the field that cannot change: first the conflict, then the refusal."""

    def binding(role: str) -> Object:
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        return make("rbac.authorization.k8s.io/v1", "RoleBinding", "reader", roleRef=ref)

    within = ("--namespace", engine.namespace)
    cluster.kubectl(*within, "apply", "--server-side", "--filename=-", objects=[binding("view")])
    assert engine.apply([binding("edit")]).actions == {"RoleBinding reader": "recreated"}
    assert engine.apply([binding("edit")]).writes == []


# --- others in the cluster --------------------------------------------------------------------------------------------


def test_replicas_of_an_autoscaler_are_left_alone(cluster: Cluster, engine: Engine) -> None:
    wanted = [deployment()]
    engine.apply(wanted)
    cluster.kubectl("--namespace", engine.namespace, "scale", "deployment/web", "--replicas=3")
    assert engine.apply(wanted).writes == []
    changed = [deployment(image="registry.example.test/app:2")]
    assert engine.apply(changed).actions == {"Deployment web": "configured"}
    live = cluster.get("--namespace", engine.namespace, "deployment", "web")
    assert live["spec"]["replicas"] == 3


def test_an_autoscaler_at_work_is_left_alone(cluster: Cluster, engine: Engine) -> None:
    """A real one: where there are fewer pods than its least it needs no metrics to act."""
    autoscaler = at_least_three()
    engine.apply([deployment(), autoscaler])
    within = ("--namespace", engine.namespace)
    cluster.kubectl(*within, "wait", "--for=jsonpath={.spec.replicas}=3", "deployment/web", "--timeout=60s")
    assert engine.apply([deployment(), autoscaler]).writes == []
    changed = engine.apply([deployment(image="registry.example.test/app:2"), autoscaler])
    assert changed.actions == {"Deployment web": "configured", "HorizontalPodAutoscaler web": "unchanged"}
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] == 3
    # Who declares the field all the same reads whose it is; nobody takes it from the other in turns.
    whose = r"spec.replicas belongs to HorizontalPodAutoscaler web, which has set it to 3; the inventory declares 1"
    for check in (True, False):
        with pytest.raises(FieldConflict, match=whose):
            engine.apply([deployment(replicas=1), autoscaler], check=check)
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] == 3


def test_an_autoscaler_at_work_is_left_alone_on_adoption(cluster: Cluster, engine: Engine) -> None:
    """What another tool made bears no label of ours, so that it is not among what was read."""
    autoscaler = at_least_three()
    within = ("--namespace", engine.namespace)
    cluster.kubectl(*within, "apply", "--filename=-", objects=[deployment(), autoscaler])
    cluster.kubectl(*within, "wait", "--for=jsonpath={.spec.replicas}=3", "deployment/web", "--timeout=60s")
    with pytest.raises(FieldConflict, match=r"spec.replicas belongs to HorizontalPodAutoscaler web"):
        engine.apply([deployment(replicas=1), autoscaler])
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] == 3
    assert engine.apply([deployment(), autoscaler]).result.changed
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] == 3


def test_replicas_that_leave_the_manifest_stay_as_the_autoscaler_has_set_them(cluster: Cluster, engine: Engine) -> None:
    """The remedy that the conflict names: nothing falls back to the default of one pod."""
    autoscaler, within = at_least_three(), ("--namespace", engine.namespace)
    engine.apply([deployment(replicas=1)])
    engine.apply([deployment(replicas=1), autoscaler])
    cluster.kubectl(*within, "wait", "--for=jsonpath={.spec.replicas}=3", "deployment/web", "--timeout=60s")
    with pytest.raises(FieldConflict, match="Leave replicas out of the manifest"):
        engine.apply([deployment(replicas=1), autoscaler])
    answers = [outcome.after or {} for outcome in engine.apply([deployment(), autoscaler]).result.outcomes]
    assert [after["spec"]["replicas"] for after in answers if after["kind"] == "Deployment"] == [3]
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] == 3
    assert engine.apply([deployment(), autoscaler]).writes == []


def test_autoscaler_that_comes_finds_the_fixed_number(cluster: Cluster, engine: Engine) -> None:
    """No pod goes in between: the number is handed over, not dropped to the server's default of one."""
    within = ("--namespace", engine.namespace)
    engine.apply([deployment(replicas=4)])
    autoscaler = at_least_three()
    changed = engine.apply([deployment(), autoscaler])
    sizes = [(after := outcome.after) and after["spec"].get("replicas") for outcome in changed.result.outcomes]
    assert sizes[0] == 4
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] >= 3
    assert engine.apply([deployment(), autoscaler]).writes == []


def test_autoscaler_that_leaves_gives_the_number_back(cluster: Cluster, engine: Engine) -> None:
    within = ("--namespace", engine.namespace)
    engine.apply([deployment(), at_least_three()])
    cluster.kubectl(*within, "wait", "--for=jsonpath={.spec.replicas}=3", "deployment/web", "--timeout=60s")
    fixed = [deployment(replicas=2)]
    planned = engine.apply(fixed, check=True)
    assert planned.actions == {"Deployment web": "configured"}
    assert [obj["kind"] for obj in planned.result.pruned] == ["HorizontalPodAutoscaler"]
    done = engine.apply(fixed)
    assert [obj["kind"] for obj in done.result.pruned] == ["HorizontalPodAutoscaler"]
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] == 2
    assert engine.apply(fixed).writes == []


def test_number_is_fixed_again_after_a_handover(cluster: Cluster, engine: Engine) -> None:
    """Without an autoscaler in between, and with one that has made the number its own."""
    within = ("--namespace", engine.namespace)
    for declared in ([deployment(replicas=4)], [deployment()], [deployment(replicas=1)]):
        engine.apply(declared)
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] == 1
    engine.apply([deployment(), at_least_three()])
    cluster.kubectl(*within, "wait", "--for=jsonpath={.spec.replicas}=3", "deployment/web", "--timeout=60s")
    engine.apply([deployment(replicas=2)])
    assert cluster.get(*within, "deployment", "web")["spec"]["replicas"] == 2
    assert engine.apply([deployment(replicas=2)]).writes == []


@pytest.mark.parametrize("tool", ["edit", "replace", "apply", "patch"])
def test_what_kubectl_changed_is_taken_back(cluster: Cluster, engine: Engine, tool: str) -> None:
    wanted = [make("v1", "ConfigMap", "c", data={"a": "ours"})]
    engine.apply(wanted)
    within = ("--namespace", engine.namespace)
    theirs = make("v1", "ConfigMap", "c", data={"a": "theirs"})
    theirs["metadata"]["namespace"] = engine.namespace
    if tool in {"edit", "patch"}:
        patch = '{"data":{"a":"theirs"}}'
        cluster.kubectl(*within, "patch", "configmap", "c", f"--field-manager=kubectl-{tool}", "--patch", patch)
    elif tool == "replace":
        live = cluster.get(*within, "configmap", "c")
        cluster.kubectl(*within, "replace", "--filename=-", objects=[live | {"data": {"a": "theirs"}}])
    else:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", objects=[theirs])
    assert engine.apply(wanted).actions == {"ConfigMap c": "configured"}
    assert cluster.get(*within, "configmap", "c")["data"] == {"a": "ours"}


def test_what_is_being_deleted_is_made_when_it_is_gone(
    cluster: Cluster, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, within = [make("v1", "ConfigMap", "c", data={"a": "ours"})], ("--namespace", engine.namespace)
    engine.apply(wanted)
    patch = ("patch", "configmap", "c", "--type=merge", "--patch")
    cluster.kubectl(*within, *patch, '{"metadata":{"finalizers":["example.test/hold"]}}')
    cluster.kubectl(*within, "delete", "configmap", "c", "--wait=false")
    before = cluster.get(*within, "configmap", "c")["metadata"]["uid"]
    assert engine.apply(wanted, check=True).actions == {"ConfigMap c": "created"}
    with monkeypatch.context() as impatient:
        impatient.setattr(applier, "_GONE_SECONDS", 1.0)
        with pytest.raises(EngineError, match=r"ConfigMap c.*\(finalizers: example.test/hold\)"):
            engine.apply(wanted)
    with ThreadPoolExecutor() as pool:
        run = pool.submit(engine.apply, wanted)
        cluster.kubectl(*within, *patch, '{"metadata":{"finalizers":null}}')
        assert run.result().actions == {"ConfigMap c": "created"}
    assert cluster.get(*within, "configmap", "c")["metadata"]["uid"] != before
    assert engine.apply(wanted).writes == []


def test_a_controllers_field_is_not_fought_over(cluster: Cluster, engine: Engine) -> None:
    engine.apply([make("v1", "ConfigMap", "c", data={"a": "ours", "b": "ours"})])
    theirs = make("v1", "ConfigMap", "c", data={"a": "theirs"})
    theirs["metadata"]["namespace"] = engine.namespace
    arguments = ("apply", "--server-side", "--force-conflicts", "--field-manager=operator", "--filename=-")
    cluster.kubectl(*arguments, objects=[theirs])
    wanted = [make("v1", "ConfigMap", "c", data={"a": "ours", "b": "ours"})]
    with pytest.raises(FieldConflict) as caught:
        engine.apply(wanted)
    text = str(caught.value)
    assert "ConfigMap c (definition): another manager owns fields" in text
    assert "operator owns since 20" in text
    assert ".data.a" in text
    assert "-e platform_force_conflicts=true" in text
    assert engine.apply([make("v1", "ConfigMap", "c", data={"b": "ours"})]).actions == {"ConfigMap c": "configured"}
    assert engine.apply(wanted, force_conflicts=True).actions == {"ConfigMap c": "configured"}
    assert cluster.get("--namespace", engine.namespace, "configmap", "c")["data"]["a"] == "ours"


def test_controllers_objects_with_our_labels_are_not_pruned(cluster: Cluster, engine: Engine) -> None:
    """The EndpointSlices of a Service bear its labels, ours among them, and are in no inventory."""
    service = make("v1", "Service", "s", spec={"selector": {"app": "x"}, "ports": [{"port": 80}]})
    slice_ = next(obj for obj in objects.network() if obj["kind"] == "EndpointSlice")
    engine.apply([service, slice_])
    cluster.kubectl(
        *("--namespace", engine.namespace, "wait", "--for=create", "endpointslice"),
        *("--selector=kubernetes.io/service-name=s", "--timeout=30s"),
    )
    assert engine.apply([service, slice_]).writes == []


@pytest.mark.parametrize("same", [True, False])
def test_two_runs_at_once(cluster: Cluster, engine: Engine, same: bool) -> None:
    """Both succeed, one after the other, and what is there is one of the two, whole."""

    def tier(version: int) -> list[Object]:
        names = [f"both-{n}" for n in range(6)] + [f"only-{version}-{n}" for n in range(2)]
        return [make("v1", "ConfigMap", name, data={"version": str(version)}) for name in names]

    wanted = [tier(0), tier(0 if same else 1)]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda objs: engine.apply(objs, lock_seconds=60), wanted))
    assert any(run.result.changed for run in runs)
    live = [obj for obj in cluster.get("--namespace", engine.namespace, "configmap")["items"] if "data" in obj]
    found = {obj["metadata"]["name"]: obj["data"]["version"] for obj in live if "version" in obj["data"]}
    assert found in [{obj["metadata"]["name"]: obj["data"]["version"] for obj in objs} for objs in wanted]
    last = next(objs for objs in wanted if {obj["metadata"]["name"] for obj in objs} == set(found))
    assert engine.apply(last).writes == []


def test_a_run_that_ended_between_look_and_lease_is_seen(engine: Engine) -> None:
    """Else what the other changed and this one saw unchanged would stay, beside what this one writes."""
    ours = [make("v1", "ConfigMap", f"c-{n}", data={"of": "ours"}) for n in range(2)]
    theirs = [make("v1", "ConfigMap", f"c-{n}", data={"of": "theirs"}) for n in range(2)]
    engine.apply(ours)
    wanted = [ours[0], make("v1", "ConfigMap", "c-1", data={"of": "ours, changed"})]
    cluster = engine.connect()
    try:
        applyset = ApplySet(engine.tier, engine.namespace)
        seen = take(cluster, engine.namespace, {applyset: ours})[applyset]
    finally:
        cluster.close()
    engine.apply(theirs)
    run = engine.apply(wanted, seen=seen)
    assert run.actions == {"ConfigMap c-0": "configured", "ConfigMap c-1": "configured"}
    assert engine.apply(wanted).writes == []


def test_of_two_first_runs_the_slower_stops(
    cluster: Cluster, engine: Engine, cluster_scope: Callable[..., None]
) -> None:
    """Both looked before there was a namespace; what the slower one made of that is not to be written."""
    name = f"{engine.namespace}-new"
    cluster_scope("Namespace", name)
    new, before = Engine(engine.kubeconfig, name), Snapshot(namespace_exists=False)

    def tier(value: str) -> list[Object]:
        return [make("v1", "Namespace", name), make("v1", "ConfigMap", "c", data={"a": value})]

    first = new.apply(tier("first"), seen=before)
    assert first.actions == {f"Namespace {name}": "created", "ConfigMap c": "created"}
    lease = ("POST", f"/apis/coordination.k8s.io/v1/namespaces/{name}/leases")
    assert first.writes.index(lease) == 1, "after the namespace and before all else"
    with pytest.raises(EngineError, match=r"Another run has begun with tier test") as caught:
        new.apply(tier("second"), seen=before)
    assert "Run again" in caught.value.remedy
    assert cluster.get("--namespace", name, "configmap", "c")["data"] == {"a": "first"}
    assert new.apply(tier("second")).actions["ConfigMap c"] == "configured"


@pytest.mark.parametrize("first_run", [False, True])
def test_what_may_not_be_written_is_found_with_the_lease_held(
    cluster: Cluster, engine: Engine, cluster_scope: Callable[..., None], first_run: bool
) -> None:
    name, wanted = engine.namespace, [make("v1", "ConfigMap", "c")]
    if first_run:
        name = f"{engine.namespace}-new"
        wanted.append(make("v1", "Namespace", name))
        cluster_scope("Namespace", name)

    def locked() -> None:
        assert cluster.get("--namespace", name, "lease", "applyset-test")["spec"]["holderIdentity"]
        raise EngineError("made elsewhere")

    with pytest.raises(EngineError, match="made elsewhere"):
        Engine(engine.kubeconfig, name).apply(wanted, locked=locked)
    left = cluster.kubectl("--namespace", name, "get", "leases,configmaps", "--output=name").split()
    assert [line for line in left if "kube-root-ca" not in line] == []


def test_a_run_that_finds_another_at_work_says_who(engine: Engine, cluster_scope: Callable[..., None]) -> None:
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    held = make(
        "coordination.k8s.io/v1",
        "Lease",
        "applyset-test",
        spec={"holderIdentity": "jane@bastion", "leaseDurationSeconds": 3600, "renewTime": when},
    )
    held["metadata"]["namespace"] = engine.namespace
    cluster = engine.connect()
    cluster.create(BUILT_IN["coordination.k8s.io/v1", "Lease"], held)
    with pytest.raises(EngineError, match=r"Another run works on tier test in namespace .*: jane@bastion"):
        engine.apply([make("v1", "ConfigMap", "x")], lock_seconds=0)


def test_a_server_that_is_not_trusted_is_final_at_once(kubeconfig: Path, tmp_path: Path) -> None:
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
    other = tmp_path / "ca.crt"
    other.write_bytes(base64.b64decode(user["client-certificate-data"]))
    client = Engine(kubeconfig, "default", options={"ca_cert": str(other)}).connect()
    requests = record(client)
    with pytest.raises(ConnectionFailed, match=r"https://.*: TLS failed: ") as caught:
        client.version()
    assert len(requests) == 1
    assert "ca_cert" in caught.value.remedy
