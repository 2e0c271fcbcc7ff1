"""Whether a cluster can take the platform: version, storage, served kinds, permissions. Writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from ..engine.errors import ApiError
from . import growth, named_objects, store_versions
from .problems import Problems

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_VERBS = ("get", "list", "watch", "create", "patch", "delete")
_CERTIFICATES = ("cert-manager.io", "certificates")
_LEASE = ("coordination.k8s.io", "leases")  # of every tier that is written
_LEASE_VERBS = ("get", "create", "update", "delete")
# Of tiers with stores: pods that are stuck on an earlier revision are deleted, claims remember the image of their data.
_STORE_TIERS = frozenset({"datastores", "nats"})
_STORES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): ("get", "list", "delete"),
    ("", "persistentvolumeclaims"): ("get", "list", "patch"),
}

# What each tier writes: API group -> plural names. Cluster-scoped ones stand in CLUSTER_SCOPED.
TIERS: dict[str, dict[str, tuple[str, ...]]] = {
    "namespace": {"": ("configmaps", "secrets", "serviceaccounts", "resourcequotas", "limitranges")},
    "netpol": {"networking.k8s.io": ("networkpolicies",)},
    "datastores": {
        "": ("configmaps", "secrets", "services", "serviceaccounts"),
        "apps": ("statefulsets",),
        "batch": ("jobs",),
        "policy": ("poddisruptionbudgets",),
    },
    "nats": {
        "": ("configmaps", "secrets", "services", "serviceaccounts"),
        "apps": ("statefulsets",),
        "batch": ("jobs",),
        "policy": ("poddisruptionbudgets",),
    },
    "backup": {
        "": ("configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims"),
        "batch": ("cronjobs",),
        "networking.k8s.io": ("networkpolicies",),
    },
    "services": {
        "": ("secrets", "services", "serviceaccounts"),
        "apps": ("deployments",),
        "autoscaling": ("horizontalpodautoscalers",),
        "policy": ("poddisruptionbudgets",),
    },
    "frontend": {
        "": ("configmaps", "services", "serviceaccounts"),
        "apps": ("deployments",),
        "autoscaling": ("horizontalpodautoscalers",),
        "policy": ("poddisruptionbudgets",),
    },
    "ingress": {},
}
CLUSTER_SCOPED: dict[str, tuple[tuple[str, str], ...]] = {
    "namespace": (("", "namespaces"), ("scheduling.k8s.io", "priorityclasses")),
}


class Cluster(Protocol):
    """The two calls of the engine's cluster that are used here."""

    def get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        """GET a path."""

    def send(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send a request; status and body of the answer."""


@dataclass(frozen=True)
class Wanted:
    """What a run needs of the cluster.

    storage: (variable, class) of every volume, the class empty for the default one.
    routes: API group and plural of what carries the two hosts, and the variable that chose it.
    stores: store -> the variable of its image and the image, of the stores whose data it has to read.
    named: what else of the cluster the inventory names.
    nats_replicas: servers of NATS.
    sizes: store -> size of each of its volumes.
    issuer: whether cert-manager is to issue the certificate of the hosts.
    """

    namespace: str
    version_minimum: str
    tiers: frozenset[str]
    storage: tuple[tuple[str, str], ...]
    routes: tuple[str, str, str] | None
    stores: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    named: named_objects.Named = field(default_factory=named_objects.Named)
    nats_replicas: int = 1
    sizes: Mapping[str, str] = field(default_factory=dict)
    issuer: bool = False


def check(cluster: Cluster, wanted: Wanted, problems: Problems) -> str:
    """Check everything, the questions asked at once; the server's version.

    Raises ApiError and ConnectionFailed: without an answer nothing else is worth asking.
    """
    checks: list[Callable[[Cluster, Wanted, Problems], None]] = [
        _check_permissions,
        *(
            partial(_check_cluster_permission, tier, group, plural)
            for tier in sorted(wanted.tiers)
            for group, plural in CLUSTER_SCOPED.get(tier, ())
        ),
    ]
    if wanted.tiers & _STORE_TIERS:
        checks += [_check_storage, _check_store_versions, _check_sizes]
    if "nats" in wanted.tiers:
        checks.append(_check_growth)
    if wanted.routes and "ingress" in wanted.tiers:
        checks.append(_check_routes)
    if wanted.issuer and "ingress" in wanted.tiers:
        checks.append(_check_issuer)
    checks += [_named(run) for run in named_objects.checks(wanted.named, wanted.tiers)]
    found = [Problems() for _ in checks]
    with ThreadPoolExecutor(len(checks) + 1) as pool:
        asked = pool.submit(cluster.get, "/version")
        jobs = [pool.submit(run, cluster, wanted, own) for run, own in zip(checks, found, strict=True)]
        version = str(asked.result().get("gitVersion") or "")
        for job in jobs:
            job.result()
    _check_version(version, wanted.version_minimum, problems)
    for own in found:
        problems.found.extend(own.found)
        problems.notes.extend(own.notes)
    return version


def _named(run: named_objects.Check) -> Callable[[Cluster, Wanted, Problems], None]:
    return lambda cluster, wanted, problems: run(cluster.get, wanted.namespace, problems)


def _numbers(version: str) -> tuple[int, int] | None:
    match = re.match(r"v?([0-9]+)\.([0-9]+)", version)
    return (int(match[1]), int(match[2])) if match else None


def _check_version(version: str, minimum: str, problems: Problems) -> None:
    have, need = _numbers(version), _numbers(minimum)
    if have and need and have < need:
        problems.add(
            "platform_server_version_minimum",
            minimum,
            f"is above the server's version, {version}",
            "Upgrade the cluster; an older one is untested",
        )


def _check_storage(cluster: Cluster, wanted: Wanted, problems: Problems) -> None:
    try:
        items = cluster.get("/apis/storage.k8s.io/v1/storageclasses").get("items") or []
    except ApiError as error:
        if error.status == 403:  # may not look: the volumes will tell
            return
        raise
    have = {item["metadata"]["name"]: (item["metadata"].get("annotations") or {}) for item in items}
    has_default = any(annotations.get(_DEFAULT_CLASS) == "true" for annotations in have.values())
    there = f"There are {', '.join(sorted(have))}" if have else "The cluster has none; install a storage provisioner"
    missing_default = []
    for variable, name in wanted.storage:
        if name and name not in have:
            problems.add(variable, name, "is no StorageClass of the cluster", there)
        elif not name and not has_default:
            missing_default.append(variable)
    if missing_default:
        problems.add(
            ", ".join(missing_default),
            "",
            "asks for the default StorageClass, and the cluster has none",
            f"Name one. {there}",
        )


def _check_store_versions(cluster: Cluster, wanted: Wanted, problems: Problems) -> None:
    images = {
        store: wanted.stores[store][1]
        for tier, stores in store_versions.STORES_OF_TIER.items()
        for store in stores
        if tier in wanted.tiers and store in wanted.stores
    }
    for refusal in store_versions.check(cluster, wanted.namespace, images):
        problems.add(
            wanted.stores[refusal.store][0],
            refusal.image,
            refusal.problem,
            f"{refusal.remedy}. {store_versions.UNCHECKED}: [{refusal.store}] skips this check",
        )


def _check_sizes(cluster: Cluster, wanted: Wanted, problems: Problems) -> None:
    chosen = {store for tier in wanted.tiers for store in store_versions.STORES_OF_TIER.get(tier, ())}
    if sizes := {store: size for store, size in wanted.sizes.items() if store in chosen}:
        growth.check_sizes(cluster, wanted.namespace, sizes, problems)


def _check_growth(cluster: Cluster, wanted: Wanted, problems: Problems) -> None:
    growth.check_nats(cluster, wanted.namespace, wanted.nats_replicas, problems)


def _check_routes(cluster: Cluster, wanted: Wanted, problems: Problems) -> None:
    assert wanted.routes is not None  # noqa: S101 - the caller asks only then
    group, plural, variable = wanted.routes
    _check_served(cluster, (group, plural), variable, "Install its CRDs, or choose Ingress", problems)


def _check_issuer(cluster: Cluster, wanted: Wanted, problems: Problems) -> None:
    del wanted
    remedy = "Install cert-manager, or remove ingress_issuer and create the Secret that ingress_tls_secret names"
    _check_served(cluster, _CERTIFICATES, "ingress_issuer", remedy, problems)


def _check_served(cluster: Cluster, kind: tuple[str, str], variable: str, remedy: str, problems: Problems) -> None:
    group, plural = kind
    try:
        served = cluster.get(f"/apis/{group}/v1").get("resources") or []
    except ApiError as error:
        if error.status not in (403, 404):
            raise
        served = []
    if not any(resource.get("name") == plural for resource in served):
        problems.add(
            variable,
            None,
            f"needs {plural}.{group}/v1, which the cluster does not serve",
            remedy,
        )


def _check_permissions(cluster: Cluster, wanted: Wanted, problems: Problems) -> None:
    """One SelfSubjectRulesReview answers for the namespace; where the authorizer cannot list rules, nothing is said."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": wanted.namespace},
    }
    try:
        status = cluster.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", None, review)[1].get(
            "status", {}
        )
    except ApiError as error:
        if error.status == 403:
            return
        raise
    if status.get("incomplete"):
        return
    rules = [rule for rule in status.get("resourceRules") or [] if not rule.get("resourceNames")]
    lacking = [
        f"{'/'.join(missing)} {plural}{f'.{group}' if group else ''}"
        for (group, plural), verbs in sorted(_needed(wanted).items())
        if (missing := [verb for verb in verbs if not _allowed(rules, group, plural, verb)])
    ]
    if lacking:
        problems.add(
            "K8S_AUTH_KUBECONFIG, K8S_AUTH_CONTEXT or K8S_AUTH_HOST",
            None,
            f"lead to a user who may not {', '.join(lacking)} in the namespace {wanted.namespace}",
            "Grant it with a Role (docs/guide/deployer-role.yaml has everything), or use another user",
        )


def _needed(wanted: Wanted) -> dict[tuple[str, str], tuple[str, ...]]:
    """API group and plural -> verbs."""
    needed: dict[tuple[str, str], tuple[str, ...]] = {
        (group, plural): _VERBS
        for tier in wanted.tiers
        for group, plurals in TIERS.get(tier, {}).items()
        for plural in plurals
    }
    if wanted.routes and "ingress" in wanted.tiers:
        needed[wanted.routes[:2]] = _VERBS
    if wanted.issuer and "ingress" in wanted.tiers:
        needed[_CERTIFICATES] = _VERBS
    if wanted.tiers & _STORE_TIERS:
        needed = _STORES | needed
    if wanted.tiers:
        needed[_LEASE] = _LEASE_VERBS
    return needed


def _allowed(rules: Iterable[Mapping[str, Any]], group: str, plural: str, verb: str) -> bool:
    return any(
        not {verb, "*"}.isdisjoint(rule.get("verbs") or [])
        and not {group, "*"}.isdisjoint(rule.get("apiGroups") or [])
        and not {plural, "*"}.isdisjoint(rule.get("resources") or [])
        for rule in rules
    )


def _check_cluster_permission(
    tier: str, group: str, plural: str, cluster: Cluster, wanted: Wanted, problems: Problems
) -> None:
    """What has no namespace: one SelfSubjectAccessReview each."""
    del wanted
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"group": group, "resource": plural, "verb": "patch"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    if not cluster.send("POST", path, None, review)[1].get("status", {}).get("allowed"):
        problems.add(
            "K8S_AUTH_KUBECONFIG, K8S_AUTH_CONTEXT or K8S_AUTH_HOST",
            None,
            f"lead to a user who may not patch {plural}{f'.{group}' if group else ''} in the cluster",
            f"Grant it with a ClusterRole, or run without the tier {tier} (--skip-tags {tier})",
        )


def routes(kind: Any) -> tuple[str, str, str] | None:
    """What carries the hosts, for the value of ``ingress_kind``; Ingress is served by every supported version."""
    if kind == "HTTPRoute":
        return "gateway.networking.k8s.io", "httproutes", "ingress_kind"
    return ("networking.k8s.io", "ingresses", "ingress_kind") if kind == "Ingress" else None
