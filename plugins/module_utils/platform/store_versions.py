"""Whether the image of a store can read the data that its volumes hold, by the version that last served them.

Postgres: releases of one major version read each other's data, those of two do not.
  https://www.postgresql.org/docs/current/upgrading.html
Qdrant: data are brought to the next minor version, one at a time, and not back.
  https://qdrant.tech/documentation/upgrades/
NATS: an older minor version may not know what a newer one stored in JetStream; a newer one reads all older ones.
  https://docs.nats.io/running-a-nats-service/nats_admin/upgrading_cluster
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..engine.claims import LAST_READY_IMAGE
from ..engine.errors import ApiError, EngineError
from . import images
from .edges import STORE_PORTS

Object = dict[str, Any]

UNCHECKED = "platform_unchecked_store_versions"
TITLES = {"postgres": "Postgres", "qdrant": "Qdrant", "nats": "NATS"}
STORES_OF_TIER = {"datastores": ("postgres", "qdrant"), "nats": ("nats",)}
_GUIDE = 'docs/guide/storage.md, "Versions of the stores"'
# Images that extend Postgres name its version behind "pg": pgvector/pgvector:0.8.0-pg17.
_EXTENDED = re.compile(r"(?:^|.*-)pg(\d{1,2})(?:\.(\d+))?(?:-.*)?")
_PLAIN = re.compile(r"v?(\d{1,2})(?:\.(\d+))?(?:\.\d+)*(?:[-+_].*)?")
# A lower number is not a version of Postgres, but of an image with numbers of its own.
_POSTGRES_FIRST = 9


class Cluster(Protocol):
    """The call of the engine's cluster that is used here."""

    def get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        """GET a path."""


@dataclass(frozen=True)
class Version:
    """Major and minor version of a store. minor is None if the tag does not say it."""

    major: int
    minor: int | None = None

    def __str__(self) -> str:
        return str(self.major) if self.minor is None else f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class Refusal:
    """Why an image cannot serve the data of a store, and what to do."""

    store: str
    image: str
    problem: str
    remedy: str


def parse(store: str, reference: str) -> Version | None:
    """The version that the tag of an image names; None if it names none (``latest``, a digest, a build number)."""
    image = images.parse(reference)
    tag = image.tag if image else ""
    match = (_EXTENDED.fullmatch(tag) if store == "postgres" else None) or _PLAIN.fullmatch(tag)
    if match is None or (store == "postgres" and int(match[1]) < _POSTGRES_FIRST):
        return None
    return Version(int(match[1]), int(match[2]) if match[2] else None)


def compare(store: str, data: Version, wanted: Version) -> tuple[str, str] | None:
    """Problem and remedy if ``wanted`` cannot serve data that ``data`` wrote."""
    title = TITLES[store]
    if data.major != wanted.major:
        return (
            f"is {title} {wanted.major}, which does not read the data of {title} {data.major}",
            f"Keep {title} {data.major}, or move the data: back up, remove the volume, deploy, restore ({_GUIDE})",
        )
    if store == "postgres" or data.minor is None or wanted.minor is None:
        return None
    if wanted.minor < data.minor:
        return (
            f"is {title} {wanted}, and {title} {data} wrote the data: an older version may not read them",
            f"Keep {title} {data}, or restore a backup that {wanted} made to an empty volume ({_GUIDE})",
        )
    if store == "qdrant" and wanted.minor > data.minor + 1:
        steps = [f"{data.major}.{minor}" for minor in range(data.minor, wanted.minor + 1)]
        return (
            f"is {title} {wanted}, and {title} {data} wrote the data: an upgrade may not skip a minor version",
            f"Deploy the last patch release of each version in between first: {' -> '.join(steps)} ({_GUIDE})",
        )
    return None


def check(cluster: Cluster, namespace: str, wanted: Mapping[str, str]) -> list[Refusal]:
    """Refusals of the images ``wanted`` (store -> reference), each with its data. Raises ApiError, ConnectionFailed.

    A store without a volume takes any image, and so do data whose version is not known.
    """
    versions = {store: version for store, image in wanted.items() if (version := parse(store, image))}
    if not versions:
        return []
    refused = []
    for store, served in _served(cluster, namespace, versions).items():
        for claim, image in sorted(served.items()):
            data = parse(store, image)
            if data and (found := compare(store, data, versions[store])):
                problem = f"{found[0]} (volume {claim}, last served by {image})"
                refused.append(Refusal(store, wanted[store], problem, found[1]))
                break
    return refused


def refuse(cluster: Cluster, namespace: str, objects: Iterable[Object]) -> None:
    """Raises EngineError if a StatefulSet among ``objects`` has an image that cannot serve the data that are there."""
    refused = check(cluster, namespace, declared(objects))
    if refused:
        lines = [f"{TITLES[r.store]}: {r.image} {r.problem}." for r in refused]
        raise EngineError("\n".join([*lines, "Nothing was written."]), "\n".join(f"{r.remedy}." for r in refused))


def declared(objects: Iterable[Object]) -> dict[str, str]:
    """Store -> image, of the StatefulSets among ``objects``."""
    found = {}
    for obj in objects:
        name = obj["metadata"]["name"]
        if obj["kind"] == "StatefulSet" and name in STORE_PORTS:
            found[name] = str(obj["spec"]["template"]["spec"]["containers"][0]["image"])
    return found


def _served(cluster: Cluster, namespace: str, stores: Iterable[str]) -> dict[str, dict[str, str]]:
    """Store -> claim -> the image that serves its data, by a pod that is ready, else that last did, by its record."""
    query = {"labelSelector": f"app in ({','.join(sorted(stores))})"}
    claims = _list(cluster, f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", query)
    found: dict[str, dict[str, str]] = {store: {} for store in stores}
    if not claims:
        return found
    ready = {
        claim: image
        for pod in _list(cluster, f"/api/v1/namespaces/{namespace}/pods", query)
        if _is_ready(pod)
        for claim, image in _images(pod)
    }
    for claim in claims:
        metadata = claim["metadata"]
        store, name = metadata["labels"]["app"], metadata["name"]
        image = ready.get(name) or (metadata.get("annotations") or {}).get(LAST_READY_IMAGE)
        if image and re.fullmatch(rf"data-{store}-\d+", name) and not metadata.get("deletionTimestamp"):
            found[store][name] = str(image)
    return found


def _list(cluster: Cluster, path: str, query: dict[str, Any]) -> list[Object]:
    try:
        return cluster.get(path, query).get("items") or []
    except ApiError as error:
        if error.status == 403:  # the check of permissions says so
            return []
        raise


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _images(pod: Object) -> Iterable[tuple[str, str]]:
    """Each claim of a pod, with the image of the first container that mounts it."""
    spec = pod["spec"]
    for volume in spec.get("volumes") or []:
        if claim := volume.get("persistentVolumeClaim"):
            mounting = (
                str(container["image"])
                for container in spec["containers"]
                if any(mount["name"] == volume["name"] for mount in container.get("volumeMounts") or [])
            )
            yield from ((claim["claimName"], image) for image in [*mounting][:1])
