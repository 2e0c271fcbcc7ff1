"""Pods that a StatefulSet leaves stuck on an earlier revision: which are deleted, and what never is."""

from __future__ import annotations

from typing import Any

import pytest

from .fakes import WritableCluster, make, status_error
from .imports import diagnosis, pod_revision, stuck_pods

Object = dict[str, Any]

OLD, NEW = "web-old", "web-new"
IMAGE = "registry.example.test/app"


def container(image: str = f"{IMAGE}:1", **fields: Any) -> Object:
    return {"name": "main", "image": image, "imagePullPolicy": "Always", **fields}


def template(**spec: Any) -> Object:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container()], **spec}}


def stateful_set(spec: Object | None = None, **status: Any) -> Object:
    metadata = {"uid": "set", "generation": 2}
    declared = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template(), **(spec or {})}
    reported = {"observedGeneration": 2, "updateRevision": NEW, "currentRevision": OLD, "replicas": 3}
    return make("apps/v1", "StatefulSet", "web", metadata=metadata, spec=declared, status=reported | status)


def pod(
    status: Object, ordinal: int = 0, revision: str = OLD, image: str = f"{IMAGE}:wrong", **metadata: Any
) -> Object:
    owner = {"kind": "StatefulSet", "name": "web", "uid": "set", "controller": True}
    about = {
        "uid": f"pod-{ordinal}-{revision}",
        "resourceVersion": "7",
        "labels": {"app": "web", "controller-revision-hash": revision},
        "ownerReferences": [owner],
        **metadata,
    }
    spec = {"containers": [container(image)]}
    return make("v1", "Pod", f"web-{ordinal}", metadata=about, spec=spec, status=status)


def waiting(reason: str, restarts: int = 0, **more: Any) -> Object:
    state = {"waiting": {"reason": reason, "message": "x"}}
    return {"containerStatuses": [{"name": "main", "state": state, "restartCount": restarts, **more}]}


def running() -> Object:
    return {"containerStatuses": [{"name": "main", "state": {"running": {}}, "ready": False, "started": True}]}


READY = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
UNSCHEDULABLE = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
PULL = waiting("ImagePullBackOff")
CRASH = waiting("CrashLoopBackOff", restarts=5, lastState={"terminated": {"exitCode": 1}})


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def look(cluster: WritableCluster, clock: Clock | None = None) -> tuple[stuck_pods.StuckPods, list[tuple[str, str]]]:
    replaced: list[tuple[str, str]] = []

    def note(gone: Object, reason: str) -> None:
        replaced.append((gone["metadata"]["name"], reason))

    clock = clock or Clock()
    watched: Any = cluster
    return stuck_pods.StuckPods(watched, diagnosis.Diagnosis(watched, clock), note, clock), replaced


def deleted(obj: Object, *pods: Object) -> list[str]:
    """Names of the pods that one look deletes."""
    cluster = WritableCluster(obj, *pods)
    stuck, _ = look(cluster)
    assert stuck.replace([obj]) == {}
    return [name for _, name, _ in cluster.deletes]


def test_stuck_pod_is_deleted_as_it_was_seen() -> None:
    cluster = WritableCluster(stateful_set(), pod(PULL))
    stuck, replaced = look(cluster)
    stuck.replace([stateful_set()])
    assert cluster.deletes == [("Pod", "web-0", {"uid": f"pod-0-{OLD}", "version": "7"})]
    assert replaced == [("web-0", "ImagePullBackOff")]


@pytest.mark.parametrize(
    "status",
    [PULL, waiting("ErrImagePull"), waiting("InvalidImageName"), waiting("CreateContainerConfigError")],
    ids=lambda status: status["containerStatuses"][0]["state"]["waiting"]["reason"],
)
def test_pod_that_never_ran_goes_at_once(status: Object) -> None:
    assert deleted(stateful_set(), pod(status)) == ["web-0"]


@pytest.mark.parametrize(
    "change", [{"nodeSelector": {"disk": "ssd"}}, {"resources": {"requests": {"cpu": "1"}}}], ids=str
)
def test_unschedulable_pod_goes_if_its_placement_changes(change: Object) -> None:
    same = pod(UNSCHEDULABLE)
    assert deleted(stateful_set(), same) == []
    if "resources" in change:
        same["spec"]["containers"][0] |= change
    else:
        same["spec"] |= change
    assert deleted(stateful_set(), same) == ["web-0"]


ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}


@pytest.mark.parametrize(
    ("obj", "stuck"),
    [
        (stateful_set(), pod(PULL, revision=NEW)),
        (stateful_set(), pod(PULL, image=f"{IMAGE}:1")),
        (stateful_set(), pod(READY)),
        (stateful_set(), pod(PULL, deletionTimestamp="2026-01-01T00:00:00Z")),
        (stateful_set(), pod(PULL, ownerReferences=[{"uid": "another", "controller": True}])),
        (stateful_set(), pod(PULL, ownerReferences=[])),
        (stateful_set(), pod(waiting("ContainerCreating"))),
        (stateful_set(), pod(PULL, ordinal=3)),
        (stateful_set(ON_DELETE), pod(PULL)),
        (stateful_set(PARTITION), pod(PULL)),
        (stateful_set({"ordinals": {"start": 5}, **PARTITION}), pod(PULL, ordinal=5)),
        (stateful_set(observedGeneration=1), pod(PULL)),
        (stateful_set(updatedReplicas=3), pod(PULL)),
    ],
    ids=[
        "new revision",
        "same image in both",
        "ready",
        "being deleted",
        "of another controller",
        "of no controller",
        "on its way",
        "beyond the replicas",
        "OnDelete",
        "below the partition",
        "below the partition from 5",
        "status of an earlier generation",
        "all pods are new",
    ],
)
def test_pod_is_left_alone(obj: Object, stuck: Object) -> None:
    assert deleted(obj, stuck) == []


def test_pods_from_the_partition_on_are_replaced() -> None:
    assert deleted(stateful_set(PARTITION), pod(PULL), pod(PULL, ordinal=1)) == ["web-1"]


def test_one_pod_goes_at_a_time_lowest_ordinal_first() -> None:
    cluster = WritableCluster(stateful_set(), pod(PULL, ordinal=2), pod(PULL, ordinal=1))
    stuck, replaced = look(cluster)
    stuck.replace([stateful_set()])
    assert [name for name, _ in replaced] == ["web-1"]
    stuck.replace([stateful_set()])
    assert [name for name, _ in replaced] == ["web-1", "web-2"]


def test_crashing_pod_has_the_patience_of_a_wait() -> None:
    clock, cluster = Clock(), WritableCluster(stateful_set(), pod(CRASH))
    stuck, replaced = look(cluster, clock)
    stuck.replace([stateful_set()])
    assert replaced == []
    clock.now += 10
    stuck.replace([stateful_set()])
    assert replaced == [("web-0", "CrashLoopBackOff")]


def test_pod_that_crashed_once_is_left_alone() -> None:
    clock, once = Clock(), waiting("CrashLoopBackOff", restarts=1, lastState={"terminated": {"exitCode": 1}})
    stuck, replaced = look(WritableCluster(stateful_set(), pod(once)), clock)
    for _ in range(5):
        stuck.replace([stateful_set()])
        clock.now += 60
    assert replaced == []


def test_running_pod_goes_after_its_probes_and_alone() -> None:
    clock, coming = Clock(), pod(waiting("ContainerCreating"), ordinal=1, revision=NEW)
    cluster = WritableCluster(stateful_set(), pod(running()), coming)
    stuck, replaced = look(cluster, clock)
    for _ in range(5):
        stuck.replace([stateful_set()])
        clock.now += diagnosis.NOT_READY_SECONDS
    assert replaced == []
    cluster.objects.remove(coming)
    stuck.replace([stateful_set()])
    clock.now += diagnosis.NOT_READY_SECONDS - 1
    stuck.replace([stateful_set()])
    assert replaced == []
    clock.now += 1
    stuck.replace([stateful_set()])
    assert replaced == [("web-0", "NotReady")]


def test_nothing_is_deleted_for_what_the_watch_saw_too_late() -> None:
    """The StatefulSet is read again: meanwhile another run made the pod's revision the wanted one."""
    cluster = WritableCluster(stateful_set(updateRevision=OLD), pod(PULL))
    stuck, replaced = look(cluster)
    stuck.replace([stateful_set()])
    assert (cluster.deletes, replaced) == ([], [])


def test_refused_deletion_names_the_permission() -> None:
    cluster = WritableCluster(stateful_set(), pod(PULL))
    cluster.refusal = status_error(403, "may not delete pods")
    stuck, replaced = look(cluster)
    ((_, reason),) = stuck.replace([stateful_set()]).items()
    assert "may not delete pods" in reason
    assert "deployer-role.yaml" in reason
    assert replaced == []


def test_other_failures_are_tried_again() -> None:
    cluster = WritableCluster(stateful_set(), pod(PULL))
    stuck, replaced = look(cluster)
    cluster.refusal = status_error(503)
    assert stuck.replace([stateful_set()]) == {}
    cluster.refusal = None
    stuck.replace([stateful_set()])
    assert replaced == [("web-0", "ImagePullBackOff")]


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (stateful_set(updateRevision=OLD), [("web-0", "ImagePullBackOff")]),
        (stateful_set({"template": template(containers=[container(f"{IMAGE}:wrong")])}), []),
        (stateful_set(ON_DELETE, updateRevision=OLD), []),
    ],
    ids=["another image", "no change", "OnDelete"],
)
def test_dry_run_names_what_a_run_would_replace(after: Object, found: list[tuple[str, str]]) -> None:
    spec = {"template": template(containers=[container(f"{IMAGE}:wrong")])}
    before = stateful_set(spec, updateRevision=OLD, readyReplicas=0)
    cluster: Any = WritableCluster(pod(PULL), pod(READY, ordinal=1))
    would = stuck_pods.would_replace(cluster, before, after)
    assert [(gone["metadata"]["name"], reason) for gone, reason in would] == found
    assert cluster.deletes == []


def test_dry_run_finds_what_an_earlier_run_left() -> None:
    cluster: Any = WritableCluster(pod(PULL))
    ((gone, _),) = stuck_pods.would_replace(cluster, stateful_set(), stateful_set())
    assert gone["metadata"]["name"] == "web-0"


def test_dry_run_without_permission_to_read_pods_names_none() -> None:
    cluster: Any = WritableCluster(pod(PULL))
    cluster.failing = status_error(403)
    assert stuck_pods.would_replace(cluster, stateful_set(), stateful_set()) == []


def test_dry_run_of_a_ready_set_asks_nothing() -> None:
    cluster: Any = WritableCluster(pod(PULL))
    ready = stateful_set(readyReplicas=3)
    assert stuck_pods.would_replace(cluster, ready, ready) == []
    assert cluster.lists == []


# --- what the diagnosis makes of them ---------------------------------------------------------------------------------


def fatal(obj: Object, *pods: Object) -> list[str]:
    """Reasons to give up the wait, after a time that no finding is borne for."""
    clock, cluster = Clock(), WritableCluster(obj, *pods)
    diagnosed = diagnosis.Diagnosis(cluster, clock)  # type: ignore[arg-type]
    diagnosed.fatal([obj], every=True)
    clock.now += 1000
    return [finding.reason for _, finding in diagnosed.fatal([obj], every=True)]


@pytest.mark.parametrize(
    ("obj", "broken", "reasons"),
    [
        (stateful_set(), pod(PULL), []),
        (stateful_set(), pod(CRASH), []),
        (stateful_set(), pod(running()), []),
        (stateful_set(), pod(PULL, image=f"{IMAGE}:1"), ["ImagePullBackOff"]),
        (stateful_set(), pod(PULL, revision=NEW), ["ImagePullBackOff"]),
        (stateful_set(ON_DELETE), pod(PULL), ["ImagePullBackOff"]),
        (stateful_set(observedGeneration=1), pod(PULL), []),
    ],
    ids=["pull", "crash", "not ready", "same image in both", "new revision", "OnDelete", "status not current"],
)
def test_earlier_revision_never_fails_the_wait(obj: Object, broken: Object, reasons: list[str]) -> None:
    assert fatal(obj, broken) == reasons


@pytest.mark.parametrize(("generation", "reasons"), [("1", []), ("2", ["CrashLoopBackOff"])])
def test_daemon_set_is_judged_by_its_current_template(generation: str, reasons: list[str]) -> None:
    annotations = {"deprecated.daemonset.template.generation": "2"}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template()}
    obj = make("apps/v1", "DaemonSet", "web", metadata={"annotations": annotations}, spec=spec)
    assert fatal(obj, pod(CRASH, labels={"app": "web", "pod-template-generation": generation})) == reasons


def test_report_names_the_earlier_revision() -> None:
    cluster: Any = WritableCluster(stateful_set(), pod(PULL))
    lines = diagnosis.Diagnosis(cluster).report(stateful_set(), "0 of 3 pods are ready")
    assert "  Pod web-0: EarlierRevision: is to be replaced (ImagePullBackOff)" in lines


@pytest.mark.parametrize(
    ("kind", "metadata", "status", "seen"),
    [
        ("StatefulSet", {"generation": 2}, {"observedGeneration": 2}, True),
        ("StatefulSet", {"generation": 2}, {"observedGeneration": 1}, False),
        ("StatefulSet", {"generation": 1}, {}, False),
        ("Job", {"generation": 1}, {}, True),
        ("Pod", {"generation": 1}, {}, True),
    ],
)
def test_observed(kind: str, metadata: Object, status: Object, seen: bool) -> None:
    assert pod_revision.observed(make("v1", kind, "web", metadata=metadata, status=status)) is seen
