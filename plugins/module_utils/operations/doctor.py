"""What will hurt later: gaps of the cluster, room for a full scale-out, certificates, images, credentials.

Each check is a function of what was read and gives findings; none of them writes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..backup import quiet, success
from ..engine.applyset import PART_OF
from ..engine.cluster import Cluster
from ..engine.errors import ApiError
from ..engine.kinds import BUILT_IN, Kind
from ..engine.manifests import describe, secret_values
from ..engine.transport import Disconnected, Untrusted
from ..platform.credential_references import Reference
from ..platform.credentials import is_placeholder
from ..platform.quantity import parse
from . import copies, definitions, doctor_inputs, identity, shortfalls
from .certificates import expiry
from .cluster_view import AUTOSCALER, CRON_JOB, DEPLOYMENT, INGRESS, POD, SECRET, STATEFUL_SET, at_once, list_if_allowed
from .releases import MANIFESTS
from .screen import age, count

Object = dict[str, Any]

PROBLEM, ADVICE = "problem", "advice"
NEWEST_TESTED = (1, 37)
CERTIFICATE_DAYS = 21
SHORTEST_KEY = 32

_BUDGET = BUILT_IN["policy/v1", "PodDisruptionBudget"]
_POLICY = BUILT_IN["networking.k8s.io/v1", "NetworkPolicy"]
_QUOTA = BUILT_IN["v1", "ResourceQuota"]
_NODE = BUILT_IN["v1", "Node"]
_CLASS = BUILT_IN["storage.k8s.io/v1", "StorageClass"]
_DAEMON_SET = BUILT_IN["apps/v1", "DaemonSet"]
_ACCOUNT = BUILT_IN["v1", "ServiceAccount"]
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
# DaemonSets of network plugins that enforce NetworkPolicy (kindnet since kind 0.24).
_ENFORCING = re.compile(
    r"calico-node|cilium|antrea-agent|weave-net|kube-router|ovnkube|canal|kindnet|aws-node|azure-npm"
)
_REMOVED = re.compile(r"apiserver_requested_deprecated_apis\{([^}]*)\} 1")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Finding:
    """One thing, what to do about it, and whether it hurts (problem) or may (advice)."""

    level: str
    what: str
    remedy: str


@dataclass
class Facts:
    """What was read. ``environment``: platform_environment."""

    environment: str = "local"
    minimum: str = "1.34"
    credentials_secret: str = "platform-credentials"  # noqa: S105 - a name
    # Credentials that Secrets of users hold.
    references: Sequence[Reference] = ()
    namespace: str = ""
    version: str = ""
    metrics: bool = True
    # Whether the UID of the cluster can be read.
    identified: bool = True
    deprecated: str = ""
    declared: copies.Declared = field(default_factory=copies.Declared)
    copies: copies.Copies = field(default_factory=copies.Copies)
    objects: Mapping[str, list[Object]] = field(default_factory=dict)

    def of(self, name: str) -> list[Object]:
        """Objects of one reading; none where this user may not see them."""
        return self.objects.get(name, [])


def read(cluster: Cluster, namespace: str, facts: Facts) -> Facts:
    """Complete ``facts`` from the cluster, everything at once. What this user may not see stays empty."""

    def lister(kind: Kind, scope: str | None) -> Any:
        return lambda: list_if_allowed(cluster, kind, scope)

    own = (DEPLOYMENT, STATEFUL_SET, AUTOSCALER, INGRESS, POD, SECRET, _BUDGET, _POLICY, _QUOTA, _ACCOUNT, CRON_JOB)
    jobs = {kind.kind: lister(kind, namespace) for kind in own}
    jobs |= {kind.kind: lister(kind, None) for kind in (_NODE, _CLASS, doctor_inputs.RUNTIME_CLASS)}
    jobs["system"] = lister(_DAEMON_SET, None)
    for name in definitions.USED:
        jobs[name] = lambda name=name: _definition(cluster, name)
    jobs["version"] = lambda: str(cluster.version().get("gitVersion", ""))
    jobs["metrics"] = lambda: _served(cluster, "/apis/metrics.k8s.io/v1beta1")
    jobs["identified"] = lambda: bool(identity.uid(cluster))
    jobs["deprecated"] = lambda: _text(cluster, "/metrics")
    found = at_once(jobs)
    facts.version, facts.metrics, facts.deprecated, facts.identified = (
        found.pop(name) for name in ("version", "metrics", "deprecated", "identified")
    )
    facts.objects = found
    key = secret_values(_credentials_of(facts)).get("qdrant_read_only_api_key", "")
    facts.copies = copies.read(cluster, namespace, facts.declared, facts.of("Pod"), key)
    return facts


def _definition(cluster: Cluster, name: str) -> list[Object]:
    try:
        return [cluster.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")]
    except ApiError as error:
        if error.status in {403, 404}:
            return []
        raise


def _served(cluster: Cluster, path: str) -> bool:
    try:
        cluster.get(path)
    except ApiError as error:
        if error.status in {404, 503}:
            return False
        if error.status != 403:
            raise
    return True


def _text(cluster: Cluster, path: str) -> str:
    try:
        response = cluster.transport.request("GET", path)
    except (Disconnected, Untrusted):
        return ""  # what else is read says that the server is away
    return response.data.decode("utf-8", "replace") if response.status == 200 else ""


def examine(facts: Facts, now: datetime) -> list[Finding]:
    """All findings, problems first."""
    checks = (
        _version,
        _definitions,
        _identity,
        _metrics,
        _storage,
        _enforcement,
        _foreign_policies,
        _node_dns,
        _quota,
        _nodes,
        _budgets,
    )
    found = [finding for check in checks for finding in check(facts)]
    found += [
        *_halted(facts),
        *_backups(facts, now),
        *_certificates(facts, now),
        *_images(facts),
        *_credentials(facts),
        *_unused(facts),
        *_copies(facts),
        *_inputs(facts),
        *_deprecated(facts),
    ]
    return sorted(found, key=lambda finding: finding.level != PROBLEM)


# --- the cluster ------------------------------------------------------------------------------------------------------


def _version(facts: Facts) -> Iterator[Finding]:
    match = re.match(r"v?(\d+)\.(\d+)", facts.version)
    if not match:
        return
    have = (int(match[1]), int(match[2]))
    least = tuple(int(number) for number in facts.minimum.split("."))
    if have < least:
        yield Finding(PROBLEM, f"The server is {facts.version}, older than {facts.minimum}", "Upgrade the cluster")
    elif have > NEWEST_TESTED:
        newest = ".".join(map(str, NEWEST_TESTED))
        yield Finding(ADVICE, f"The server is {facts.version}; tests go up to {newest}", "Look for a newer release")


def _definitions(facts: Facts) -> Iterator[Finding]:
    for name in definitions.USED:
        for definition in facts.of(name):
            for hurts, what, remedy in definitions.examine(definition):
                yield Finding(PROBLEM if hurts else ADVICE, what, remedy)


def _identity(facts: Facts) -> Iterator[Finding]:
    if not facts.identified:
        yield Finding(
            ADVICE,
            f"This user may not read the namespace {identity.SYSTEM}: a run cannot tell this cluster from another one",
            "apply docs/guide/deployer-cluster-role.yaml and bind it to the user; then set platform_cluster_uid",
        )


def _metrics(facts: Facts) -> Iterator[Finding]:
    if facts.of("HorizontalPodAutoscaler") and not facts.metrics:
        yield Finding(
            PROBLEM,
            "Nothing measures pods (metrics.k8s.io is not served): autoscalers and `make top` are blind",
            "Install metrics-server",
        )


def _storage(facts: Facts) -> Iterator[Finding]:
    classes = facts.of("StorageClass")
    if not any((c["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true" for c in classes):
        yield Finding(
            ADVICE,
            "The cluster has no default StorageClass" + ("" if classes else " (or this user may not see them)"),
            "Name one for every store: platform_stores_overrides.<store>.storage.storage_class",
        )


def _enforcement(facts: Facts) -> Iterator[Finding]:
    names = [obj["metadata"]["name"] for obj in facts.of("system")]
    if not any(_ENFORCING.search(name) for name in names):
        yield Finding(
            ADVICE,
            "No network plugin is seen that is known to enforce NetworkPolicy",
            "Prove it with `make verify`; without enforcement every pod reaches every other",
        )


def _foreign_policies(facts: Facts) -> Iterator[Finding]:
    for policy in facts.of("NetworkPolicy"):
        if PART_OF not in (policy["metadata"].get("labels") or {}):
            yield Finding(
                ADVICE,
                f"NetworkPolicy {policy['metadata']['name']} is not ours; policies add up, so it can only widen",
                "Delete it, or make it an edge of the catalogue (calls, uses)",
            )


def _node_dns(facts: Facts) -> Iterator[Finding]:
    if not any(obj["metadata"]["name"] == "node-local-dns" for obj in facts.of("system")):
        return
    for policy in facts.of("NetworkPolicy"):
        if policy["metadata"]["name"] == "allow-dns" and "ipBlock" not in str(policy["spec"].get("egress")):
            yield Finding(
                PROBLEM,
                "The cluster runs NodeLocal DNSCache, and no policy lets pods reach its address",
                "Set netpol_dns_cidrs to its address, often [169.254.20.10/32]",
            )


# --- room -------------------------------------------------------------------------------------------------------------


def full_scale_out(facts: Facts) -> dict[str, float]:
    """What all pods request with every autoscaler at its maximum: pods, requests.cpu, requests.memory, limits.*."""
    most = _most(facts)
    total: dict[str, float] = {"pods": 0.0}
    for obj in (*facts.of("Deployment"), *facts.of("StatefulSet")):
        replicas = most.get(obj["metadata"]["name"], int(obj["spec"].get("replicas", 1)))
        total["pods"] += replicas
        for container in obj["spec"]["template"]["spec"]["containers"]:
            for what, amounts in (container.get("resources") or {}).items():
                for resource, amount in (amounts or {}).items() if isinstance(amounts, dict) else ():
                    key = f"{what}.{resource}"
                    total[key] = total.get(key, 0.0) + replicas * float(parse(str(amount)).amount)
    return total


def _most(facts: Facts) -> dict[str, int]:
    """Name of a workload -> the most pods that its autoscaler makes."""
    scalers = facts.of("HorizontalPodAutoscaler")
    return {a["spec"]["scaleTargetRef"]["name"]: int(a["spec"]["maxReplicas"]) for a in scalers}


def _quota(facts: Facts) -> Iterator[Finding]:
    wanted = full_scale_out(facts)
    for quota in facts.of("ResourceQuota"):
        for resource, hard in (quota["spec"].get("hard") or {}).items():
            key = {"cpu": "requests.cpu", "memory": "requests.memory"}.get(resource, resource)
            if key in wanted and wanted[key] > float(parse(str(hard)).amount):
                yield Finding(
                    PROBLEM,
                    f"ResourceQuota {quota['metadata']['name']} allows {resource} {hard}, but a full scale-out takes "
                    f"{wanted[key]:g}",
                    "Run site.yml, which computes the quota from the catalogue; a foreign quota has to be raised",
                )


def _nodes(facts: Facts) -> Iterator[Finding]:
    nodes = [n for n in facts.of("Node") if not n["spec"].get("unschedulable")]
    if not nodes:
        return
    wanted = full_scale_out(facts)
    for resource in ("cpu", "memory"):
        have = sum(float(parse(str(n["status"]["allocatable"].get(resource, 0))).amount) for n in nodes)
        need = wanted.get(f"requests.{resource}", 0.0)
        if need > have:
            yield Finding(
                ADVICE,
                f"A full scale-out requests {need:g} of {resource}; the nodes have {have:g}",
                "Let the cluster grow with it (cluster-autoscaler, Karpenter), or lower scaling.max_replicas",
            )


def _budgets(facts: Facts) -> Iterator[Finding]:
    for budget in facts.of("PodDisruptionBudget"):
        status = budget.get("status") or {}
        if status.get("expectedPods", 0) > 0 and status.get("disruptionsAllowed", 0) == 0:
            yield Finding(
                ADVICE,
                f"PodDisruptionBudget {budget['metadata']['name']} allows no disruption now "
                f"({status.get('currentHealthy', 0)} of {status['expectedPods']} pods healthy): a drain will wait",
                "More replicas let one go; else move that pod at a time of your choosing",
            )


# --- what we deployed -------------------------------------------------------------------------------------------------


def _certificates(facts: Facts, now: datetime) -> Iterator[Finding]:
    for secret in facts.of("Secret"):
        if secret.get("type") != "kubernetes.io/tls":
            continue
        name = secret["metadata"]["name"]
        try:
            end = expiry(base64.b64decode((secret.get("data") or {}).get("tls.crt") or ""))
        except ValueError:
            yield Finding(PROBLEM, f"Secret {name} holds no certificate that can be read", "Make it again")
            continue
        if end <= now:
            yield Finding(PROBLEM, f"The certificate of Secret {name} ended {age(end, now)} ago", "Renew it")
        elif (end - now).days < CERTIFICATE_DAYS:
            yield Finding(
                ADVICE,
                f"The certificate of Secret {name} ends in {age(end, now)}",
                "Renew it; cert-manager does a third of its time before the end",
            )
    there = {secret["metadata"]["name"] for secret in facts.of("Secret")}
    for ingress in facts.of("Ingress"):
        for tls in ingress["spec"].get("tls") or []:
            if tls.get("secretName") and tls["secretName"] not in there:
                yield Finding(
                    PROBLEM,
                    f"Ingress {ingress['metadata']['name']} wants TLS Secret {tls['secretName']}, which is missing",
                    "See the Certificate's events, or make the Secret",
                )


def _halted(facts: Facts) -> Iterator[Finding]:
    """What is stopped by a setting that no manifest declares: it stays so until it is set back."""
    scaled = {
        (a["spec"]["scaleTargetRef"]["kind"], a["spec"]["scaleTargetRef"]["name"]): a
        for a in facts.of("HorizontalPodAutoscaler")
        if PART_OF in (a["metadata"].get("labels") or {})  # others, such as KEDA's, may mean 0
    }
    for obj in (*facts.of("Deployment"), *facts.of("StatefulSet")):
        text = shortfalls.pods(obj, None, None, scaled.get((obj["kind"], obj["metadata"]["name"])))
        if text and not quiet.pods_before(obj):
            yield Finding(PROBLEM, f"{describe(obj)}: {text}", shortfalls.REMEDY)
    for job in facts.of("CronJob"):
        if job["metadata"]["name"] == success.BACKUP and (text := shortfalls.suspended(job, {**job, "spec": {}})):
            yield Finding(PROBLEM, text, shortfalls.REMEDY)


def _backups(facts: Facts, now: datetime) -> Iterator[Finding]:
    jobs = {job["metadata"]["name"]: job for job in facts.of("CronJob")}
    if success.BACKUP not in jobs:
        if facts.environment == "prod":
            yield Finding(ADVICE, "Nothing makes backups", "Set platform_backup: {enabled: true}, and deploy")
        return
    for what, remedy in success.problems(jobs, now):
        yield Finding(PROBLEM, what, remedy)
    if (jobs[success.BACKUP]["metadata"].get("annotations") or {}).get(success.CREDENTIALS) != "included":
        yield Finding(ADVICE, "Backups have no credentials", "Name a public key in backup_age_recipients")
    if success.DRILL in jobs:
        tried = success.of(jobs[success.DRILL], now)
        if tried.last is None and not tried.failed:
            yield Finding(ADVICE, "No restore was ever tried out", "Try the newest backup: make restore-drill")


def _images(facts: Facts) -> Iterator[Finding]:
    loose, latest = set(), set()
    for pod in _pods_to_come(facts):
        for container in (*(pod.get("initContainers") or []), *pod["containers"]):
            image = container["image"]
            if "@sha256:" in image:
                continue
            loose.add(image)
            if image.endswith(":latest") or ":" not in image.rpartition("/")[2]:
                latest.add(image)
    for image in sorted(latest):
        yield Finding(PROBLEM, f"Image {image} can be another one tomorrow", "Name a version in platform_images")
    if loose and facts.environment == "prod":
        yield Finding(
            ADVICE,
            f"{count(len(loose), 'image')} in prod without a digest: {', '.join(sorted(loose)[:3])}"
            + (" ..." if len(loose) > 3 else ""),
            "Add @sha256:... in platform_image_overrides, so that nobody can replace what a tag means",
        )


def _credentials(facts: Facts) -> Iterator[Finding]:
    level = PROBLEM if facts.environment in {"staging", "prod"} else ADVICE
    for name, value in sorted(secret_values(_credentials_of(facts)).items()):
        if is_placeholder(value):
            yield Finding(
                level, f"Credential {name} is a placeholder", f"Set platform_credentials.{name} (see the guide)"
            )
        elif name == "jwt_secret" and len(value) < SHORTEST_KEY:
            yield Finding(PROBLEM, f"Credential {name} is shorter than {SHORTEST_KEY} characters", "Set a longer one")


def _credentials_of(facts: Facts) -> Object | None:
    return next((s for s in facts.of("Secret") if s["metadata"]["name"] == facts.credentials_secret), None)


def _copies(facts: Facts) -> Iterator[Finding]:
    for hurts, what, remedy in copies.examine(facts.copies):
        yield Finding(PROBLEM if hurts else ADVICE, what, remedy)


def _inputs(facts: Facts) -> Iterator[Finding]:
    """See ``doctor_inputs``."""
    deployments, classes = facts.of("Deployment"), facts.of("RuntimeClass")
    advice = (
        *doctor_inputs.sandbox(deployments, classes),
        *doctor_inputs.overhead(deployments, classes, _most(facts)),
    )
    for what, remedy in advice:
        yield Finding(ADVICE, what, remedy)
    referred = doctor_inputs.references(facts.references, facts.of("Secret"), facts.credentials_secret, facts.namespace)
    for hurts, what, remedy in referred:
        yield Finding(PROBLEM if hurts else ADVICE, what, remedy)


def _unused(facts: Facts) -> Iterator[Finding]:
    used = set(re.findall(r"'(?:secretName|name)': '([^']+)'", str(list(_references(facts)))))
    used |= {reference.secret for reference in facts.references}
    for secret in facts.of("Secret"):
        metadata = secret["metadata"]
        name, labels = metadata["name"], metadata.get("labels") or {}
        generated = secret.get("type") in {"kubernetes.io/service-account-token", "helm.sh/release.v1"}
        if name in used or MANIFESTS in labels or name == facts.credentials_secret or generated:
            continue
        yield Finding(
            ADVICE, f"Secret {name} is used by no pod, account or route", "Delete it if nobody outside reads it"
        )


def _pods_to_come(facts: Facts) -> Iterator[Object]:
    """Specs of the pods that workloads and schedules make."""
    yield from (obj["spec"]["template"]["spec"] for obj in (*facts.of("Deployment"), *facts.of("StatefulSet")))
    yield from (job["spec"]["jobTemplate"]["spec"]["template"]["spec"] for job in facts.of("CronJob"))


def _references(facts: Facts) -> Iterable[Any]:
    yield list(_pods_to_come(facts))
    yield [pod["spec"] for pod in facts.of("Pod")]
    yield [(a.get("secrets"), a.get("imagePullSecrets")) for a in facts.of("ServiceAccount")]
    yield [ingress["spec"].get("tls") for ingress in facts.of("Ingress")]


def _deprecated(facts: Facts) -> Iterator[Finding]:
    for labels in _REMOVED.findall(facts.deprecated):
        values = dict(_LABEL.findall(labels))
        if not values.get("removed_release"):
            continue
        api = f"{values.get('resource')} of {values.get('group') or 'core'}/{values.get('version')}"
        yield Finding(
            ADVICE,
            f"Somebody asks for {api}, which is gone from Kubernetes {values['removed_release']}",
            "Find the client (audit log) before upgrading the cluster",
        )


def screen(found: list[Finding]) -> list[str]:
    """For people."""
    lines = []
    for finding in found:
        lines += [f"  {finding.level.upper():8} {finding.what}", f"           -> {finding.remedy}"]
    return lines
