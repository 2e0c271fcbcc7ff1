"""New versions of workloads that keep data, proven on a pod of their own."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from .fakes import FakeCluster, make, status_error
from .imports import applier, applyset, errors, kinds, manifests, proof, proof_pod, snapshot

Object = dict[str, Any]
READY: Object = {"conditions": [{"type": "Ready", "status": "True"}]}
UP: Object = {"phase": "Running", "containerStatuses": [{"name": "db", "ready": True, "state": {"running": {}}}]}
NO_ROOM: Object = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}],
}
NEVER_PULLED: Object = {
    "phase": "Pending",
    "containerStatuses": [
        {"name": "db", "state": {"waiting": {"reason": "InvalidImageName", "message": "cannot parse"}}}
    ],
}
CRASHED: Object = {
    "phase": "Failed",
    "containerStatuses": [{"name": "db", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}],
}
ENDED: Object = {
    "phase": "Succeeded",
    "containerStatuses": [{"name": "db", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
}
PROBE = {"exec": {"command": ["ok"]}, "periodSeconds": 30, "failureThreshold": 5}


def store(mode: str = proof_pod.READY, image: str = "db:1", **spec: Any) -> Object:
    container = {
        "name": "db",
        "image": image,
        "ports": [{"containerPort": 1, "hostPort": 1}],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "x"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "startupProbe": PROBE,
        "livenessProbe": PROBE,
        "readinessProbe": PROBE,
        "lifecycle": {"preStop": {"sleep": {"seconds": 30}}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "serviceAccountName": "db",
        "priorityClassName": "high",
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "db", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
        "securityContext": {"runAsNonRoot": True},
        "topologySpreadConstraints": [{"maxSkew": 1}],
        "affinity": {"podAntiAffinity": {"x": []}},
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": "settings"}},
            {
                "name": "both",
                "projected": {"sources": [{"secret": {"name": "keys"}}, {"configMap": {"name": "other"}}]},
            },
            {"name": "keys", "secret": {"secretName": "keys"}},
            {"name": "claimed", "persistentVolumeClaim": {"claimName": "c"}},
        ],
        **spec,
    }
    labels = {"app": "db", "role": "main", "app.kubernetes.io/instance": "db", "team": "data"}
    return make(
        "apps/v1",
        "StatefulSet",
        "db",
        metadata={"annotations": {proof_pod.MODE: mode}},
        spec={
            "selector": {"matchLabels": {"app": "db", "role": "main"}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        },
    )


def pod_of(workload: Object, name: str = "db-0", status: Object = READY) -> Object:
    spec = copy.deepcopy(workload["spec"]["template"]["spec"]) | {"nodeName": "node-a"}
    spec["volumes"] = [*spec["volumes"], {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]
    return make("v1", "Pod", name, metadata={"labels": {"app": "db", "role": "main"}}, spec=spec, status=status)


def spec_of(workload: Object, place: proof_pod.Place | None = None) -> Object:
    job = proof_pod.job(workload, "db-proof", "t", place or proof_pod.Place(), 60)
    found: Object = job["spec"]["template"]["spec"]
    return found


# --- what runs --------------------------------------------------------------------------------------------------------


def test_proof_keeps_what_the_pod_runs_under() -> None:
    spec, wanted = spec_of(store()), store()["spec"]["template"]["spec"]
    for field in ("serviceAccountName", "nodeSelector", "tolerations", "imagePullSecrets", "securityContext"):
        assert spec[field] == wanted[field]
    assert spec["containers"][0]["image"] == "db:1"
    assert spec["containers"][0]["resources"] == wanted["containers"][0]["resources"]
    assert spec["automountServiceAccountToken"] is False


def test_no_selector_chooses_a_proof() -> None:
    job = proof_pod.job(store(), "db-proof", "t", proof_pod.Place(), 60)
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels == {"team": "data", "app.kubernetes.io/name": "db-proof", proof_pod.LABEL: "t"}
    assert job["spec"]["template"]["spec"]["readinessGates"], "a Service by another label has no endpoint of it"
    assert "ownerReferences" not in job["metadata"]
    assert applyset.PART_OF not in job["metadata"]["labels"], "no member of the tier"


def test_proof_touches_no_volume_and_no_member() -> None:
    spec = spec_of(store())
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["data"] == {"name": "data", "emptyDir": {}}
    assert volumes["claimed"] == {"name": "claimed", "emptyDir": {}}
    assert volumes["config"] == {"name": "config", "configMap": {"name": "settings"}}
    assert spec["dnsPolicy"] == "None"
    assert spec["containers"][0]["env"][0] == {"name": "POD_NAME", "value": "db-0"}
    assert "hostPort" not in spec["containers"][0]["ports"][0]


def test_proof_takes_nobody_s_room() -> None:
    spec = spec_of(store())
    assert "priorityClassName" not in spec, "it would evict others to be scheduled"
    assert "topologySpreadConstraints" not in spec
    assert "affinity" not in spec
    assert spec["terminationGracePeriodSeconds"] == 1
    assert "lifecycle" not in spec["containers"][0]


def test_killed_run_s_proof_ends_by_itself() -> None:
    job = proof_pod.job(store(), "db-proof", "t", proof_pod.Place(), 60)["spec"]
    assert 60 < job["activeDeadlineSeconds"] < 600
    assert job["ttlSecondsAfterFinished"] <= 300
    assert job["backoffLimit"] == 0


def test_ready_asks_the_readiness_probe_alone() -> None:
    (container,) = spec_of(store())["containers"]
    assert container["readinessProbe"] == PROBE | {"periodSeconds": 2}
    assert "startupProbe" not in container
    assert "livenessProbe" not in container


def test_start_asks_no_probe_and_starts_all_at_once() -> None:
    spec = spec_of(store(proof_pod.START, initContainers=[{"name": "init", "image": "i", "restartPolicy": "Always"}]))
    assert [container["name"] for container in spec["containers"]] == ["db", "init"]
    assert "initContainers" not in spec
    assert not [c for c in spec["containers"] if "readinessProbe" in c or "restartPolicy" in c]


def test_only_the_difference_has_to_fit_beside_the_old_pod() -> None:
    new = store()
    requests = {"cpu": "750m", "memory": "512Mi", "gpu.example/x": "1"}
    new["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "requests": requests,
        "limits": {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "1Gi", "gpu.example/x": "1"},
    }
    old = pod_of(store())
    old["spec"]["containers"][0]["resources"]["requests"]["gpu.example/x"] = "1"
    resources = spec_of(new, proof_pod.Place("node-a", old))["containers"][0]["resources"]
    assert resources["requests"] == {"cpu": "250m", "memory": "0", "ephemeral-storage": "1Gi"}
    assert resources["limits"] == {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "1Gi"}
    assert spec_of(new)["containers"][0]["resources"]["requests"] == requests, "all of it on another node"


@pytest.mark.parametrize(
    ("own", "place", "terms"),
    [
        ([], proof_pod.Place("node-a"), [{"matchFields": ["a"]}]),
        ([{"matchExpressions": ["x"]}], proof_pod.Place("node-a"), [{"matchExpressions": ["x"], "matchFields": ["a"]}]),
        ([], proof_pod.Place(terms=({"matchExpressions": ["v"]},)), [{"matchExpressions": ["v"]}]),
        (
            [{"matchExpressions": ["x"]}, {"matchExpressions": ["y"]}],
            proof_pod.Place(terms=({"matchExpressions": ["v"]},)),
            [{"matchExpressions": ["x", "v"]}, {"matchExpressions": ["y", "v"]}],
        ),
    ],
)
def test_proof_runs_where_the_volume_is(own: list[Object], place: proof_pod.Place, terms: list[Object]) -> None:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": own}}
    spec = spec_of(store(affinity={"nodeAffinity": required} if own else {}), place)
    found = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    for term in found:
        if "matchFields" in term:
            assert term["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": ["node-a"]}]
            term["matchFields"] = ["a"]
    assert found == terms


def test_configuration_that_is_about_to_be_written_is_what_is_proven() -> None:
    job = proof_pod.job(store(), "p", "t", proof_pod.Place(), 60)
    settings = make("v1", "ConfigMap", "settings", data={"a": "new"})
    keys = make("v1", "Secret", "keys", type="Opaque", data={"x": "bmV3"})
    elsewhere = make("v1", "ConfigMap", "other", metadata={"namespace": "elsewhere"}, data={})
    made = proof_pod.copies(job, [settings, keys, elsewhere])
    assert sorted(obj["metadata"]["name"] for obj in made) == ["p-keys", "p-settings"]
    by_kind = {obj["kind"]: obj for obj in made}
    assert by_kind["Secret"]["data"] == {"x": "bmV3"}
    assert by_kind["ConfigMap"]["data"] == {"a": "new"}
    spec = job["spec"]["template"]["spec"]
    assert spec["volumes"][0]["configMap"]["name"] == "p-settings"
    assert spec["volumes"][1]["projected"]["sources"] == [
        {"secret": {"name": "p-keys"}},
        {"configMap": {"name": "other"}},
    ]
    assert spec["volumes"][2]["secret"]["secretName"] == "p-keys"
    (container,) = spec["containers"]
    assert container["env"][1]["valueFrom"]["secretKeyRef"]["name"] == "p-keys"
    assert container["envFrom"] == [{"configMapRef": {"name": "p-settings"}}]
    assert settings["metadata"]["name"] == "settings"


def test_only_new_pods_that_keep_data_are_proven() -> None:
    old, new, scaled = store(), store(image="db:2"), store()
    scaled["spec"]["replicas"] = 3
    assert proof_pod.replaces_pods(old, new)
    assert not proof_pod.replaces_pods(old, scaled)
    assert not proof_pod.replaces_pods(None, new)
    assert not proof_pod.replaces_pods(old, store(proof_pod.NONE, image="db:2"))
    web, later = make("apps/v1", "Deployment", "web", spec=old["spec"]), copy.deepcopy(old["spec"])
    later["template"]["spec"]["containers"][0]["image"] = "db:2"
    assert proof_pod.replaces_pods(web, web | {"spec": later}), "it mounts a claim"
    for spec in (web["spec"], later):
        spec["template"]["spec"]["volumes"] = []
    assert not proof_pod.replaces_pods(web, web | {"spec": later})


def test_unknown_mode_is_refused_with_the_known_ones() -> None:
    with pytest.raises(errors.EngineError, match="'soon', which is not a valid value") as caught:
        proof_pod.replaces_pods(store(), store("soon", image="db:2"))
    assert "ready, start or none" in caught.value.remedy


# --- how it goes ------------------------------------------------------------------------------------------------------


class Server(FakeCluster):
    """Makes a pod of each Job at once, with the next of ``fates`` as its status (the last one stays)."""

    def __init__(self, *objects: Object, fates: list[Object]) -> None:
        super().__init__(*objects)
        self.fates = fates
        self.made: list[Object] = []
        self.deleted: list[str] = []
        self.refusal: errors.ApiError | None = None

    def list(self, kind: kinds.Kind, namespace: str | None = None, **how: Any) -> tuple[list[Object], str]:
        found, version = super().list(kind, namespace)
        wanted = dict(pair.split("=") for pair in how.get("labels", "").split(",") if pair)
        return [o for o in found if wanted.items() <= (o["metadata"].get("labels") or {}).items()], version

    def create(self, kind: kinds.Kind, obj: Object, **_: Any) -> Object:
        if self.refusal:
            raise self.refusal
        self.made.append(copy.deepcopy(obj))
        if kind.kind == "Job":
            name = obj["metadata"]["name"]
            fate = self.fates.pop(0) if len(self.fates) > 1 else self.fates[0]
            labels = {"batch.kubernetes.io/job-name": name, **obj["spec"]["template"]["metadata"]["labels"]}
            pod = make("v1", "Pod", f"{name}-x", metadata={"labels": labels}, status=fate)
            obj = obj | {"metadata": {**obj["metadata"], "uid": name}, "status": {"active": 1}}
            obj["spec"] = obj["spec"] | {"selector": {"matchLabels": {"batch.kubernetes.io/job-name": name}}}
            if fate.get("phase") == "Failed":
                obj["status"] = {"conditions": [{"type": "Failed", "status": "True"}], "failed": 1}
            self.objects += [obj, pod]
        return obj

    def delete(self, _kind: kinds.Kind, _namespace: str, name: str, **_: Any) -> bool:
        self.deleted.append(name)
        self.objects = [o for o in self.objects if not o["metadata"]["name"].startswith(name)]
        return True

    @property
    def jobs(self) -> Sequence[Object]:
        return [obj for obj in self.made if obj["kind"] == "Job"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(proof, "SETTLED_SECONDS", 0.05)


def prove(server: Server, new: Object | None = None, *declared: Object, seconds: float = 5) -> list[str]:
    said: list[str] = []
    prover = proof.Prover(server, "t", seconds, said.append)  # type: ignore[arg-type]
    prover.prove([proof.Change(store(), new or store(image="db:2"))], declared)
    return said


def test_proven_version_leaves_nothing_behind() -> None:
    server = Server(pod_of(store()), fates=[UP])
    said = prove(server)
    assert said[0] == "proving StatefulSet db: image db:2 on a pod of its own"
    assert said[1].startswith("StatefulSet db is proven")
    (job,) = server.jobs
    assert server.deleted == [job["metadata"]["name"]]
    assert [obj["metadata"]["name"] for obj in server.objects] == ["db-0"]
    (term,) = job["spec"]["template"]["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]["nodeSelectorTerms"]
    assert term["matchFields"][0]["values"] == ["node-a"]


def test_copies_belong_to_the_job_of_the_proof() -> None:
    server = Server(pod_of(store()), fates=[UP])
    prove(server, None, make("v1", "Secret", "keys", data={"x": ""}), make("v1", "ConfigMap", "unused"))
    job, copied = server.made
    (owner,) = copied["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Job", job["metadata"]["name"])


@pytest.mark.parametrize(
    ("fate", "words"),
    [(NEVER_PULLED, "InvalidImageName"), (CRASHED, "Error: exit code 1"), (ENDED, "image db:2: Completed")],
)
def test_version_that_cannot_start_stops_the_run(fate: Object, words: str) -> None:
    server = Server(pod_of(store()), fates=[fate])
    server.logs["db/false"] = "FATAL: invalid value"
    with pytest.raises(errors.WaitFailed) as caught:
        prove(server)
    assert "StatefulSet db: the new version does not start on a pod of its own" in caught.value.message
    assert any(words in line for line in caught.value.report)
    if fate is CRASHED:
        assert any("FATAL: invalid value" in line for line in caught.value.report)
    assert server.deleted == [job["metadata"]["name"] for job in server.jobs]


def test_another_node_is_tried_where_the_present_one_has_no_room() -> None:
    server = Server(pod_of(store()), fates=[NO_ROOM, UP])
    prove(server)
    here, anywhere = (job["spec"]["template"]["spec"] for job in server.jobs)
    assert here["containers"][0]["resources"]["requests"] == {"cpu": "0", "memory": "0"}
    assert anywhere["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert "affinity" not in anywhere


def test_another_node_is_one_that_the_volume_reaches() -> None:
    claim = make("v1", "PersistentVolumeClaim", "data-db-0", spec={"volumeName": "pv"})
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
    volume = make("v1", "PersistentVolume", "pv", spec={"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}})
    server = Server(pod_of(store()), claim, volume, fates=[NO_ROOM, UP])
    prove(server)
    affinity = server.jobs[1]["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    assert affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] == terms


def test_unschedulable_proof_says_why_and_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(pod_of(store()), fates=[NO_ROOM])
    with pytest.raises(errors.WaitFailed) as caught:
        prove(server, seconds=0.1)
    assert any("Unschedulable: 0/3 nodes" in line for line in caught.value.report)
    assert "platform_prove=false" in caught.value.remedy


def test_missing_room_does_not_stop_the_repair_of_what_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(pod_of(store(), status={}), fates=[NO_ROOM])
    monkeypatch.setattr(proof.Prover, "_outcome", lambda *_: "Unschedulable")
    assert "none of its pods is ready, so the run goes on" in prove(server)[-1]
    server.refusal = status_error(403, "no more Jobs")
    assert "no more Jobs" in prove(server)[-1]


def test_broken_version_is_refused_for_what_is_down_too() -> None:
    with pytest.raises(errors.WaitFailed):
        prove(Server(pod_of(store(), status={}), fates=[CRASHED]))


def test_refused_job_says_how_to_go_on_without() -> None:
    server = Server(pod_of(store()), fates=[UP])
    server.refusal = status_error(403, "no more Jobs")
    with pytest.raises(errors.EngineError, match="no more Jobs") as caught:
        prove(server)
    assert "platform_prove=false" in caught.value.remedy


def test_workload_without_a_pod_is_not_proven() -> None:
    server = Server(fates=[UP])
    assert prove(server) == []
    assert server.made == []


def test_leftovers_of_a_killed_run_are_removed() -> None:
    left = make("batch/v1", "Job", "db-proof-old", metadata={"uid": "1", "labels": {proof_pod.LABEL: "t"}})
    other = make("batch/v1", "Job", "x-proof", metadata={"uid": "2", "labels": {proof_pod.LABEL: "other"}})
    server = Server(pod_of(store()), left, other, fates=[UP])
    prove(server)
    assert server.deleted[0] == "db-proof-old"
    assert "x-proof" not in server.deleted


def test_first_member_to_be_replaced_is_the_one_stood_in_for() -> None:
    last = pod_of(store(), "db-10")
    last["spec"]["nodeName"] = "node-j"
    server = Server(pod_of(store(), "db-9"), last, pod_of(store()), fates=[UP])
    prove(server)
    assert "node-j" in str(server.jobs[0])


def test_pods_are_found_by_every_form_of_selector() -> None:
    terms = [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "NotIn", "values": ["z"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    found = proof._selector({"matchLabels": {"app": "db"}, "matchExpressions": terms})
    assert found == "app=db,a in (x,y),b notin (z),c,!d"


def test_start_is_proven_by_a_container_that_has_run() -> None:
    new = store(proof_pod.START, image="db:2")
    assert "is proven" in prove(Server(pod_of(store()), fates=[CRASHED]), new)[-1]
    never = copy.deepcopy(CRASHED)
    never["containerStatuses"][0]["state"]["terminated"]["reason"] = "StartError"
    with pytest.raises(errors.WaitFailed):
        prove(Server(pod_of(store()), fates=[never]), new)


def test_container_without_a_probe_has_to_run_for_a_while() -> None:
    new = store(image="db:2")
    del new["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    server = Server(pod_of(store()), fates=[UP])
    began = time.monotonic()
    prove(server, new)
    assert time.monotonic() - began >= proof.SETTLED_SECONDS


def test_interrupted_proof_is_removed() -> None:
    server = Server(pod_of(store()), fates=[{"phase": "Pending"}])
    said: list[str] = []

    def stop(_done: int, _total: int, _waiting: dict[str, str]) -> None:
        server.interruption.tell("Ctrl-C")

    prover = proof.Prover(server, "t", 5, said.append, stop)  # type: ignore[arg-type]
    with pytest.raises(errors.EngineError, match="Stopped by Ctrl-C"):
        prover.prove([proof.Change(store(), store(image="db:2"))])
    assert server.deleted == [server.jobs[0]["metadata"]["name"]]


# --- when -------------------------------------------------------------------------------------------------------------


class Writes(FakeCluster):
    """Notes what is applied, in order; an apply gives back what it is given."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.log: list[str] = []

    def apply(self, kind: kinds.Kind, obj: Object, *, dry_run: bool = False, **_: Any) -> tuple[bool, Object]:
        if not dry_run:
            self.log.append(f"write {obj['kind']}")
        return False, obj


def apply(live: Object, *desired: Object, check: bool = False, **how: Any) -> list[str]:
    server = Writes(live)
    seen = snapshot.Snapshot({manifests.identity(live): live})
    note: Callable[..., None] = lambda changes, todo: server.log.append(  # noqa: E731
        f"prove {len(changes)} with {sorted(obj['kind'] for obj in todo)}"
    )
    made = applier.Applier(server, applyset.ApplySet("t", "ns"), seen=seen, check=check, prove=note, **how)  # type: ignore[arg-type]
    made.run(list(desired))
    return server.log


def test_proof_comes_before_anything_is_written() -> None:
    log = apply(store(), make("v1", "ConfigMap", "settings", data={}), store(image="db:2"))
    assert log[0] == "prove 1 with ['ConfigMap', 'StatefulSet']"
    assert "write StatefulSet" in log


def test_nothing_is_proven_in_check_mode_or_for_the_same_pods() -> None:
    assert apply(store(), store(image="db:2"), check=True) == []
    scaled = store()
    scaled["spec"]["replicas"] = 2
    assert not [line for line in apply(store(), scaled) if line.startswith("prove")]
