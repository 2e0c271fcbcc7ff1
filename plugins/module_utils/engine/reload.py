"""Servers that take up a changed Secret without a restart: told to, as soon as their pods see it.

A workload asks for it by an annotation, JSON of {secret, seen, command}: the name of a Secret that its pods mount, a
command that succeeds once the pod sees the Secret as it is now, and the command that makes the server read it. In
``seen`` a ``{key}`` stands for that key of the Secret which begins with "seen-"; its name has to change with the
content, so that it is there no sooner than the content is. What was taken up is remembered at the workload, as a
hash: a run that is killed in between is finished by the next one, and a run without changes asks for nothing.

Where no command can be run in the pods, they are replaced one by one: the same effect at the price of a restart.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .applier import CREATED, RECREATED, Outcome
from .cluster import Cluster
from .errors import ApiError, EngineError
from .kinds import BUILT_IN
from .manifests import describe
from .render import checksum

Object = dict[str, Any]
# Runs a command in the first container of a pod: exit code and output. Raises EngineError where it cannot be run.
Execute = Callable[[Object, list[str]], tuple[int, str]]

RELOAD = "multi-agent.platform/reload"
RELOADED = "multi-agent.platform/reloaded"
SEEN = "seen-"
# The kubelet brings a changed Secret within its period of synchronization and the lifetime of its cache, a minute each
# (https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/#mounted-configmaps-are-updated-automatically),
# and at once where the pod itself changes.
SEEN_SECONDS = 150.0
_POLL_SECONDS = 1.0
POD = BUILT_IN["v1", "Pod"]


def no_command(pod: Object, _command: list[str]) -> tuple[int, str]:
    """For callers that have no way into pods."""
    raise EngineError(f"there is no way into {describe(pod)}")


@dataclass(frozen=True)
class Due:
    """A workload whose servers have not taken up what its Secret holds."""

    workload: Object
    seen: list[str]
    command: list[str]
    digest: str
    # Its pods were made after the Secret, so they have read it.
    new: bool


def due(outcomes: Iterable[Outcome]) -> list[Due]:
    """What has to be taken up, from objects as they are after they were applied."""
    every = list(outcomes)
    secrets = {o.desired["metadata"]["name"]: o.after for o in every if o.desired["kind"] == "Secret"}
    found = []
    for outcome in every:
        workload = outcome.after or outcome.desired
        annotations = workload["metadata"].get("annotations") or {}
        if RELOAD not in annotations:
            continue
        wanted = json.loads(annotations[RELOAD])
        data = (secrets.get(wanted["secret"]) or {}).get("data") or {}
        digest = checksum(data)
        if annotations.get(RELOADED) == digest:
            continue
        key = next((name for name in data if name.startswith(SEEN)), "")
        seen = [word.replace("{key}", key) for word in wanted["seen"]]
        found.append(Due(workload, seen, wanted["command"], digest, outcome.action in {CREATED, RECREATED}))
    return found


def take_up(
    cluster: Cluster,
    work: Due,
    execute: Execute,
    say: Callable[[str], None],
    prove: Callable[[Object], None] = lambda _workload: None,
) -> Object | None:
    """Let the servers of a workload read their Secret; the workload where it has to be waited for, as it restarts.

    ``prove`` is called with the workload before its pods are replaced, and raises where they must not be.
    """
    restarted = None
    if not work.new:
        try:
            _reload(cluster, work, execute)
            say(f"{describe(work.workload)} has taken up its Secret without a restart")
        except _NotPossible as reason:
            say(f"{describe(work.workload)} is restarted to take up its Secret, since {reason}")
            prove(work.workload)
            template = {"metadata": {"annotations": {RELOADED: work.digest}}}
            restarted = _patch(cluster, work.workload, {"spec": {"template": template}})
    _patch(cluster, work.workload, {"metadata": {"annotations": {RELOADED: work.digest}}})
    return restarted


class _NotPossible(Exception):
    """Why the servers cannot be told to read their Secret."""


def _reload(cluster: Cluster, work: Due, execute: Execute) -> None:
    namespace = work.workload["metadata"].get("namespace")
    labels = ",".join(f"{key}={value}" for key, value in work.workload["spec"]["selector"]["matchLabels"].items())
    pods = [pod for pod in cluster.list(POD, namespace, labels=labels)[0] if _runs(pod)]
    for pod in pods:
        _nudge(cluster, pod, work.digest)
    deadline = time.monotonic() + SEEN_SECONDS
    for pod in pods:
        while (answer := _in_pod(execute, pod, work.seen))[0] != 0:
            if time.monotonic() > deadline:
                raise _NotPossible(f"{describe(pod)} does not see it after {SEEN_SECONDS:.0f} s: {answer[1].strip()}")
            cluster.interruption.sleep(_POLL_SECONDS)
    for pod in pods:
        code, output = _in_pod(execute, pod, work.command)
        if code != 0:
            raise _NotPossible(f"{describe(pod)} answered: {output.strip()}")


def _in_pod(execute: Execute, pod: Object, command: list[str]) -> tuple[int, str]:
    try:
        return execute(pod, command)
    except EngineError as error:
        raise _NotPossible(f"no command can be run in {describe(pod)}: {error.message}") from None


def _nudge(cluster: Cluster, pod: Object, digest: str) -> None:
    """A pod that changes is synchronized at once; whoever may not change it waits for the kubelet's next round."""
    try:
        _patch(cluster, {**pod, "apiVersion": "v1", "kind": "Pod"}, {"metadata": {"annotations": {RELOADED: digest}}})
    except ApiError as error:
        if error.status not in {403, 404}:
            raise


def _runs(pod: Object) -> bool:
    return not pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("phase") == "Running"


def _patch(cluster: Cluster, obj: Object, body: Object) -> Object:
    kind, metadata = BUILT_IN[obj["apiVersion"], obj["kind"]], obj["metadata"]
    return cluster.patch(kind, metadata.get("namespace"), metadata["name"], body, "reload")
