"""The Job that proves the new version of a workload that keeps data: its pod template, changed so that it runs alone.

The pod runs the same containers with the same configuration, identity and node constraints. It differs in what would
touch the workload that serves: its volumes are empty, no selector chooses it, and no name resolves in it, so it can
neither join the live members nor reach anything by its name.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..platform.quantity import Quantity, parse
from .errors import EngineError
from .manifests import describe

Object = dict[str, Any]

# On the workload: how far its pod comes on its own, a value of MODES.
MODE = "multi-agent.platform/proof"
# On everything that a proof makes: the tier that it is made for.
LABEL = "multi-agent.platform/proof-of"
READY, START, NONE = "ready", "start", "none"
MODES = (READY, START, NONE)

_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_PROBE_SECONDS = 2
# The old pod gives these back when it goes, so only the difference has to fit next to it.
_SHARED = ("cpu", "memory", "ephemeral-storage")
# Where a pod runs or what it does to others, by the rank of the pod that it stands for: none of it is the proof's.
_DROPPED = (
    *("priorityClassName", "priority", "preemptionPolicy", "nodeName", "hostname", "subdomain", "hostNetwork"),
    *("topologySpreadConstraints", "activeDeadlineSeconds"),
)
_CONTENT = ("type", "data", "stringData", "binaryData")
# What a killed run leaves is removed by the cluster itself after these seconds.
_KEPT_SECONDS = 300


@dataclass(frozen=True)
class Place:
    """Where a proof has to run: ``node`` is that of ``instead_of``, the pod that is replaced first.

    ``terms``: node selector terms of the volumes (any of them), for a proof that may run on another node.
    """

    node: str = ""
    instead_of: Object | None = None
    terms: tuple[Object, ...] = ()


def keeps_data(obj: Mapping[str, Any]) -> bool:
    """Whether pods of ``obj`` keep data: those of a StatefulSet, and of a Deployment that mounts a claim.

    False without a pod template: the server says what is wrong with the object.
    """
    spec = ((obj.get("spec") or {}).get("template") or {}).get("spec")
    if not spec or not obj["apiVersion"].startswith("apps/") or obj["kind"] not in {"StatefulSet", "Deployment"}:
        return False
    volumes = spec.get("volumes") or []
    return obj["kind"] == "StatefulSet" or any("persistentVolumeClaim" in volume for volume in volumes)


def mode(obj: Mapping[str, Any]) -> str:
    """How ``obj`` is proven. Raises EngineError for a value that is none of MODES."""
    value = (obj["metadata"].get("annotations") or {}).get(MODE, START)
    if value not in MODES:
        raise EngineError(
            f"{describe(obj)}: annotation {MODE} is {value!r}, which is not a valid value.",
            f"Set it to {', '.join(MODES[:-1])} or {MODES[-1]}.",
        )
    return str(value)


def is_proven(obj: Mapping[str, Any]) -> bool:
    """Whether a new version of ``obj`` is proven before a pod is replaced. Raises EngineError, as ``mode``."""
    return keeps_data(obj) and mode(obj) != NONE


def replaces_pods(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    """Whether a write that makes ``after`` of ``before`` replaces pods that keep data, and asks for a proof."""
    if not before or not after or not is_proven(after):
        return False
    return bool(before["spec"]["template"] != after["spec"]["template"])


def images(workload: Mapping[str, Any]) -> str:
    """The images of a workload, for people."""
    spec = workload["spec"]["template"]["spec"]
    return ", ".join(dict.fromkeys(c["image"] for c in (*(spec.get("initContainers") or []), *spec["containers"])))


def job(workload: Object, name: str, tier: str, place: Place, seconds: float) -> Object:
    """The Job that proves ``workload`` (as the server would have it) within ``seconds``."""
    template = copy.deepcopy(workload["spec"]["template"])
    metadata = template.setdefault("metadata", {})
    labels = {**_labels(metadata.get("labels") or {}, workload), LABEL: tier}
    metadata["labels"] = {**labels, "app.kubernetes.io/name": f"{workload['metadata']['name'][:57]}-proof"}
    _stand_alone(template["spec"], workload)
    _locate(template["spec"], place)
    _weigh(template["spec"], place.instead_of)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": workload["metadata"]["namespace"], "labels": labels},
        "spec": {
            "backoffLimit": 0,
            # A drained node says nothing of the version.
            "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]},
            "activeDeadlineSeconds": int(seconds) + _KEPT_SECONDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": template,
        },
    }


def copies(proof: Object, declared: Iterable[Object]) -> list[Object]:
    """Copies of the ConfigMaps and Secrets of ``declared`` that the pod of ``proof`` names; it names the copies then.

    So a proof sees what is about to be written, while the pods that serve still have what they started with.
    """
    metadata = proof["metadata"]
    by_name = {
        (obj["kind"], obj["metadata"]["name"]): obj
        for obj in declared
        if obj["apiVersion"] == "v1" and obj["metadata"].get("namespace") == metadata["namespace"]
    }
    made: dict[tuple[str, str], Object] = {}
    for kind, holder, key in _references(proof["spec"]["template"]["spec"]):
        obj = by_name.get((kind, holder[key]))
        if obj is None:
            continue
        name = f"{metadata['name']}-{holder[key]}"
        copied: Object = {key: obj[key] for key in _CONTENT if key in obj}
        about = {"name": name, "namespace": metadata["namespace"], "labels": dict(metadata["labels"])}
        made[kind, name] = copied | {"apiVersion": "v1", "kind": kind, "metadata": about}
        holder[key] = name
    return list(made.values())


def without_account(proof: Object, accounts: Mapping[str, Object]) -> None:
    """Let the pod run as ``default`` if its account is one of ``accounts``, which do not exist yet."""
    spec = proof["spec"]["template"]["spec"]
    account = accounts.get(spec.get("serviceAccountName", ""))
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"
        spec["imagePullSecrets"] = spec.get("imagePullSecrets") or account.get("imagePullSecrets") or []


def _labels(given: Mapping[str, str], workload: Object) -> dict[str, str]:
    """Labels that no selector of the platform and none of the workload's own chooses."""
    chosen = ((workload["spec"].get("selector") or {}).get("matchLabels") or {}).keys()
    return {
        key: value
        for key, value in given.items()
        if key not in chosen and key != "app" and not key.startswith("app.kubernetes.io/")
    }


def _stand_alone(spec: Object, workload: Object) -> None:
    for field in _DROPPED:
        spec.pop(field, None)
    spec |= {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        # No name resolves, so it cannot join the members that its configuration names.
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        # Never Ready to Services, whatever their selectors are: this condition is never set.
        "readinessGates": [{"conditionType": LABEL}],
    }
    if mode(workload) == START:
        # An init container may wait for others for ever: all start side by side.
        spec["containers"] = [*spec["containers"], *(spec.pop("initContainers", None) or [])]
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates") or []]
    kept = [volume for volume in spec.get("volumes") or [] if volume["name"] not in claims]
    spec["volumes"] = [_emptied(volume) for volume in kept] + [{"name": name, "emptyDir": {}} for name in claims]
    for container in _containers(spec):
        _prepare(container, workload)


def _emptied(volume: Object) -> Object:
    return {"name": volume["name"], "emptyDir": {}} if {"persistentVolumeClaim", "ephemeral"} & set(volume) else volume


def _prepare(container: Object, workload: Object) -> None:
    """A container as the first member, asked early whether it is ready, and never restarted for a probe."""
    probe = container.get("readinessProbe") if mode(workload) == READY else None
    for field in (*_PROBES, "lifecycle"):
        container.pop(field, None)
    if mode(workload) == START:
        container.pop("restartPolicy", None)
    if probe:
        container["readinessProbe"] = probe | {"periodSeconds": min(_PROBE_SECONDS, probe.get("periodSeconds", 10))}
    for port in container.get("ports") or []:
        port.pop("hostPort", None)
    for variable in container.get("env") or []:
        path = ((variable.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath")
        if path == "metadata.name":  # a member of a cluster knows its part by its name
            del variable["valueFrom"]
            variable["value"] = f"{workload['metadata']['name']}-0"


def _locate(spec: Object, place: Place) -> None:
    affinity = {key: value for key, value in (spec.pop("affinity", None) or {}).items() if key != "podAntiAffinity"}
    node = affinity.get("nodeAffinity") or {}
    own = (node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or [{}]
    if place.node:
        more: tuple[Object, ...] = (
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [place.node]}]},
        )
    else:
        more = place.terms or ({},)
    terms = [_both(one, other) for one in own for other in more]
    if any(terms):
        required = {"nodeSelectorTerms": terms}
        affinity["nodeAffinity"] = {**node, "requiredDuringSchedulingIgnoredDuringExecution": required}
    if affinity:
        spec["affinity"] = affinity


def _both(one: Object, other: Object) -> Object:
    keys = ("matchExpressions", "matchFields")
    return {key: [*one.get(key, []), *other.get(key, [])] for key in keys if one.get(key) or other.get(key)}


def _weigh(spec: Object, instead_of: Object | None) -> None:
    """Reduce requests to what goes beyond those of ``instead_of``, the pod that is deleted for this one."""
    if instead_of is None:
        return
    before = {c["name"]: c for c in _containers(instead_of["spec"])}
    for container in _containers(spec):
        old = ((before.get(container["name"]) or {}).get("resources") or {}).get("requests") or {}
        resources = container.get("resources") or {}
        limits = dict(resources.get("limits") or {})
        requests = {**limits, **(resources.get("requests") or {})}  # what asks for nothing asks for its limit
        for name in list(requests):
            if name in _SHARED:
                requests[name] = _beyond(requests[name], old.get(name, "0"))
            elif name in old and parse(requests[name]) <= parse(old[name]):
                del requests[name]
                limits.pop(name, None)
        if resources:
            container["resources"] = {**resources, "requests": requests, "limits": limits}


def _beyond(new: Any, old: Any) -> str:
    more = parse(new).amount - parse(old).amount
    return str(Quantity(max(more, more * 0), parse(new).format))


def _containers(spec: Object) -> list[Object]:
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _references(spec: Object) -> Iterator[tuple[str, Object, str]]:
    """Every place that names a ConfigMap or a Secret: its kind, and the dict and key that hold the name."""
    for reference in spec.get("imagePullSecrets") or []:
        yield "Secret", reference, "name"
    for volume in spec.get("volumes") or []:
        for source in (volume, *((volume.get("projected") or {}).get("sources") or [])):
            for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if held := source.get(field):
                    yield kind, held, "secretName" if "secretName" in held else "name"
    for container in _containers(spec):
        sources = [variable.get("valueFrom") or {} for variable in container.get("env") or []]
        for source in (*sources, *(container.get("envFrom") or [])):
            for field in ("configMapKeyRef", "configMapRef", "secretKeyRef", "secretRef"):
                if field in source:
                    yield "ConfigMap" if field.startswith("config") else "Secret", source[field], "name"
