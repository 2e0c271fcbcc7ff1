"""Jobs that back up, list and restore: made of the CronJobs that the role left in the cluster, awaited, and heard.

The work is done by pods beside the stores (images/backup); the controller reaches neither stores nor backups itself.
"""

from __future__ import annotations

import copy
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.cluster import Cluster
from ..engine.diagnosis import Diagnosis
from ..engine.errors import EngineError
from ..engine.interruption import Interrupted
from ..engine.kinds import BUILT_IN
from ..engine.retry import delays
from ..engine.transport import Disconnected
from ..operations.cluster_view import POD

Object = dict[str, Any]

JOB = BUILT_IN["batch/v1", "Job"]
CRON_JOB = BUILT_IN["batch/v1", "CronJob"]

RESULT = "RESULT "
_POLL_SECONDS = 1.0
_SAY_SECONDS = 15.0
_NO_SPACE = "No space left on device"


class NothingDone(EngineError):
    """A Job that failed, or was given up, before its last container ran: those before it replace nothing."""


@dataclass(frozen=True)
class Wanted:
    """What a Job does differently from its template. ``only``: the one container that is kept, with ``args``."""

    environment: Mapping[str, str]
    only: str = ""
    args: tuple[str, ...] = ()


def schedule(cluster: Cluster, namespace: str, name: str) -> Object:
    """A CronJob of the role. Raises EngineError where there is none."""
    return _known(cluster.find(CRON_JOB, namespace, name), namespace)


def _known(found: Object | None, namespace: str) -> Object:
    if found is None:
        raise EngineError(
            f"Nothing makes backups in namespace {namespace}.",
            "Set platform_backup: {enabled: true} in the inventory and run `make deploy`, or check platform_namespace.",
        )
    return found


def made_of(source: Object, wanted: Wanted, purpose: str = "") -> Object:
    """A Job as the CronJob itself would make it now, and which counts as its own: history and last success.

    ``purpose``: a part of its name, where it does something else than the CronJob's own.
    """
    template = copy.deepcopy(source["spec"]["jobTemplate"])
    template["spec"]["backoffLimit"] = 0  # somebody is watching, and decides
    _adapt(template["spec"]["template"]["spec"], wanted)
    owner = source["metadata"]["name"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "-".join(part for part in (owner, purpose, secrets.token_hex(4)) if part),
            "namespace": source["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "CronJob",
                    "name": owner,
                    "uid": source["metadata"]["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": template["spec"],
    }


def _adapt(pod: Object, wanted: Wanted) -> None:
    if wanted.only:
        pod["initContainers"] = []
        pod["containers"] = [c for c in pod["containers"] if c["name"] == wanted.only]
        pod["containers"][0]["args"] = list(wanted.args)
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        if container.get("restartPolicy") == "Always":
            continue  # a store of a drill
        kept = [variable for variable in container.get("env", ()) if variable["name"] not in wanted.environment]
        container["env"] = kept + [{"name": name, "value": value} for name, value in wanted.environment.items()]


def ask(cluster: Cluster, namespace: str, job: Object, seconds: float) -> dict[str, Any]:
    """What a Job that only looks has to say; it goes afterwards. Raises EngineError."""
    report = run(cluster, namespace, job, seconds)
    delete(cluster, namespace, job["metadata"]["name"])
    return report


def under_way(cluster: Cluster, namespace: str, app: str) -> str:
    """Name of a Job that does what CronJob ``app`` is for and has not ended, empty where there is none."""
    for job in cluster.list(JOB, namespace, labels=f"app={app}")[0]:
        name = str(job["metadata"]["name"])
        if not _ended(job) and re.fullmatch(rf"{app}-[0-9a-f]+", name):
            return name
    return ""


def refuse_beside(cluster: Cluster, namespace: str, refused: str) -> None:
    """Raises EngineError while a restore or a backup is under way. ``refused``: a sentence of what was not done."""
    if running := under_way(cluster, namespace, "restore"):
        raise EngineError(
            f"A restore is under way already, by Job {running}. {refused}", "Wait for it, or read its log."
        )
    if running := under_way(cluster, namespace, "backup"):
        raise EngineError(
            f"A backup is being made, by Job {running}. {refused}",
            f"Wait for its end, or give that backup up: kubectl delete job/{running} -n {namespace}.",
        )


def _ended(job: Object) -> str:
    """``Complete`` or ``Failed`` with its reason, empty while it runs."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition.get("status") == "True" and condition["type"] in {"Complete", "Failed"}:
            return str(condition["type"])
    return ""


def run(
    cluster: Cluster, namespace: str, job: Object, seconds: float, say: Callable[[str], None] = lambda _line: None
) -> dict[str, Any]:
    """Start a Job, wait for its end, and give what it reports.

    Raises NothingDone where its last container has not run and will not, and EngineError where it fails otherwise or
    goes on: both with its own words where it has any.
    """
    name = job["metadata"]["name"]
    try:
        _make_room(cluster, namespace, job)
        cluster.create(JOB, job, what=f"Job {name}")
    except EngineError as error:
        # An answer may have been lost on its way: the Job may be there all the same.
        raise _given_up(cluster, namespace, name, error) from error
    try:
        return _outcome(cluster, namespace, name, seconds, say)
    except Interrupted as stopped:
        raise EngineError(
            f"Stopped by {stopped.reason} while Job {name} ran; it goes on.", _watch(namespace, name)
        ) from None


def _outcome(cluster: Cluster, namespace: str, name: str, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    diagnosis = Diagnosis(cluster)
    deadline = time.monotonic() + seconds
    next_line = time.monotonic() + _SAY_SECONDS
    while True:
        live = cluster.find(JOB, namespace, name)
        if live is None:
            raise EngineError(f"Job {name} was deleted while it ran.", "Run it again.")
        ended = _ended(live)
        if ended == "Complete":
            return _result(cluster, namespace, name)
        if ended:
            raise _failure(cluster, namespace, live)
        for _, finding in diagnosis.fatal([live]):
            # A pod that has failed has started: its Job says so a moment later.
            if not _of_a_container(finding.reason) and not (live.get("status") or {}).get("failed"):
                error = EngineError(f"Job {name} cannot start: {finding}.", _remedy(finding.reason))
                raise _given_up(cluster, namespace, name, error)
        now = time.monotonic()
        if now > deadline:
            raise EngineError(
                f"Job {name} has not ended after {seconds:.0f} s; it goes on.",
                _watch(namespace, name),
            )
        if now > next_line:
            next_line = now + _SAY_SECONDS
            say(f"  {name}: {_running(cluster, namespace, name)}")
        cluster.interruption.sleep(_POLL_SECONDS)


def _given_up(cluster: Cluster, namespace: str, name: str, error: EngineError) -> EngineError:
    """``error`` of a Job that has not started, once the Job is gone: it would start later, with nobody there."""
    try:
        with cluster.interruption.shielded():
            if _began(_pods(cluster, namespace, name)):
                return error
            delete(cluster, namespace, name)
    except EngineError:
        again = f"Job {name} may still start; delete it: kubectl delete job/{name} -n {namespace}."
        return EngineError(error.message, f"{error.remedy}\n{again}")
    return NothingDone(error.message, "Run it again." if isinstance(error, Interrupted) else error.remedy)


def _watch(namespace: str, name: str) -> str:
    return f"Look at it with `kubectl logs job/{name} -n {namespace} --all-containers`."


def _make_room(cluster: Cluster, namespace: str, job: Object) -> None:
    """Delete Jobs of the same kind that have ended, where their pods still hold scratch volumes."""
    if not any("ephemeral" in volume for volume in job["spec"]["template"]["spec"]["volumes"]):
        return
    for other in cluster.list(JOB, namespace, labels=f"app={job['metadata']['labels']['app']}")[0]:
        if _ended(other):
            delete(cluster, namespace, other["metadata"]["name"])


def delete(cluster: Cluster, namespace: str, name: str) -> None:
    """Take a Job away, with its pods and their scratch volumes."""
    cluster.delete(JOB, namespace, name)


def _of_a_container(reason: str) -> bool:
    """Whether a finding is about a program that ended: the Job itself says so a moment later."""
    return reason in {"Error", "Completed", "OOMKilled", "CrashLoopBackOff", "BackoffLimitExceeded"}


def _remedy(reason: str) -> str:
    if "Image" in reason:
        return "Build and push the image (make images S=backup), or name yours in platform_image_overrides.backup."
    if reason == "FailedCreate":
        return "Run site.yml, which computes the quota anew; a foreign quota has to be raised."
    return "`make events` says more."


def _pods(cluster: Cluster, namespace: str, job: str) -> list[Object]:
    return cluster.list(POD, namespace, labels=f"batch.kubernetes.io/job-name={job}")[0]


def _pod(cluster: Cluster, namespace: str, job: str) -> Object | None:
    """The newest pod of a Job."""
    pods = _pods(cluster, namespace, job)
    return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def _statuses(pod: Object, *lists: str) -> list[Object]:
    status = pod.get("status") or {}
    names = lists or ("initContainerStatuses", "containerStatuses")
    return [container for name in names for container in status.get(name) or []]


def _began(pods: Iterable[Object]) -> bool:
    """Whether the last container of a Job has run."""
    states = [c.get("state") or {} for pod in pods for c in _statuses(pod, "containerStatuses")]
    return any("running" in state or "terminated" in state for state in states)


def _broke_off_before(pods: Iterable[Object]) -> bool:
    """Whether a container before the last has failed, so that the last will never run.

    That the last one is not seen to have run is not enough: of a node that is lost nobody tells what ran on it.
    """
    ended = [
        (c.get("state") or {}).get("terminated") or {} for pod in pods for c in _statuses(pod, "initContainerStatuses")
    ]
    return any(state.get("exitCode") for state in ended) and not _began(pods)


def _running(cluster: Cluster, namespace: str, job: str) -> str:
    pod = _pod(cluster, namespace, job)
    if pod is None:
        return "waits for its pod"
    names = [s["name"] for s in _statuses(pod) if "running" in (s.get("state") or {})]
    return f"{names[-1]} runs" if names else f"pod {pod['metadata']['name']} is {pod['status'].get('phase', 'new')}"


def _result(cluster: Cluster, namespace: str, job: str) -> dict[str, Any]:
    pod = _pod(cluster, namespace, job)
    if pod is None:
        raise EngineError(f"The pod of Job {job} is gone, and its report with it.", "Run it again.")
    status, log = _log(cluster, namespace, job, pod)
    found = next((line for line in reversed(log.splitlines()) if line.startswith(RESULT)), None)
    if status != 200 or found is None:
        raise EngineError(f"Job {job} has left no report.", f"Read its log: kubectl logs job/{job} -n {namespace}.")
    report: dict[str, Any] = json.loads(found.removeprefix(RESULT))
    return report


def _log(cluster: Cluster, namespace: str, job: str, pod: Object) -> tuple[int, str]:
    """The HTTP status and the log of a pod's last container; what was done is not lost by one broken connection."""
    path = f"{POD.path(namespace, pod['metadata']['name'])}/log"
    waits = delays()
    while True:
        try:
            response = cluster.transport.request("GET", path, {"container": pod["spec"]["containers"][0]["name"]})
        except Disconnected as error:
            if (delay := next(waits, None)) is None:
                raise EngineError(f"The log of Job {job} cannot be read: {error}.", "Run it again.") from error
            cluster.interruption.sleep(delay)
        else:
            return response.status, response.data.decode("utf-8", "replace")


def _failure(cluster: Cluster, namespace: str, job: Object) -> EngineError:
    error = _reason(cluster, namespace, job)
    if _broke_off_before(_pods(cluster, namespace, job["metadata"]["name"])):
        return NothingDone(error.message, error.remedy)
    return error


def _reason(cluster: Cluster, namespace: str, job: Object) -> EngineError:
    name = job["metadata"]["name"]
    pod = _pod(cluster, namespace, name)
    for status in _statuses(pod) if pod else ():
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            return EngineError(
                f"{status['name']} of Job {name} was killed, as it took more memory than it may.",
                "Raise backup_resources.limits.memory and run site.yml.",
            )
        if ended.get("exitCode"):
            return told(str(ended.get("message") or f"{status['name']} ended with exit code {ended['exitCode']}"))
    conditions = (job.get("status") or {}).get("conditions") or []
    why: Object = next((c for c in conditions if c["type"] == "Failed"), {})
    if why.get("reason") == "DeadlineExceeded" or (pod and pod["status"].get("reason") == "DeadlineExceeded"):
        return EngineError(f"Job {name} took longer than it may.", "Raise backup_timeout and run site.yml.")
    evicted = str(pod["status"].get("message") or "") if pod else ""
    return EngineError(
        f"Job {name} failed: {evicted or why.get('message') or why.get('reason') or 'no reason given'}",
        f"Look at its pod: kubectl describe job/{name} -n {namespace}.",
    )


def told(message: str) -> EngineError:
    """What a container said at its end: a message and a remedy as JSON, or the last lines of its log."""
    try:
        body = json.loads(message)
        return EngineError(str(body["message"]), str(body["remedy"]))
    except (ValueError, KeyError, TypeError):
        text = message.strip()
    if _NO_SPACE in text:
        return EngineError(
            f"The backup volume is full: {text}\nEarlier backups are unharmed.",
            "Make room: a larger volume (platform_backup.volume_size) or fewer backups (backup_retention).",
        )
    return EngineError(text, "The rest is in the log of the pod.")
