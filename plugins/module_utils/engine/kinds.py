"""Kinds of objects: where they live in the API, and in which wave they are applied.

Built-in kinds come from a table, so that a run needs no discovery for them; others are asked for once, in one request
to aggregated discovery (KEP-3352).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from .errors import InvalidManifest

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True)
class Kind:
    """One kind of one group version."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def base(self) -> str:
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The API path of the collection, or of one object where ``name`` is given."""
        parts = [self.base]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/".join(parts)

    def __str__(self) -> str:
        return self.kind


# api version -> (namespaced kinds, cluster-scoped kinds). Only kinds that every supported server serves.
_BUILT_IN: dict[str, tuple[str, str]] = {
    "v1": (
        "ConfigMap Secret Service ServiceAccount PersistentVolumeClaim Pod ResourceQuota LimitRange "
        "ReplicationController Event PodTemplate",
        "Namespace Node PersistentVolume",
    ),
    "apps/v1": ("Deployment StatefulSet DaemonSet ReplicaSet ControllerRevision", ""),
    "batch/v1": ("Job CronJob", ""),
    "autoscaling/v2": ("HorizontalPodAutoscaler", ""),
    "policy/v1": ("PodDisruptionBudget", ""),
    "networking.k8s.io/v1": ("NetworkPolicy Ingress", "IngressClass"),
    "rbac.authorization.k8s.io/v1": ("Role RoleBinding", "ClusterRole ClusterRoleBinding"),
    "scheduling.k8s.io/v1": ("", "PriorityClass"),
    "storage.k8s.io/v1": ("", "StorageClass CSIDriver VolumeAttachment"),
    "coordination.k8s.io/v1": ("Lease", ""),
    "discovery.k8s.io/v1": ("EndpointSlice", ""),
    "admissionregistration.k8s.io/v1": (
        "",
        "ValidatingWebhookConfiguration MutatingWebhookConfiguration "
        "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding",
    ),
    "apiextensions.k8s.io/v1": ("", "CustomResourceDefinition"),
}


def _plural(kind: str) -> str:
    name = kind.lower()
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + "es" if name.endswith(("s", "x", "ch")) else name + "s"


BUILT_IN: dict[tuple[str, str], Kind] = {
    (version, kind): Kind(version, kind, _plural(kind), namespaced)
    for version, scopes in _BUILT_IN.items()
    for names, namespaced in zip(scopes, (True, False), strict=True)
    for kind in names.split()
}

# Waves: an object is sent when everything of the waves before it has been accepted; gates have to be passed.
WAVES = (
    "namespaces and definitions",
    "configuration and accounts",
    "volumes and services",
    "gates",
    "workloads",
    "edges",
)
_WAVE = {
    **dict.fromkeys(("Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "IngressClass"), 0),
    **dict.fromkeys(
        [
            "ConfigMap",
            "Secret",
            "ServiceAccount",
            "Role",
            "RoleBinding",
            "ClusterRole",
            "ClusterRoleBinding",
            "NetworkPolicy",
            "ResourceQuota",
            "LimitRange",
            "Lease",
        ],
        1,
    ),
    **dict.fromkeys(("PersistentVolume", "PersistentVolumeClaim", "Service", "EndpointSlice"), 2),
    **dict.fromkeys(
        ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod", "Job", "CronJob"], 4
    ),
}


def wave(kind: str) -> int:
    """The index into WAVES. Kinds that no rule names come last: they refer to the others more often than not."""
    return _WAVE.get(kind, len(WAVES) - 1)


class Registry:
    """Looks kinds up: the table first, then the server, asked once. Safe to use from many threads."""

    def __init__(self, fetch: Any) -> None:
        # fetch(path, accept) -> dict; None where only rendering, without a server.
        self._fetch = fetch
        self._served: dict[tuple[str, str], Kind] | None = None
        self._asking = threading.Lock()

    def find(self, api_version: str, kind: str) -> Kind | None:
        """The kind, or None where the server does not serve it."""
        if known := BUILT_IN.get((api_version, kind)):
            return known
        return self._known().get((api_version, kind))

    def served(self, group: str, kind: str) -> Kind | None:
        """The kind in the version that the server prefers: for objects known by group and kind only."""
        for known in BUILT_IN.values():
            if (known.group, known.kind) == (group, kind):
                return known
        return next((k for k in self._known().values() if (k.group, k.kind) == (group, kind)), None)

    def forget(self) -> None:
        """Ask the server again at the next look-up: a CustomResourceDefinition was applied."""
        self._served = None

    def _known(self) -> dict[tuple[str, str], Kind]:
        with self._asking:
            if self._served is None:
                self._served = self._discover()
            return self._served

    def _discover(self) -> dict[tuple[str, str], Kind]:
        found: dict[tuple[str, str], Kind] = {}
        if self._fetch is None:
            return found
        for item in self._fetch("/apis", DISCOVERY).get("items", []):
            group = item["metadata"].get("name", "")
            for version in item.get("versions", []):
                api_version = f"{group}/{version['version']}" if group else version["version"]
                for resource in version.get("resources", []):
                    kind = (resource.get("responseKind") or {}).get("kind")
                    if kind:
                        found[(api_version, kind)] = Kind(
                            api_version, kind, resource["resource"], resource.get("scope") == "Namespaced"
                        )
        return found


def missing(api_version: str, kind: str, what: str) -> InvalidManifest:
    """The error for a kind that the server does not serve."""
    return InvalidManifest(
        f"{what}: the server does not serve {kind} of {api_version}.",
        f"Check apiVersion and kind with `kubectl api-resources`; where {kind} is a custom resource, "
        "install its CustomResourceDefinition first.",
    )
