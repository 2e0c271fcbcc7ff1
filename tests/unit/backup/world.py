"""A namespace with Deployments, CronJobs and Jobs, as a restore and a restart see it; heeds an interruption."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

from ansible_collections.multi_agent.platform.plugins.module_utils.backup import quiet
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.interruption import Interruption

from tests.golden import rendering

Object = dict[str, Any]
Listed = tuple[list[Object], str]
Numbers = list[int]
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
FAILED = {"conditions": [{"type": "Failed", "status": "True"}], "failed": 1}


@functools.cache
def _rendered() -> dict[str, Object]:
    return {o["metadata"]["name"]: o for o in rendering.load("backups") if o["kind"] == "CronJob"}


def cron_job(name: str = "backup") -> Object:
    """A CronJob of the role, as the server has it."""
    found = copy.deepcopy(_rendered()[name])
    found["metadata"] |= {"uid": "u1", "namespace": "ns", "creationTimestamp": "2026-03-01T00:00:00Z"}
    return found


def deployment(name: str, replicas: int) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "ns", "labels": {"app.kubernetes.io/name": name}},
        "spec": {"replicas": replicas, "template": {}},
    }


def pod(**states: Object) -> Object:
    """A pod of a restore, by the states of its containers."""
    statuses = {name: {"name": name, "state": state} for name, state in states.items()}
    last = [statuses.pop("restore")] if "restore" in statuses else []
    return {
        "metadata": {"name": "restore-1", "creationTimestamp": "2026-03-01T00:00:00Z"},
        "status": {"initContainerStatuses": list(statuses.values()), "containerStatuses": last},
    }


def ended(code: int, message: str = "", reason: str = "") -> Object:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


class World:
    """``becomes(job)``: the status of a Job that was made, asked whenever it is looked at. ``pods``: of every Job."""

    def __init__(self, becomes: Callable[[Object], Object] = lambda _job: COMPLETE, *pods: Object) -> None:
        self.interruption = Interruption()
        self.becomes, self.pods = becomes, list(pods)
        made = (deployment("agent-service", 3), deployment("tool-service", 2), cron_job(), cron_job("restore"))
        self.objects = {(obj["kind"], obj["metadata"]["name"]): obj for obj in made}
        self.made: list[Object] = []
        self.events: list[Object] = []
        # Kinds that cannot be written.
        self.broken: set[str] = set()

    def find(self, kind: Any, _namespace: str, name: str) -> Object | None:
        self.interruption.check()
        found = self.objects.get((kind.kind, name))
        if found and kind.kind == "Job":
            return found | {"status": self.becomes(found)}
        return copy.deepcopy(found)

    def list(self, kind: Any, _namespace: str, *, labels: str = "", fields: str = "") -> Listed:
        self.interruption.check()
        if kind.kind == "Pod":
            return (self.pods if "job-name" in labels else []), ""
        if kind.kind == "Event":
            return self.events, ""
        found = [obj for (of, _), obj in self.objects.items() if of == kind.kind]
        if labels.startswith("app="):
            found = [obj for obj in found if obj["metadata"]["labels"]["app"] == labels.partition("=")[2]]
        if fields:
            found = [obj for obj in found if obj["metadata"]["name"] == fields.partition("=")[2]]
        return copy.deepcopy(found), ""

    def patch(self, kind: Any, _namespace: str, name: str, body: Object, _writer: str, **_options: Any) -> Object:
        self.interruption.check()
        if kind.kind in self.broken:
            raise ApiError(503, {"message": "etcd is away"}, what=f"{kind.kind} {name}")
        live = self.objects[kind.kind, name]
        live["metadata"].setdefault("annotations", {}).update(body.get("metadata", {}).get("annotations", {}))
        live["spec"] |= body["spec"]
        return copy.deepcopy(live)

    def create(self, _kind: Any, job: Object, what: str) -> None:
        self.interruption.check()
        if "Job" in self.broken:
            raise ApiError(403, {"message": "exceeded quota"}, what=what)
        self.made.append(job)
        self.objects["Job", job["metadata"]["name"]] = job

    def delete(self, kind: Any, _namespace: str, name: str) -> bool:
        self.interruption.check()
        return self.objects.pop((kind.kind, name), None) is not None

    def replicas(self) -> Numbers:
        """Of agent-service and tool-service."""
        return [obj["spec"]["replicas"] for (kind, _), obj in self.objects.items() if kind == "Deployment"]

    def stopped(self, name: str, before: int) -> None:
        """As a restore that broke off leaves it."""
        live = self.objects["Deployment", name]
        live["metadata"]["annotations"] = {quiet.REPLICAS: str(before)}
        live["spec"]["replicas"] = 0

    def suspended(self) -> bool:
        """Whether no backup is scheduled."""
        return bool(self.objects["CronJob", "backup"]["spec"].get("suspend"))

    def jobs(self) -> set[str]:
        """The CronJobs that there are Jobs of."""
        return {name.rpartition("-")[0] for kind, name in self.objects if kind == "Job"}
