"""What keeps an object from being ready, how long that is borne, and what a report tells."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.transport import Disconnected

from .fakes import FakeCluster, make, status_error
from .imports import diagnosis


def deployment(**fields: Any) -> dict[str, Any]:
    return make("apps/v1", "Deployment", "web", spec={"selector": {"matchLabels": {"app": "web"}}}, **fields)


def pod(**status: Any) -> dict[str, Any]:
    return make("v1", "Pod", "web-1", metadata={"labels": {"app": "web"}}, status=status)


def waiting(reason: str, message: str = "", restarts: int = 5, **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"name": "main", "state": state, "restartCount": restarts, **more}]}


def unschedulable() -> dict[str, Any]:
    message = "0/3 nodes are available: insufficient cpu"
    return {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("status", "patience", "words"),
    [
        (waiting("InvalidImageName", "bad"), 0, "Pod web-1, container main: InvalidImageName: bad"),
        (waiting("ImagePullBackOff", "no such image"), 30, "ImagePullBackOff: no such image"),
        (waiting("ErrImagePull"), 30, "ErrImagePull"),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), 20, 'secret "x" not found'),
        (
            waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 3}}),
            10,
            "CrashLoopBackOff: last exit code 3",
        ),
        (unschedulable(), 60, "Pod web-1: Unschedulable: 0/3 nodes"),
    ],
)
def test_patience(status: dict[str, Any], patience: float, words: str) -> None:
    clock = Clock()
    look = diagnosis.Diagnosis(FakeCluster(pod(**status)), clock)  # type: ignore[arg-type]
    first = look.fatal([deployment()])
    assert bool(first) is (patience == 0)
    clock.now += max(patience - 1, 0)
    assert bool(look.fatal([deployment()])) is (patience == 0)
    clock.now += 1
    ((_, finding),) = look.fatal([deployment()])
    assert words in str(finding)


def test_what_cures_itself_is_forgotten() -> None:
    clock, sick, well = Clock(), pod(**unschedulable()), pod()
    cluster = FakeCluster(sick)
    look = diagnosis.Diagnosis(cluster, clock)  # type: ignore[arg-type]
    assert look.fatal([deployment()]) == []
    cluster.objects = [well]
    clock.now += 59
    assert look.fatal([deployment()]) == []
    cluster.objects = [sick]
    clock.now += 1
    assert look.fatal([deployment()]) == []  # a new spell, borne anew


def test_namesakes_in_two_namespaces_have_times_of_their_own() -> None:
    clock, cluster = Clock(), FakeCluster(pod(**unschedulable()))
    look = diagnosis.Diagnosis(cluster, clock)  # type: ignore[arg-type]
    there = make("apps/v1", "Deployment", "web", metadata={"namespace": "other"}, spec=deployment()["spec"])
    assert look.fatal([there]) == []
    clock.now += 59
    assert look.fatal([deployment()]) == []
    clock.now += 1
    assert look.fatal([deployment()]) == []
    assert [obj for obj, _ in look.fatal([there])] == [there]


def test_an_image_that_cannot_be_pulled_goes_to_and_fro() -> None:
    clock, cluster = Clock(), FakeCluster()
    look = diagnosis.Diagnosis(cluster, clock)  # type: ignore[arg-type]
    for number in range(10):
        cluster.objects = [pod(**waiting(("ErrImagePull", "ImagePullBackOff")[number % 2]))]
        assert look.fatal([deployment()]) == []
        clock.now += 3
    ((_, finding),) = look.fatal([deployment()])
    assert finding.reason == "ImagePullBackOff"


@pytest.mark.parametrize(
    "status",
    [
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        waiting("CrashLoopBackOff", restarts=2),
        {"containerStatuses": [{"name": "main", "state": {"running": {}}, "ready": False}]},
        waiting("ImagePullBackOff") | {"conditions": [{"type": "Ready", "status": "True"}]},
        waiting("ImagePullBackOff") | {"phase": "Succeeded"},
    ],
)
def test_what_may_still_succeed(status: dict[str, Any]) -> None:
    clock = Clock()
    look = diagnosis.Diagnosis(FakeCluster(pod(**status)), clock)  # type: ignore[arg-type]
    for _ in range(10):
        assert look.fatal([deployment()]) == []
        clock.now += 60


def test_quota_is_borne_for_a_while() -> None:
    clock = Clock()
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: q"}
    obj = deployment(status={"conditions": [condition]})
    look = diagnosis.Diagnosis(FakeCluster(), clock)  # type: ignore[arg-type]
    assert look.fatal([obj]) == []
    clock.now += 20
    assert [str(finding) for _, finding in look.fatal([obj])] == ["Deployment web: FailedCreate: exceeded quota: q"]


def _event(message: str, kind: str, name: str, when: str) -> dict[str, Any]:
    about = {"kind": kind, "name": name}
    return make("v1", "Event", when, involvedObject=about, reason="Failed", message=message, lastTimestamp=when)


def test_report() -> None:
    crash = pod(**waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1}}))
    events = [
        _event("of the pod", "Pod", "web-1", "2026-01-01T00:00:03Z"),
        _event("of the set", "ReplicaSet", "web-abc", "2026-01-01T00:00:02Z"),
        _event("of another", "Pod", "webber-1", "2026-01-01T00:00:01Z"),
        _event("of another kind", "HorizontalPodAutoscaler", "web", "2026-01-01T00:00:04Z"),
    ]
    cluster = FakeCluster(crash, *events)
    cluster.logs["main/true"] = "\n".join(f"line {number}" for number in range(30))
    lines = diagnosis.Diagnosis(cluster).report(deployment(), "0 of 1 pods are available")  # type: ignore[arg-type]
    text = "\n".join(lines)
    assert lines[0] == "Deployment web: 0 of 1 pods are available"
    assert "Pod web-1, container main: CrashLoopBackOff: last exit code 1" in text
    assert text.index("of the set") < text.index("of the pod")
    assert "of another" not in text
    assert "last log of web-1/main:" in text
    assert "line 29" in text
    assert "line 19" not in text


@pytest.mark.parametrize("failure", [status_error(403, "may not list"), Disconnected(OSError("gone"))], ids=repr)
def test_a_report_never_fails(failure: Exception) -> None:
    cluster = FakeCluster(pod(**waiting("CrashLoopBackOff")))
    look = diagnosis.Diagnosis(cluster)  # type: ignore[arg-type]
    cluster.logs["main/true"] = "x"
    if isinstance(failure, Disconnected):
        cluster.transport.request = lambda *_, **__: (_ for _ in ()).throw(failure)
    else:
        cluster.failing = failure
    assert look.report(deployment(), "waits")[0] == "Deployment web: waits"
    assert look.fatal([deployment()]) == []


# --- probes that do not pass ------------------------------------------------------------------------------------------


def unready(started: bool = True, **probes: Any) -> dict[str, Any]:
    status = {"name": "main", "state": {"running": {}}, "ready": False, "started": started}
    spec = {"containers": [{"name": "main", **probes}]}
    return pod(containerStatuses=[status]) | {"spec": spec}


@pytest.mark.parametrize(
    ("probes", "deadline"),
    [
        ({"readinessProbe": {"periodSeconds": 5}}, diagnosis.NOT_READY_SECONDS),
        (
            {
                "startupProbe": {"periodSeconds": 5, "failureThreshold": 60},
                "readinessProbe": {"initialDelaySeconds": 15, "periodSeconds": 10, "failureThreshold": 3},
            },
            345,
        ),
    ],
)
def test_a_probe_has_its_deadline(probes: dict[str, Any], deadline: float) -> None:
    clock = Clock()
    look = diagnosis.Diagnosis(FakeCluster(unready(**probes)), clock)  # type: ignore[arg-type]
    assert look.fatal([deployment()], every=True) == []
    clock.now += deadline - 1
    assert look.fatal([deployment()], every=True) == []
    clock.now += 1
    assert look.fatal([deployment()]) == []  # something else is awaited too, and may be what it waits for
    ((_, finding),) = look.fatal([deployment()], every=True)
    assert str(finding) == "Pod web-1, container main: NotReady: runs, but its readiness probe does not pass"


@pytest.mark.parametrize("other", [{"conditions": []}, waiting("ContainerCreating"), unschedulable()], ids=str)
def test_a_pod_may_wait_for_another(other: dict[str, Any]) -> None:
    """What has come up and is not ready may need what is still being pulled or placed."""
    clock = Clock()
    second = make("v1", "Pod", "web-2", metadata={"labels": {"app": "web"}}, status=other)
    look = diagnosis.Diagnosis(FakeCluster(unready(), second), clock)  # type: ignore[arg-type]
    for _ in range(10):
        assert [f.reason for _, f in look.fatal([deployment()], every=True)] in ([], ["Unschedulable"])
        clock.now += 60


def test_an_init_container_that_runs_is_no_probe() -> None:
    first = pod(initContainerStatuses=[{"name": "migrate", "state": {"running": {}}, "ready": False}])
    first["spec"] = {"initContainers": [{"name": "migrate"}], "containers": [{"name": "main"}]}
    clock = Clock()
    look = diagnosis.Diagnosis(FakeCluster(first), clock)  # type: ignore[arg-type]
    for _ in range(10):
        assert look.fatal([deployment()], every=True) == []
        clock.now += 60
    assert "Initializing: still runs" in str(look.findings(deployment())[0])


# --- what only events tell --------------------------------------------------------------------------------------------


def test_a_secret_that_no_volume_finds() -> None:
    clock = Clock()
    message = 'MountVolume.SetUp failed for volume "credentials" : secret "web-credentials" not found'
    event = _event(message, "Pod", "web-1", "2026-01-01T00:00:03Z") | {"reason": "FailedMount"}
    cluster = FakeCluster(pod(**waiting("ContainerCreating")), event)
    look = diagnosis.Diagnosis(cluster, clock)  # type: ignore[arg-type]
    assert look.fatal([deployment()]) == []
    clock.now += 30
    ((_, finding),) = look.fatal([deployment()])
    assert str(finding) == f"Pod web-1: FailedMount: {message}"
    clock.now += 2
    event["message"] = "timed out waiting for the condition"
    assert look.fatal([deployment()]) == []


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job"])
@pytest.mark.parametrize(("made", "refused"), [("2026-01-01T00:00:02Z", True), ("2026-01-01T00:00:04Z", False)])
def test_pods_that_are_refused(kind: str, made: str, refused: bool) -> None:
    """A pod made since means that it was let by now."""
    clock = Clock()
    event = _event("exceeded quota: q", kind, "web", "2026-01-01T00:00:03Z") | {"reason": "FailedCreate"}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    one = make("v1", "Pod", "web-0", metadata={"creationTimestamp": made}, status=ready)
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}
    status = {"replicas": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 1}
    obj = make("apps/v1", kind, "web", spec=spec, status=status)
    look = diagnosis.Diagnosis(FakeCluster(one, event), clock)  # type: ignore[arg-type]
    assert look.fatal([obj]) == []
    clock.now += 20
    found = [str(finding) for _, finding in look.fatal([obj])]
    assert found == ([f"{kind} web: FailedCreate: exceeded quota: q"] if refused else [])


def test_a_broken_last_version_does_not_end_the_wait_for_the_new_one() -> None:
    clock = Clock()
    revision = "deployment.kubernetes.io/revision"

    def replica_set(number: int) -> dict[str, Any]:
        about = {"uid": f"set-{number}", "annotations": {revision: str(number)}}
        return make("apps/v1", "ReplicaSet", f"web-{number}", metadata=about)

    crashes = pod(**waiting("CrashLoopBackOff"))
    crashes["metadata"]["ownerReferences"] = [{"uid": "set-1"}]
    cluster = FakeCluster(crashes, replica_set(1), replica_set(2))
    obj = deployment(metadata={"annotations": {revision: "2"}})
    look = diagnosis.Diagnosis(cluster, clock)  # type: ignore[arg-type]
    for _ in range(3):
        assert look.fatal([obj]) == []
        clock.now += 60
    crashes["metadata"]["ownerReferences"] = [{"uid": "set-2"}]
    cluster.objects[0] = crashes
    look.fatal([obj])
    clock.now += 60
    assert [finding.reason for _, finding in look.fatal([obj])] == ["CrashLoopBackOff"]
