"""What the cluster has of the platform: objects by kind, read at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..engine.applyset import ID, PART_OF
from ..engine.cluster import Cluster
from ..engine.errors import ApiError, EngineError
from ..engine.kinds import BUILT_IN, Kind
from ..engine.transport import POOL_SIZE

Object = dict[str, Any]
T = TypeVar("T")

PLATFORM = "app.kubernetes.io/part-of=multi-agent-platform"
NAME = "app.kubernetes.io/name"

CONFIG_MAP = BUILT_IN["v1", "ConfigMap"]
SECRET = BUILT_IN["v1", "Secret"]
POD = BUILT_IN["v1", "Pod"]
CLAIM = BUILT_IN["v1", "PersistentVolumeClaim"]
DEPLOYMENT = BUILT_IN["apps/v1", "Deployment"]
STATEFUL_SET = BUILT_IN["apps/v1", "StatefulSet"]
CRON_JOB = BUILT_IN["batch/v1", "CronJob"]
AUTOSCALER = BUILT_IN["autoscaling/v2", "HorizontalPodAutoscaler"]
INGRESS = BUILT_IN["networking.k8s.io/v1", "Ingress"]
WORKLOADS = (STATEFUL_SET, DEPLOYMENT)


def at_once(jobs: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """The results of ``jobs`` by name, run side by side. The first error among them is raised."""
    with ThreadPoolExecutor(POOL_SIZE) as pool:
        started = {name: pool.submit(job) for name, job in jobs.items()}
        return {name: future.result() for name, future in started.items()}


def read(cluster: Cluster, namespace: str, kinds: Iterable[Kind], labels: str = PLATFORM) -> dict[str, list[Object]]:
    """Kind name -> its objects with ``labels`` in ``namespace``."""

    def reader(kind: Kind) -> Callable[[], list[Object]]:
        return lambda: cluster.list(kind, namespace, labels=labels)[0]

    return at_once({kind.kind: reader(kind) for kind in kinds})


def parents(cluster: Cluster, namespace: str) -> list[Object]:
    """The parents of the platform's ApplySets: a ConfigMap for each tier that was ever applied here."""
    return cluster.list(CONFIG_MAP, namespace, labels=ID)[0]


def tiers(parent_objects: Iterable[Object]) -> dict[str, str]:
    """ApplySet id -> tier."""
    return {p["metadata"]["labels"][ID]: p["metadata"]["name"].removeprefix("applyset-") for p in parent_objects}


def tier_of(obj: Object, by_id: Mapping[str, str]) -> str:
    """The tier that ``obj`` belongs to, empty where it is nobody's."""
    return by_id.get((obj["metadata"].get("labels") or {}).get(PART_OF, ""), "")


def list_if_allowed(
    cluster: Cluster, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = ""
) -> list[Object]:
    """What is nice to know: nothing where the server does not serve the kind or this user may not see it."""
    try:
        return cluster.list(kind, namespace, labels=labels, fields=fields)[0]
    except ApiError as error:
        if error.status in {403, 404}:
            return []
        raise


def workload(cluster: Cluster, namespace: str, part: str) -> Object:
    """The Deployment or StatefulSet of a part, by its name in the catalogue or its object's name.

    Raises EngineError that lists the parts there are.
    """
    found = read(cluster, namespace, WORKLOADS)
    every = [obj for objects in found.values() for obj in objects]
    for obj in every:
        if part in {obj["metadata"]["name"], obj["metadata"]["labels"].get(NAME)}:
            return obj
    if not every:
        raise nothing_there(namespace)
    names = sorted(_names(every))
    raise EngineError(f"There is no part {part!r} in namespace {namespace}.", f"It has: {', '.join(names)}.")


def named(cluster: Cluster, namespace: str, part: str | None) -> str:
    """``part``, which must be given. Raises EngineError that lists what there is."""
    if part:
        return part
    found = read(cluster, namespace, WORKLOADS)
    names = ", ".join(sorted(_names(obj for objects in found.values() for obj in objects)))
    raise EngineError(
        "No part was named.", f"Say which: S=agent with make, -e part=agent with ansible-playbook. There are: {names}."
    )


def _names(workloads: Iterable[Object]) -> set[str]:
    return {str(obj["metadata"]["labels"].get(NAME, obj["metadata"]["name"])) for obj in workloads}


def nothing_there(namespace: str) -> EngineError:
    """The error for a namespace without the platform."""
    return EngineError(
        f"Nothing of the platform is in namespace {namespace}.",
        "Run site.yml first (make deploy), or check platform_namespace and which cluster this is.",
    )
