"""Restarting and scaling what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from ..engine.applyset import PART_OF, ApplySet
from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..engine.kinds import BUILT_IN
from ..engine.manifests import describe
from ..engine.stuck_pods import Replaced
from ..engine.waiter import Waiter
from .cluster_view import AUTOSCALER, NAME, WORKLOADS, nothing_there, parents, read, tiers, workload

Object = dict[str, Any]

# What kubectl rollout restart sets, so that both tell each other's restarts.
RESTARTED = "kubectl.kubernetes.io/restartedAt"

Progress = Callable[[int, int, dict[str, str]], None]


def chosen(cluster: Cluster, namespace: str, part: str) -> list[Object]:
    """The workload of a part; of ``all`` every Deployment (stores only when they are named). Raises EngineError."""
    if part != "all":
        return [workload(cluster, namespace, part)]
    found = read(cluster, namespace, WORKLOADS)["Deployment"]
    if not found:
        raise nothing_there(namespace)
    return found


def restart(cluster: Cluster, namespace: str, objects: list[Object], *, check: bool) -> list[Object]:
    """Let the pods of ``objects`` be replaced one by one; the objects as they are now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    body = {"spec": {"template": {"metadata": {"annotations": {RESTARTED: now}}}}}
    return [_patch(cluster, namespace, obj, body, "", check) for obj in objects]


def restartable(obj: Object) -> bool:
    """Whether a workload has pods to replace, and would replace them."""
    return obj["spec"].get("replicas") != 0 and not obj["spec"].get("paused")


def left_out(objects: Iterable[Object]) -> EngineError | None:
    """The error for workloads that cannot be restarted; None if all can."""
    rest = [obj for obj in objects if not restartable(obj)]
    empty = ", ".join(describe(obj) for obj in rest if obj["spec"].get("replicas") == 0)
    paused = ", ".join(describe(obj) for obj in rest if obj["spec"].get("replicas") != 0)
    lines = [f"{empty}: spec.replicas is 0, so no pods exist and none were restarted."] if empty else []
    lines += [f"{paused}: the rollout is paused, so no pods were restarted."] if paused else []
    if not lines:
        return None
    remedy = "`make deploy` brings back the declared number of pods, and resumes the rollout."
    return EngineError("\n".join(lines), f"{remedy} Without an autoscaler: `make scale S=<part> N=<number>`.")


def scale(cluster: Cluster, namespace: str, part: str, replicas: int, *, check: bool) -> Object:
    """Set the number of pods of a workload that neither an autoscaler nor the inventory owns. Raises EngineError."""
    if replicas < 0:
        raise EngineError(f"{replicas} is no number of pods.", "Give 0 or more.")
    obj = workload(cluster, namespace, part)
    name = obj["metadata"]["name"]
    for autoscaler in cluster.list(AUTOSCALER, namespace)[0]:
        target = autoscaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (obj["kind"], name):
            raise _owned(obj, autoscaler)
    if obj["kind"] == "StatefulSet":
        store = obj["metadata"]["labels"].get(NAME, name)
        raise EngineError(
            f"StatefulSet {name} holds data; the inventory says how many pods it has.",
            f"Set platform_stores_overrides.{store}.replicas and run `make deploy`.",
        )
    return _patch(cluster, namespace, obj, {"spec": {"replicas": replicas}}, "scale", check)


def _owned(obj: Object, autoscaler: Object) -> EngineError:
    spec = autoscaler["spec"]
    if obj["spec"].get("replicas") == 0:
        return EngineError(
            f"{describe(obj)} has 0 pods, which turns HorizontalPodAutoscaler {autoscaler['metadata']['name']} off.",
            f"`make deploy` brings it back to the minimum of its autoscaler, {spec.get('minReplicas', 1)}.",
        )
    part = obj["metadata"]["labels"].get(NAME, obj["metadata"]["name"])
    return EngineError(
        f"{describe(obj)} belongs to HorizontalPodAutoscaler {autoscaler['metadata']['name']}, which keeps it between "
        f"{spec.get('minReplicas', 1)} and {spec['maxReplicas']} pods and would undo any other number.",
        f"Change its bounds in the inventory, then run `make deploy ARGS='--tags services'`:\n"
        f"  platform_services_overrides:\n    {part}:\n      scaling: {{min_replicas: 4, max_replicas: 12}}",
    )


def _patch(
    cluster: Cluster, namespace: str, obj: Object, body: dict[str, Any], subresource: str, check: bool
) -> Object:
    kind = BUILT_IN[obj["apiVersion"], obj["kind"]]
    name = obj["metadata"]["name"]
    return cluster.patch(kind, namespace, name, body, "operator", subresource=subresource, dry_run=check)


def wait(
    cluster: Cluster,
    namespace: str,
    objects: list[Object],
    seconds: float,
    progress: Progress,
    replaced: Replaced = lambda _pod, _reason: None,
) -> None:
    """Until the pods of ``objects`` are ready. ``replaced``: see ``Waiter``. Raises WaitFailed with the cause."""
    by_id = tiers(parents(cluster, namespace))
    by_tier: dict[str, list[Object]] = {}
    for obj in objects:
        by_tier.setdefault(by_id.get((obj["metadata"].get("labels") or {}).get(PART_OF, ""), ""), []).append(obj)
    for tier, members in by_tier.items():
        Waiter(cluster, ApplySet(tier, namespace), seconds, progress, replaced=replaced).wait(members)
