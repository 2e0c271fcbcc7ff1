"""Workloads, autoscalers, disruption budgets and volumes, judged from the objects that the API server holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.cluster import Cluster
from ..engine.kinds import BUILT_IN
from .checks import Check, failed, judge

Object = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """One workload of the catalogue: its kind and object name, the image that it must run, its replicas if fixed.

    A Deployment whose number is not fixed has an autoscaler; ``least``: its minimum.
    """

    kind: str
    name: str
    image: str
    replicas: int | None = None
    least: int = 1


def wanted(catalogue: Mapping[str, Any]) -> list[Wanted]:
    """Every Deployment and StatefulSet that the derived model asks for."""
    return [
        *(
            Wanted(
                "Deployment",
                part["object"],
                part["image"],
                part["scaling"].get("replicas"),
                int(part["scaling"]["min_replicas"]),
            )
            for part in catalogue["parts"]
        ),
        *(
            Wanted("StatefulSet", store["object"], store["image"], int(store["replicas"]))
            for store in catalogue["stores"].values()
        ),
    ]


@dataclass(frozen=True)
class Live:
    """What is there, by kind and name."""

    objects: Mapping[tuple[str, str], Object]

    @classmethod
    def read(cls, cluster: Cluster, namespace: str) -> Live:
        found: dict[tuple[str, str], Object] = {}
        for version, kind in (
            ("apps/v1", "Deployment"),
            ("apps/v1", "StatefulSet"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("policy/v1", "PodDisruptionBudget"),
            ("v1", "PersistentVolumeClaim"),
        ):
            for obj in cluster.list(BUILT_IN[version, kind], namespace)[0]:
                found[kind, obj["metadata"]["name"]] = obj
        return cls(found)


def check(live: Live, workloads: Iterable[Wanted]) -> list[Check]:
    """A line for each workload, autoscaler, budget and claim."""
    checks: list[Check] = []
    for each in workloads:
        checks.append(_workload(live, each))
        checks.append(_budget(live, each))
        if each.kind == "Deployment":
            checks += [_autoscaler(live, each)] if each.replicas is None else []
        else:
            checks += [_claim(live, f"data-{each.name}-{ordinal}") for ordinal in range(each.replicas or 1)]
    return sorted(checks, key=lambda c: ("workloads", "volumes", "disruption budgets", "autoscalers").index(c.group))


def _workload(live: Live, each: Wanted) -> Check:
    name, obj = f"{each.kind} {each.name}", live.objects.get((each.kind, each.name))
    if obj is None:
        return failed("workloads", name, "is not there: run site.yml")
    status, spec = obj.get("status") or {}, obj["spec"]
    replicas, problems = int(spec.get("replicas", 1)), []
    if each.replicas not in {None, replicas}:
        problems.append(f"asks for {replicas} pods, the inventory for {each.replicas}")
    if replicas < each.least:
        problems.append(f"asks for {replicas} pods, its autoscaler's minimum is {each.least}: `make deploy`")
    if spec.get("paused"):
        problems.append("its rollout is paused: `make deploy` resumes it")
    if int(status.get("observedGeneration", 0)) < int(obj["metadata"]["generation"]):
        problems.append("its controller has not seen its latest change")
    if status.get("updatedReplicas", 0) < replicas:
        problems.append(f"{status.get('updatedReplicas', 0)} of {replicas} pods are of the latest version")
    if status.get("readyReplicas", 0) < replicas:
        problems.append(f"{status.get('readyReplicas', 0)} of {replicas} pods are ready")
    if status.get("replicas", 0) > replicas:
        problems.append(f"{status['replicas'] - replicas} pods of an earlier version are still there")
    images = [container["image"] for container in spec["template"]["spec"]["containers"]]
    if each.image not in images:
        problems.append(f"runs {', '.join(images)}, the inventory says {each.image}")
    return judge("workloads", name, problems, f"{replicas} ready, {each.image}")


def _budget(live: Live, each: Wanted) -> Check:
    obj = live.objects.get(("PodDisruptionBudget", each.name))
    if obj is None:
        return failed("disruption budgets", each.name, "is not there: run site.yml")
    status = obj.get("status") or {}
    if status.get("expectedPods", 0) and not status.get("disruptionsAllowed", 0):
        healthy = f"{status.get('currentHealthy', 0)} of {status.get('expectedPods')} pods are healthy"
        return failed("disruption budgets", each.name, f"lets no pod be evicted, so a drain would hang: {healthy}")
    return judge("disruption budgets", each.name, [], f"{status.get('disruptionsAllowed', 0)} may be evicted at a time")


def _autoscaler(live: Live, each: Wanted) -> Check:
    obj = live.objects.get(("HorizontalPodAutoscaler", each.name))
    if obj is None:
        return failed("autoscalers", each.name, "is not there: run site.yml")
    status = obj.get("status") or {}
    problems = [
        f"{condition['reason']}: {condition.get('message', '')}"
        for condition in status.get("conditions") or []
        if condition["type"] in {"AbleToScale", "ScalingActive"} and condition["status"] != "True"
    ]
    current = {
        metric["resource"]["name"]: metric["resource"]["current"].get("averageUtilization")
        for metric in status.get("currentMetrics") or []
        if "resource" in metric
    }
    names = [metric["resource"]["name"] for metric in obj["spec"]["metrics"]]
    if not problems:
        problems = [f"has no {name} metric (is metrics-server there?)" for name in names if current.get(name) is None]
    return judge("autoscalers", each.name, problems, ", ".join(f"{name} {current.get(name)}%" for name in names))


def _claim(live: Live, name: str) -> Check:
    obj = live.objects.get(("PersistentVolumeClaim", name))
    if obj is None:
        return failed("volumes", name, "is not there: run site.yml")
    status = obj.get("status") or {}
    if status.get("phase") != "Bound":
        return failed("volumes", name, f"is {status.get('phase', 'not bound')}")
    return judge("volumes", name, [], f"bound, {(status.get('capacity') or {}).get('storage', 'of unknown size')}")
