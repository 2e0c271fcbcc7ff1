"""Objects that exist and do less than what is declared: too few pods, a pause, a selector that finds no pod.

Pure functions of what was read. Each gives a sentence about the object, empty if nothing is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..engine import halted
from ..engine.errors import ApiError
from ..engine.manifests import describe
from ..engine.prune import KEEP
from . import declared
from .cluster_view import WORKLOADS
from .pods import is_ready
from .screen import count

Object = Mapping[str, Any]

# What brings back what is declared.
REMEDY = "`make deploy` brings it back; `make drift` shows the change"
GONE = "`make deploy` makes it again"
# The Secret that all credentials come from: new ones would not open the stores.
KEPT = "restore it from a backup, or set its values in platform_credentials; then `make deploy`"
# Of a volume that is gone nothing brings the data back but a backup.
LOST = "a StatefulSet makes an empty one for its next pod: bring the data back with `make restore` (docs/operations)"

# What a user lacks who may not read what is declared.
ROLE = "give this user the Role in docs/guide/deployer-role.yaml"

# What it means that an object of a kind is missing.
_MEANS = {
    "NetworkPolicy": "traffic is not limited and allowed as declared",
    "Service": "its name does not resolve",
    "Ingress": "no way in from outside",
    "HTTPRoute": "no way in from outside",
    "HorizontalPodAutoscaler": "nothing scales the workload",
    "PodDisruptionBudget": "a drain may stop all pods at once",
    "ResourceQuota": "nothing limits what the namespace takes",
    "ServiceAccount": "no new pods",
    "ConfigMap": "new pods that use it do not start",
    "Secret": "new pods that use it do not start",
    "Job": "the next run does its work again",
    "CronJob": "nothing runs on schedule",
    "StatefulSet": "no pods; volumes are kept",
    "Deployment": "no pods",
}


def pods(live: Object, wanted: Object | None, least: int | None, autoscaler: Object | None) -> str:
    """Why a workload has fewer pods than declared, or takes up no change.

    ``wanted``: the workload in the last release, None if that is not known. ``least``: the minimum of its declared
    autoscaler, ``autoscaler``: the live one.
    """
    spec, named = live["spec"], (wanted or {}).get("spec") or {}
    has = int(spec.get("replicas", 1))
    if spec.get("paused") and not named.get("paused"):
        return "its rollout is paused, so that no change reaches its pods"
    if "replicas" in named:
        fixed = int(named["replicas"])
        return f"has {count(has, 'pod')}, declared are {fixed}" if has < fixed else ""
    if least is None and wanted is None and autoscaler is not None:
        least = int(autoscaler["spec"].get("minReplicas", 1))
    if least is None or has >= least:
        return ""
    if has == 0:
        return f"has 0 pods, the minimum is {least}; at 0 pods its autoscaler is off"
    # One that has not looked yet, as after a first deployment, raises the number within seconds.
    if autoscaler is None or (autoscaler.get("status") or {}).get("conditions"):
        return f"has {count(has, 'pod')}, the minimum of its autoscaler is {least}"
    return ""


def suspended(live: Object, wanted: Object | None) -> str:
    """Why a CronJob that is to run on schedule does not."""
    if wanted is None or not halted.correction(wanted, live, {}):
        return ""
    return f"CronJob {live['metadata']['name']} is suspended: it runs no more on schedule"


def unreached(known: declared.Declared, every_pod: Iterable[Object]) -> Iterator[str]:
    """Services whose selector finds no ready pod, while the declared one does."""
    ready = [pod["metadata"].get("labels") or {} for pod in every_pod if is_ready(pod)]

    def finds(service: Object) -> bool:
        selector = service["spec"].get("selector") or {}
        return any(selector.items() <= labels.items() for labels in ready)

    for wanted, live in known.pairs("Service"):
        if finds(wanted) and not finds(live):
            selector = ",".join(f"{key}={value}" for key, value in sorted((live["spec"].get("selector") or {}).items()))
            yield f"Service {live['metadata']['name']}: its selector {selector or '(none)'} finds no ready pod"


def claims(known: declared.Declared, there: Iterable[Object]) -> Iterator[str]:
    """Volumes of declared StatefulSets that do not exist, or are deleted as soon as their pod ends."""
    live = {claim["metadata"]["name"]: claim for claim in there}
    for obj in known.every():
        if obj["kind"] != "StatefulSet":
            continue
        for template in obj["spec"].get("volumeClaimTemplates") or []:
            for ordinal in range(int(obj["spec"].get("replicas", 1))):
                name = f"{template['metadata']['name']}-{obj['metadata']['name']}-{ordinal}"
                if name not in live:
                    yield f"Volume {name} of StatefulSet {obj['metadata']['name']} is missing"
                elif live[name]["metadata"].get("deletionTimestamp"):
                    yield f"Volume {name} is being deleted: its data goes when its pod ends"


def is_workload(each: declared.Missing) -> bool:
    """Whether a missing object has a row among the workloads."""
    return each.obj["kind"] in {kind.kind for kind in WORKLOADS} and not each.deleting


def missing(found: Iterable[declared.Missing]) -> Iterator[tuple[str, str]]:
    """What is not there, kind by kind, each with what to do."""
    groups: dict[tuple[str, bool, bool], list[str]] = {}
    for each in found:
        kept = (each.obj["metadata"].get("annotations") or {}).get(KEEP) == "true"
        groups.setdefault((each.obj["kind"], each.deleting, kept), []).append(str(each.obj["metadata"]["name"]))
    for (kind, deleting, kept), names in groups.items():
        means = f" ({_MEANS[kind]})" if kind in _MEANS and not deleting else ""
        yield f"{kind} {', '.join(names)}: {'being deleted' if deleting else 'missing'}{means}", KEPT if kept else GONE


def unknown(known: declared.Declared, namespace: str) -> Iterator[tuple[str, str]]:
    """What cannot be compared with the last release, each with what to do."""
    if known.release is None:
        yield (
            f"No release is recorded in namespace {namespace}, so missing objects cannot be told",
            "`make deploy` records one",
        )
    elif known.release.unreached and not known.release.failed:
        yield (
            f"Release {known.release.number} has not reached {', '.join(known.release.unreached)}: "
            "its run goes on, or was killed",
            "wait for it; if no run is under way: `make deploy` again",
        )
    for tier, error in known.unreadable.items():
        todo = ROLE if isinstance(error, ApiError) else "`make deploy` records it again"
        yield f"Tier {tier} cannot be compared with the last release: {error.message}", todo
    names = [describe(obj) for obj in known.unseen if obj["metadata"].get("namespace")]
    if names:
        yield f"This user may not look at {', '.join(names)}, so it is not known whether they exist", ROLE


def hidden(known: declared.Declared, namespace: str) -> list[str]:
    """Objects outside of namespaces that this user may not look at: a Role cannot give that."""
    # What else was read of the namespace says that it exists.
    return [
        describe(obj)
        for obj in known.unseen
        if not obj["metadata"].get("namespace") and describe(obj) != f"Namespace {namespace}"
    ]


def not_looked_at(names: Iterable[str]) -> list[str]:
    """A line for people; none if everything was looked at."""
    text = ", ".join(names)
    return [f"Not looked at, because this user may not: {text}"] if text else []
