"""The state of the platform in one screen: workloads, volumes, certificates, the last release, drift."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..backup import quiet, success
from ..engine import halted
from ..engine.cluster import Cluster
from ..engine.diagnosis import Diagnosis
from ..engine.errors import EngineError
from ..engine.kinds import Kind
from ..engine.readiness import readiness
from . import declared, drift, releases, shortfalls
from .certificates import expiry
from .cluster_view import (
    AUTOSCALER,
    CLAIM,
    CRON_JOB,
    DEPLOYMENT,
    INGRESS,
    PLATFORM,
    POD,
    SECRET,
    STATEFUL_SET,
    at_once,
    list_if_allowed,
    tier_of,
    tiers,
)
from .cluster_view import parents as read_parents
from .routes import ROUTE, addresses
from .screen import age, count, plain_image, size, table
from .volumes import used

Object = dict[str, Any]

_ORDER = ("datastores", "nats", "services", "frontend")
_SOON_DAYS = 21


@dataclass
class State:
    """What was read. ``drifted`` is None where it cannot be told, with the reason in ``undecided``.

    ``missing``: declared objects that are not there. ``unknown``: what cannot be compared with the last release.
    ``shortfalls``: objects that are there and do less than what is declared. The last two each with what to do.
    ``hidden``: declared objects outside of namespaces that this user may not look at.
    """

    workloads: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    certificates: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    missing: list[declared.Missing] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    shortfalls: list[tuple[str, str]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    cron_jobs: dict[str, Object] = field(default_factory=dict)
    release: releases.Release | None = None
    drifted: list[drift.Drifted] | None = None
    undecided: str = ""

    def data(self) -> dict[str, Any]:
        """As a result of a task."""
        return {
            "ready": bool(self.workloads)
            and all(workload["ready"] for workload in self.workloads)
            and not (self.missing or self.shortfalls),
            "workloads": self.workloads,
            "volumes": self.volumes,
            "certificates": self.certificates,
            "findings": self.findings,
            "missing": [each.data() for each in self.missing],
            "shortfalls": [what for what, _ in self.shortfalls],
            "unknown": [what for what, _ in self.unknown],
            "last_successes": {
                name: (job.get("status") or {}).get("lastSuccessfulTime") for name, job in self.cron_jobs.items()
            },
            "release": self.release.body if self.release else {},
            "drift": None if self.drifted is None else [drifted.data() for drifted in self.drifted],
        }


def read(cluster: Cluster, namespace: str, secret: str) -> State:
    """Read the state, everything at once. ``secret``: where credentials are, for drift. Raises EngineError."""

    def lister(kind: Kind, labels: str = PLATFORM) -> Callable[[], Any]:
        return lambda: cluster.list(kind, namespace, labels=labels)[0]

    found = at_once(
        {
            "parents": lambda: read_parents(cluster, namespace),
            "deployments": lister(DEPLOYMENT),
            "sets": lister(STATEFUL_SET),
            "pods": lister(POD),
            "autoscalers": lister(AUTOSCALER),
            "claims": lister(CLAIM),
            "cron_jobs": lambda: list_if_allowed(cluster, CRON_JOB, namespace, labels=PLATFORM),
            "ingresses": lister(INGRESS),
            "certificates": lambda: list_if_allowed(cluster, SECRET, namespace, fields="type=kubernetes.io/tls"),
            "drift": lambda: _drift(cluster, namespace, secret),
            "used": lambda: used(cluster, namespace),
        }
    )
    known, drifted, undecided = found["drift"]
    state = State(release=known.release, drifted=drifted, undecided=undecided, missing=known.missing)
    state.unknown = list(shortfalls.unknown(known, namespace))
    state.shortfalls = _shortfalls(known, found)
    state.hidden = shortfalls.hidden(known, namespace)
    state.cron_jobs = {job["metadata"]["name"]: job for job in found["cron_jobs"]}
    by_id = tiers(found["parents"])
    routes = found["ingresses"]
    if any("HTTPRoute" in str(p["metadata"].get("annotations")) for p in found["parents"]):
        routes = [*routes, *list_if_allowed(cluster, ROUTE, namespace, labels=PLATFORM)]
    where = addresses(routes)
    scaling = {a["spec"]["scaleTargetRef"]["name"]: a for a in found["autoscalers"]}
    workloads = [*found["sets"], *found["deployments"]]
    least = known.minimums()

    def row(obj: Object) -> dict[str, Any]:
        name, autoscaler = obj["metadata"]["name"], scaling.get(obj["metadata"]["name"])
        wanted = known.find(obj["kind"], name)
        short = shortfalls.pods(obj, wanted, least.get(halted.target(obj)), autoscaler)
        return _workload(obj, by_id, found["pods"], autoscaler, where, short)

    absent = [each for each in known.missing if shortfalls.is_workload(each)]
    rows = [*map(row, workloads), *(_absent(each, least.get(halted.target(each.obj), 1)) for each in absent)]
    state.workloads = sorted(
        rows, key=lambda row: (_ORDER.index(row["tier"]) if row["tier"] in _ORDER else -1, row["name"])
    )
    mounted = set(_mounted(found["pods"]))
    state.volumes = [_volume(claim, found["used"], mounted) for claim in found["claims"]]
    state.certificates = [_certificate(secret) for secret in found["certificates"]]
    diagnosis = Diagnosis(cluster)
    for obj in workloads:
        if not readiness(obj).ready:
            state.findings += sorted({str(finding) for finding in diagnosis.findings(obj)})
    return state


def _drift(cluster: Cluster, namespace: str, secret: str) -> tuple[declared.Declared, list[drift.Drifted] | None, str]:
    known = declared.read(cluster, namespace)
    if known.release is None:
        return known, None, "no release is recorded"
    try:
        credential = drift.credentials(cluster, namespace, secret)
        return known, drift.compare(cluster, namespace, known, credential), ""
    except EngineError as error:
        return known, None, error.message


def _shortfalls(known: declared.Declared, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each with what to do. What a workload lacks is in its row."""
    lines = [(what, shortfalls.REMEDY) for what in shortfalls.unreached(known, found["pods"])]
    for job in found["cron_jobs"]:
        if text := shortfalls.suspended(job, known.find("CronJob", job["metadata"]["name"])):
            lines.append((text, shortfalls.REMEDY))
    return [*lines, *((what, shortfalls.LOST) for what in shortfalls.claims(known, found["claims"]))]


def _absent(each: declared.Missing, least: int) -> dict[str, Any]:
    """The row of a declared workload that is not there."""
    obj = each.obj
    return {
        "tier": each.tier,
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "missing": True,
        "ready": False,
        "message": "missing",
        "remedy": shortfalls.REMEDY,
        "stopped_by_restore": False,
        "desired": obj["spec"].get("replicas", least),
        "ready_replicas": 0,
        "updated_replicas": 0,
        "restarts": 0,
        "created": None,
        "image": obj["spec"]["template"]["spec"]["containers"][0]["image"],
        "scaling": {},
        "where": "",
    }


def _workload(
    obj: Object,
    by_id: Mapping[str, str],
    pods: Iterable[Object],
    autoscaler: Object | None,
    where: Mapping[str, str],
    short: str = "",
) -> dict[str, Any]:
    """The row of a live workload. ``short``: why it has less than what is declared."""
    name, status = obj["metadata"]["name"], obj.get("status") or {}
    labels = obj["spec"]["selector"]["matchLabels"]
    own = [pod for pod in pods if labels.items() <= (pod["metadata"].get("labels") or {}).items()]
    state = readiness(obj)
    stopped = quiet.pods_before(obj)
    restarts = sum(
        container.get("restartCount", 0)
        for pod in own
        for container in (pod.get("status") or {}).get("containerStatuses") or []
    )
    containers = obj["spec"]["template"]["spec"]["containers"]
    ports = containers[0].get("ports") or [{}]
    return {
        "tier": tier_of(obj, by_id),
        "kind": obj["kind"],
        "name": name,
        "missing": False,
        "ready": state.ready and not stopped and not short,
        "message": f"stopped by a restore, with {count(stopped, 'pod')} before it"
        if stopped
        else short or state.message,
        "remedy": shortfalls.REMEDY if short and not stopped else "",
        "stopped_by_restore": bool(stopped),
        "desired": obj["spec"].get("replicas", 1),
        "ready_replicas": status.get("readyReplicas", 0),
        "updated_replicas": status.get("updatedReplicas", 0),
        "restarts": restarts,
        "created": obj["metadata"]["creationTimestamp"],
        "image": containers[0]["image"],
        "scaling": _scaling(autoscaler),
        "where": where.get(name) or f"{name}:{ports[0].get('containerPort', '')}".rstrip(":"),
    }


def _scaling(autoscaler: Object | None) -> dict[str, Any]:
    """Bounds and, by resource, current and target use in percent of the request; current None without metrics."""
    if autoscaler is None:
        return {}
    spec, status = autoscaler["spec"], autoscaler.get("status") or {}
    current = {
        metric["resource"]["name"]: (metric["resource"].get("current") or {}).get("averageUtilization")
        for metric in status.get("currentMetrics") or []
        if metric.get("type") == "Resource"
    }
    return {
        "min": spec.get("minReplicas", 1),
        "max": spec["maxReplicas"],
        "metrics": {
            metric["resource"]["name"]: {
                "current": current.get(metric["resource"]["name"]),
                "target": metric["resource"]["target"].get("averageUtilization"),
            }
            for metric in spec.get("metrics") or []
            if metric.get("type") == "Resource"
        },
    }


def _mounted(pods: Iterable[Object]) -> Iterator[str]:
    """Names of claims that pods mount; that of a scratch volume is made of the pod's name and the volume's."""
    for pod in pods:
        for volume in pod["spec"].get("volumes") or []:
            if "persistentVolumeClaim" in volume:
                yield volume["persistentVolumeClaim"]["claimName"]
            elif "ephemeral" in volume:
                yield f"{pod['metadata']['name']}-{volume['name']}"


def _volume(claim: Object, used_bytes: Mapping[str, tuple[int, int]], mounted: Container[str]) -> dict[str, Any]:
    name, status = claim["metadata"]["name"], claim.get("status") or {}
    bytes_used, capacity = used_bytes.get(name, (None, None))
    return {
        "name": name,
        "phase": status.get("phase", ""),
        "mounted": name in mounted,
        "size": (status.get("capacity") or claim["spec"]["resources"]["requests"]).get("storage", ""),
        "storage_class": claim["spec"].get("storageClassName", ""),
        "used_bytes": bytes_used,
        "capacity_bytes": capacity,
    }


def _certificate(secret: Object) -> dict[str, Any]:
    end: datetime | None = None
    with contextlib.suppress(ValueError):
        end = expiry(base64.b64decode((secret.get("data") or {}).get("tls.crt") or ""))
    return {"name": secret["metadata"]["name"], "not_after": end.isoformat() if end else ""}


# --- the screen -------------------------------------------------------------------------------------------------------


def screen(state: State, cluster_name: str, server: str, namespace: str, now: datetime) -> list[str]:
    """The lines that a user sees."""
    ready = sum(workload["ready"] for workload in state.workloads)
    lines = [f"Cluster {cluster_name} ({server}), namespace {namespace}: {ready} of {len(state.workloads)} ready"]
    backups = success.line(state.cron_jobs, now)
    lines += [*_release(state, now), _drift_line(state), *([backups] if backups else []), ""]
    header = ("TIER", "OBJECT", "READY", "UPDATED", "RESTARTS", "AGE", "IMAGE", "REPLICAS", "CPU", "MEMORY", "WHERE")
    lines += table(header, [_row(workload, now) for workload in state.workloads])
    if state.volumes:
        lines += ["", *table(("VOLUME", "STATE", "SIZE", "USED", "CLASS"), map(_volume_row, state.volumes))]
    if state.certificates:
        rows = [(c["name"], _expiry(c["not_after"], now)) for c in state.certificates]
        lines += ["", *table(("CERTIFICATE", "EXPIRES"), rows)]
    return [*lines, *_trouble(state)]


def _trouble(state: State) -> Iterator[str]:
    """Lines below the tables: what is not ready, and what is not known."""
    waiting = [f"{w['kind']} {w['name']}: {w['message']}" for w in state.workloads if not w["ready"]]
    others = [each for each in state.missing if not shortfalls.is_workload(each)]
    lacking = [*(what for what, _ in shortfalls.missing(others)), *(what for what, _ in state.shortfalls)]
    if found := [*waiting, *lacking, *state.findings]:
        yield from ("", "Not ready:", *(f"  {line}" for line in found))
    if lacking or any(workload["remedy"] for workload in state.workloads):
        yield "`make check-health` says what to do about each."
    yield from (f"Not known: {what}" for what, _ in state.unknown)
    yield from shortfalls.not_looked_at(state.hidden)
    if any(workload["stopped_by_restore"] for workload in state.workloads):
        yield f"What a restore stopped: {quiet.WAY_OUT}"


def _release(state: State, now: datetime) -> list[str]:
    if state.release is None:
        return ["Last release: none is recorded"]
    body = state.release.body
    revision = f", revision {body['revision']}" if body.get("revision") else ""
    failed = ", FAILED" if state.release.failed else ""
    note = f" ({body['note']})" if body.get("note") else ""
    when = age(body["time"], now)
    return [f"Last release: {state.release.number}{note} by {body['by']}, {when} ago{revision}{failed}"]


def _drift_line(state: State) -> str:
    if state.drifted is None:
        return f"Drift: not known: {state.undecided}"
    if not state.drifted:
        return "Drift: no"
    names = ", ".join(f"{d.obj['kind']} {d.obj['metadata']['name']}" for d in state.drifted[:3])
    more = f" and {len(state.drifted) - 3} more" if len(state.drifted) > 3 else ""
    return f"Drift: yes, {count(len(state.drifted), 'object')}: {names}{more} (`make drift` shows what and who)"


def _row(workload: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    scaling = workload["scaling"]
    metrics = scaling.get("metrics", {})
    missing = workload["missing"]
    return (
        workload["tier"],
        workload["name"],
        "missing" if missing else f"{workload['ready_replicas']}/{workload['desired']}",
        "" if missing else str(workload["updated_replicas"]),
        "" if missing else str(workload["restarts"]),
        age(workload["created"], now),
        plain_image(workload["image"]),
        f"{scaling['min']}-{scaling['max']}" if scaling else "" if missing else "fixed",
        _use(metrics.get("cpu")),
        _use(metrics.get("memory")),
        workload["where"],
    )


def _use(metric: Mapping[str, Any] | None) -> str:
    if not metric:
        return ""
    current = "?" if metric["current"] is None else f"{metric['current']}%"
    return f"{current}/{metric['target']}%"


def _volume_row(volume: Mapping[str, Any]) -> tuple[str, ...]:
    share = ""
    if volume["used_bytes"] is not None and volume["capacity_bytes"]:
        share = f"{size(volume['used_bytes'])} ({100 * volume['used_bytes'] // volume['capacity_bytes']}%)"
    return volume["name"], volume["phase"], volume["size"], share, volume["storage_class"]


def _expiry(not_after: str, now: datetime) -> str:
    if not not_after:
        return "cannot be read"
    end = datetime.fromisoformat(not_after)
    if end <= now:
        return f"EXPIRED {age(end, now)} ago"
    soon = " (soon)" if (end - now).days < _SOON_DAYS else ""
    return f"in {age(end, now)}{soon}"
