"""A wait ends as soon as it cannot succeed, and says of what object and container, why, and what happened last.

Pods are kwok's, so what only a kubelet would report is written into their status by the test.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import diagnosis, waiter
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import WaitFailed

from ..conftest import Cluster
from .objects import make, selector
from .support import Engine, Object

pytestmark = pytest.mark.cluster

# What production bears for up to a minute; the long wait is for the early end to be told from the timeout.
BORNE_SECONDS = 1.0
WAIT_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for reason, seconds in diagnosis._PATIENCE.items():
        monkeypatch.setitem(diagnosis._PATIENCE, reason, min(seconds, BORNE_SECONDS))
    monkeypatch.setattr(diagnosis, "NOT_READY_SECONDS", 2 * BORNE_SECONDS)
    monkeypatch.setattr(waiter, "DIAGNOSE_SECONDS", 0.5)


def workload(kind: str, image: str = "v1", *, pod: Object | None = None, **fields: Any) -> Object:
    container = {"name": "main", "image": f"registry.example.test/app:{image}"}
    spec: Object = {"containers": [container], **(pod or {})}
    if kind == "Job":
        spec["restartPolicy"] = "Never"
        return make("batch/v1", kind, "web", spec={"template": {"spec": spec}, **fields})
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    return make("apps/v1", kind, "web", spec={"selector": selector("web"), "template": template, **fields})


def failure(engine: Engine, *objects: Object, seconds: float = WAIT_SECONDS) -> str:
    """The report of a wait that has to end early."""
    started = time.monotonic()
    with pytest.raises(WaitFailed) as caught:
        engine.apply(objects, wait_seconds=seconds)
    assert time.monotonic() - started < seconds or seconds < WAIT_SECONDS, str(caught.value)
    return str(caught.value)


NO_ROOM = {"containers": [{"name": "main", "image": "x", "resources": {"requests": {"cpu": "10k"}}}]}
NO_ACCOUNT = {"serviceAccountName": "nobody-made-it"}
REFUSED = ["FailedCreate", "exceeded quota: none"]


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (
            workload("Deployment", "broken-image"),
            ["Pod web-", "container main: ImagePullBackOff: Back-off pulling image"],
        ),
        (workload("StatefulSet", "broken-image"), ["Pod web-0, container main: ImagePullBackOff"]),
        (workload("Deployment", "broken-crash"), ["container main: CrashLoopBackOff: back-off 2m40s"]),
        (workload("Deployment", pod=NO_ROOM), ["Unschedulable: 0/", "Insufficient cpu", "FailedScheduling"]),
        (workload("Deployment", "broken-ready"), ["container main: NotReady: runs, but its readiness probe"]),
        (workload("DaemonSet", "broken-ready"), ["DaemonSet web", "container main: NotReady"]),
        (
            workload("Deployment", "broken-ready", progressDeadlineSeconds=1),
            ["ProgressDeadlineExceeded", 'ReplicaSet "web-', "container main: NotReady"],
        ),
        (workload("Job", "broken-crash", backoffLimit=0), ["Job web: BackoffLimitExceeded", "Error: exit code 1"]),
        (workload("Deployment", pod=NO_ACCOUNT), ["FailedCreate", 'serviceaccount "nobody-made-it" not found']),
        (workload("StatefulSet", pod=NO_ACCOUNT), ["StatefulSet web: FailedCreate", "nobody-made-it"]),
    ],
    ids=lambda value: "",
)
def test_what_cannot_become_ready(engine: Engine, obj: Object, words: list[str]) -> None:
    text = failure(engine, obj)
    assert text.startswith(f"{obj['kind']} web: cannot become ready.")
    for word in words:
        assert word in text, text
    assert "Fix the cause and rerun to continue" in text


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
@pytest.mark.parametrize("by", ["quota", "admission"])
def test_pods_that_are_refused(cluster: Cluster, engine: Engine, kind: str, by: str) -> None:
    within = ("--namespace", engine.namespace)
    if by == "quota":
        cluster.kubectl(*within, "create", "quota", "none", "--hard=pods=0")
        word = "exceeded quota: none"
    else:
        cluster.kubectl("label", "namespace", engine.namespace, "pod-security.kubernetes.io/enforce=restricted")
        word = 'violates PodSecurity "restricted'
    text = failure(engine, workload(kind))
    assert f"{kind} web: FailedCreate: " in text, text
    assert word in text
    assert f"event 20{text.partition('event 20')[2][:2]}" in text  # when it happened last


def meanwhile(cluster: Cluster, engine: Engine, change: Callable[[str], None]) -> threading.Thread:
    """Calls ``change`` with the name of the pod of ``web``, once there is one."""
    within = ("--namespace", engine.namespace)

    def work() -> None:
        cluster.kubectl(*within, "wait", "--for=create", "pod", "--selector=app=web", "--timeout=30s")
        change(cluster.kubectl(*within, "get", "pods", "--selector=app=web", "--output=name").split("/")[1].strip())

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def set_waiting(cluster: Cluster, namespace: str, pod: str, reason: str, message: str = "") -> None:
    status = {"name": "main", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    status["state"] = {"waiting": {"reason": reason, "message": message}, "running": None}
    patch = json.dumps({"status": {"phase": "Pending", "containerStatuses": [status]}})
    cluster.kubectl("--namespace", namespace, "patch", "pod", pod, "--subresource=status", "--patch", patch)


def test_a_secret_that_the_environment_names(cluster: Cluster, engine: Engine) -> None:
    def lacks(pod: str) -> None:
        set_waiting(cluster, engine.namespace, pod, "CreateContainerConfigError", 'secret "web-credentials" not found')

    thread = meanwhile(cluster, engine, lacks)
    text = failure(engine, workload("Deployment", "broken-ready"))
    thread.join()
    assert 'container main: CreateContainerConfigError: secret "web-credentials" not found' in text


def test_a_secret_that_a_volume_names(cluster: Cluster, engine: Engine) -> None:
    def lacks(pod: str) -> None:
        set_waiting(cluster, engine.namespace, pod, "ContainerCreating")
        uid = cluster.get("--namespace", engine.namespace, "pod", pod)["metadata"]["uid"]
        about = {"apiVersion": "v1", "kind": "Pod", "name": pod, "namespace": engine.namespace, "uid": uid}
        message = 'MountVolume.SetUp failed for volume "credentials" : secret "web-credentials" not found'
        event = make("v1", "Event", f"{pod}.1", involvedObject=about, type="Warning", reason="FailedMount")
        event |= {"message": message, "lastTimestamp": "2026-01-01T00:00:00Z"}
        event["metadata"]["namespace"] = engine.namespace
        cluster.kubectl("create", "--filename=-", objects=[event])

    thread = meanwhile(cluster, engine, lacks)
    text = failure(engine, workload("Deployment", "broken-ready"))
    thread.join()
    assert 'FailedMount: MountVolume.SetUp failed for volume "credentials" : secret "web-credentials" not found' in text


def test_what_somebody_deletes(cluster: Cluster, engine: Engine) -> None:
    def delete(_pod: str) -> None:
        cluster.kubectl("--namespace", engine.namespace, "delete", "deployment", "web", "--wait=false")

    thread = meanwhile(cluster, engine, delete)
    text = failure(engine, workload("Deployment", "broken-ready"))
    thread.join()
    assert "Deployment web: was deleted by somebody else while it was awaited" in text


def test_a_suspended_job_is_not_awaited(engine: Engine) -> None:
    engine.apply([workload("Job", suspend=True)], wait_seconds=WAIT_SECONDS)


def test_a_paused_deployment_says_so(engine: Engine) -> None:
    text = failure(engine, workload("Deployment", paused=True), seconds=3)
    assert "Deployment web: its rollout is paused (kubectl rollout resume): 0 of 1 pods are of the new version" in text


def test_the_new_version_is_awaited_though_the_last_one_is_broken(engine: Engine) -> None:
    """No pod of it goes before one of the new version is available: mending is what the run is for."""
    gently: dict[str, Any] = {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}, "replicas": 2}
    engine.apply([workload("Deployment", "broken-crash", **gently)])
    mended = workload("Deployment", "broken-ready", **gently)
    text = failure(engine, mended, make("apps/v1", "Deployment", "other", **_of("other", mended)), seconds=8)
    assert "CrashLoopBackOff" not in text


def _of(name: str, obj: Object) -> Object:
    """The spec of a Deployment under another name, which keeps waiting for room."""
    spec = copy.deepcopy(obj["spec"])
    spec["selector"] = selector(name)
    spec["template"]["metadata"]["labels"] = {"app": name}
    spec["template"]["spec"]["schedulingGates"] = [{"name": "example.test/later"}]
    return {"spec": spec}


def test_the_timeout_leaves_the_same_report(engine: Engine) -> None:
    waits = make("apps/v1", "Deployment", "other", **_of("other", workload("Deployment")))
    text = failure(engine, waits, seconds=3)
    assert text.startswith("Deployment other: not ready after 3 s.")
    assert "0 of 1 pods are available" in text
    assert "SchedulingGated" in text
