"""Settings that stop a workload while every declared value is in force: 0 autoscaled pods, a pause, a suspension.

Manifests do not declare these fields, so server-side apply leaves them alone, and no controller resets them: an
autoscaler disables itself when its target has 0 pods (ScalingDisabled).
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#implicit-maintenance-mode-deactivation
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from .cluster import Cluster
from .kinds import Kind
from .manifests import identity

Object = dict[str, Any]
Target = tuple[str, str, str]  # kind, namespace, name
Minimums = Mapping[Target, int]

# Written by a restore on what it stops. A run does not start that: the stores are being replaced.
REPLICAS = "multi-agent.platform/replicas-before-restore"
SUSPEND = "multi-agent.platform/suspend-before-restore"

_AUTOSCALER = ("autoscaling", "HorizontalPodAutoscaler")
_SCALED = frozenset({("apps", "Deployment"), ("apps", "StatefulSet")})
_DEPLOYMENT, _CRON_JOB = ("apps", "Deployment"), ("batch", "CronJob")
# A field manager apart from the engine's, as for the operator's commands: these fields do not become declared ones.
_WRITER = "operator"


def minimums(objects: Iterable[Mapping[str, Any]]) -> dict[Target, int]:
    """The least number of pods that the autoscalers among ``objects`` keep, by target."""
    found = {}
    for obj in objects:
        if identity(obj)[:2] == _AUTOSCALER:
            target = obj["spec"]["scaleTargetRef"]
            key = (str(target["kind"]), str(obj["metadata"].get("namespace") or ""), str(target["name"]))
            found[key] = int(obj["spec"].get("minReplicas", 1))
    return found


def target(obj: Mapping[str, Any]) -> Target:
    """How ``minimums`` names a workload."""
    return identity(obj)[1:]


def correction(desired: Mapping[str, Any], live: Mapping[str, Any], least: Minimums) -> Object:
    """The fields of ``spec`` that start ``live`` again, as a merge patch; empty if nothing stops it."""
    kind, wanted, found = identity(desired)[:2], desired.get("spec") or {}, live.get("spec") or {}
    patch: Object = {}
    if kind in _SCALED and "replicas" not in wanted and found.get("replicas") == 0 and not _marked(live, REPLICAS):
        patch |= {"replicas": pods} if (pods := least.get(target(desired))) else {}
    if kind == _DEPLOYMENT and "paused" not in wanted and found.get("paused"):
        patch["paused"] = None
    if kind == _CRON_JOB and "suspend" not in wanted and found.get("suspend") and not _marked(live, SUSPEND):
        patch["suspend"] = False
    return patch


def start(cluster: Cluster, kind: Kind, live: Object, spec: Object, *, check: bool) -> Object:
    """``live`` after its ``correction``; in check mode as it would be."""
    if check:
        after = copy.deepcopy(live)
        after["spec"] = {key: value for key, value in {**after["spec"], **spec}.items() if value is not None}
        return after
    metadata = live["metadata"]
    return cluster.patch(kind, metadata.get("namespace"), metadata["name"], {"spec": spec}, _WRITER)


def _marked(live: Mapping[str, Any], annotation: str) -> bool:
    return bool((live["metadata"].get("annotations") or {}).get(annotation))
