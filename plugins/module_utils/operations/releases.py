"""Releases: what each run that changed something left in the cluster, so that it can be compared and brought back.

A release is a ConfigMap ``release-<n>``: who, when, from which revision, what changed. It refers, tier by tier, to the
manifests that are in force after it. Those are Secrets named by their content, so that releases share what did not
change; they hold names of credentials, never values. A run that changes nothing comes by none of this.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import ApiError, EngineError
from ..engine.kinds import BUILT_IN, Kind
from ..engine.reload import SEEN
from .cluster_view import at_once
from .origin import Origin

Object = dict[str, Any]

# Of this run: made where plugins are imported, which is once and before Ansible forks its workers.
RUN = secrets.token_hex(8)

LABEL = "multi-agent.platform/release"
MANIFESTS = "multi-agent.platform/manifests"
CHUNKS = "multi-agent.platform/chunks"
MANAGED = {"app.kubernetes.io/managed-by": "multi_agent.platform"}
CONFIG_MAP = BUILT_IN["v1", "ConfigMap"]
SECRET = BUILT_IN["v1", "Secret"]

# Releases kept.
HISTORY = 20
# Names of changed objects kept with a release; a fleet's first run has thousands.
NAMED = 100
# Bytes of one Secret's data; the API allows 1 MiB (https://kubernetes.io/docs/concepts/configuration/secret/).
CHUNK_BYTES = 900_000
_ATTEMPTS = 10

_REFERENCE = re.compile(r"credential:([a-z][a-z0-9_-]*)")


@dataclass(frozen=True)
class Context:
    """Who runs what, as a release records it."""

    by: str
    inventory: str
    cluster: str
    revision: str
    versions: Mapping[str, str]
    note: str = ""
    origin: Origin = field(default_factory=Origin)
    # Tiers that the run is to apply, as far as they hold anything.
    planned: tuple[str, ...] = ()


@dataclass
class Change:
    """What a run did to one tier: lines such as ``configured Deployment agent-service``, and why it failed."""

    objects: list[str]
    failed: str = ""
    # Jobs that were started to change a schema: {part: the workload, job, image}.
    migrations: list[dict[str, str]] = field(default_factory=list)

    def data(self, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """As it is stored; ``before`` is what the same run did to the tier earlier (a rotation works on one thrice)."""
        before = before or {}
        counts: dict[str, int] = dict(before.get("counts") or {})
        for line in self.objects:
            action = line.partition(" ")[0]
            counts[action] = counts.get(action, 0) + 1
        return {
            "counts": counts,
            "objects": sorted({*self.objects, *(before.get("objects") or [])})[:NAMED],
            "failed": self.failed,
            "migrations": [*(before.get("migrations") or []), *self.migrations],
        }


@dataclass
class Release:
    """One recorded release."""

    number: int
    body: Object = field(default_factory=dict)
    resource_version: str = ""

    @property
    def tiers(self) -> dict[str, str]:
        """Tier -> name of its manifests."""
        found: dict[str, str] = self.body.get("tiers") or {}
        return found

    @property
    def origin(self) -> Origin:
        """Whose run it was; nothing is known of a release of an older version."""
        return Origin(**(self.body.get("origin") or {}))

    @property
    def unreached(self) -> list[str]:
        """Tiers that its run was to apply and never did: it goes on, or was killed."""
        return [tier for tier in self.body.get("planned") or [] if tier not in self.tiers]

    @property
    def failed(self) -> bool:
        return any(change.get("failed") for change in (self.body.get("changes") or {}).values())

    @property
    def migrations(self) -> list[dict[str, str]]:
        """Jobs of this release that changed a schema, or tried: {part, job, image}."""
        changes = (self.body.get("changes") or {}).values()
        return [migration for change in changes for migration in change.get("migrations") or []]

    def counts(self) -> dict[str, int]:
        """How many objects were created, configured and so on, over all tiers."""
        total: dict[str, int] = {}
        for change in (self.body.get("changes") or {}).values():
            for action, number in change["counts"].items():
                total[action] = total.get(action, 0) + number
        return total

    def summary(self) -> str:
        """``2 configured, 1 pruned``."""
        return ", ".join(f"{number} {action}" for action, number in sorted(self.counts().items()))


def load(cluster: Cluster, namespace: str) -> list[Release]:
    """All releases, oldest first."""
    found = [_parsed(obj) for obj in cluster.list(CONFIG_MAP, namespace, labels=LABEL)[0]]
    return sorted((release for release in found if release), key=lambda release: release.number)


def _parsed(obj: Object) -> Release | None:
    """None for what was edited by hand beyond repair: history, not state."""
    try:
        body = json.loads(obj["data"]["release.json"])
        number = int(obj["metadata"]["labels"][LABEL])
    except (KeyError, TypeError, ValueError):
        return None
    return Release(number, body, obj["metadata"]["resourceVersion"])


def recorded(cluster: Cluster, namespace: str) -> set[str]:
    """Tiers whose manifests the cluster has, as the last release names them. Raises EngineError."""
    found = at_once(
        {
            "releases": lambda: _metadata(cluster, CONFIG_MAP, namespace, LABEL),
            "manifests": lambda: _metadata(cluster, SECRET, namespace, MANIFESTS),
        }
    )
    numbers = [label for item in found["releases"] if (label := str(item["labels"][LABEL])).isdigit()]
    if not numbers:
        return set()
    last = cluster.find(CONFIG_MAP, namespace, f"release-{max(numbers, key=int)}")
    names = {item["name"] for item in found["manifests"]}
    release = _parsed(last) if last else None
    return {tier for tier, name in release.tiers.items() if name in names} if release else set()


def _metadata(cluster: Cluster, kind: Kind, namespace: str, label: str) -> list[Object]:
    """The metadata of all objects with ``label``: their data may be megabytes."""
    headers = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    answer = cluster.send("GET", kind.path(namespace), {"labelSelector": label}, headers=headers)[1]
    return [item["metadata"] for item in answer.get("items") or []]


def one(releases: Iterable[Release], number: int) -> Release:
    """The release of that number. Raises EngineError that says which there are."""
    every = list(releases)
    for release in every:
        if release.number == number:
            return release
    have = f"There are {every[0].number} to {every[-1].number}" if every else "None is recorded yet"
    raise EngineError(f"There is no release {number}.", f"{have}; `make releases` lists them.")


# --- recording --------------------------------------------------------------------------------------------------------


def record(
    cluster: Cluster,
    namespace: str,
    tier: str,
    objects: list[Object],
    change: Change,
    context: Callable[[], Context],
    run: str = RUN,
) -> int:
    """Record that this run changed ``tier``, which now is ``objects``; the number of the release.

    All tiers of a run are one release. ``context`` is asked once a release. Raises EngineError.
    """
    name = _store(cluster, namespace, tier, objects)
    for _ in range(_ATTEMPTS):
        releases = load(cluster, namespace)
        last = releases[-1] if releases else Release(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if last.body.get("run") == run:
            release = last
            release.body["updated"] = now
        else:
            release = _next(last, context(), now, run)
        release.body["tiers"][tier] = name
        release.body["changes"][tier] = change.data(release.body["changes"].get(tier))
        if not objects:
            del release.body["tiers"][tier]
        if _write(cluster, namespace, release):
            if release is not last:
                _forget(cluster, namespace, [*releases, release])
            return release.number
    raise EngineError("The release could not be recorded: other runs recorded theirs all the time.", "")


def record_take_over(cluster: Cluster, namespace: str, context: Context, run: str = RUN) -> None:
    """Record that the platform is another inventory's from now on, where a run had nothing else to record.

    Raises EngineError.
    """
    for _ in range(_ATTEMPTS):
        releases = load(cluster, namespace)
        last = releases[-1] if releases else Release(0)
        if last.body.get("run") == run:
            break
        release = _next(last, context, datetime.now(UTC).isoformat(timespec="seconds"), run)
        if _write(cluster, namespace, release):
            _forget(cluster, namespace, [*releases, release])
            break
    else:
        raise EngineError("The release could not be recorded: other runs recorded theirs all the time.", "")


def _next(last: Release, about: Context, now: str, run: str) -> Release:
    """The release after ``last``, with its tiers and without a change."""
    release = Release(last.number + 1)
    release.body = {
        "number": release.number,
        "run": run,
        "time": now,
        "updated": now,
        "by": about.by,
        "inventory": about.inventory,
        "cluster": about.cluster,
        "origin": asdict(about.origin),
        "revision": about.revision,
        "versions": dict(about.versions),
        "note": about.note,
        "planned": list(about.planned),
        "tiers": dict(last.tiers),
        "changes": {},
    }
    return release


def _write(cluster: Cluster, namespace: str, release: Release) -> bool:
    """False where another run was quicker."""
    name = f"release-{release.number}"
    labels = {**MANAGED, LABEL: str(release.number)}
    obj: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": release.origin.annotations(),
        },
        "data": {"release.json": json.dumps(release.body, indent=1)},
    }
    if not release.resource_version:
        return cluster.create(CONFIG_MAP, obj, what=f"ConfigMap {name}") is not None
    obj["metadata"]["resourceVersion"] = release.resource_version
    try:
        cluster.send("PUT", CONFIG_MAP.path(namespace, name), None, obj, None, f"ConfigMap {name}")
    except ApiError as error:
        if error.status in {404, 409}:
            return False
        raise
    return True


def _store(cluster: Cluster, namespace: str, tier: str, objects: list[Object]) -> str:
    """Keep the manifests of a tier, unless they are there already; the name that they go by."""
    text = json.dumps(objects, sort_keys=True, separators=(",", ":")).encode()
    name = f"manifests-{tier}-{hashlib.sha256(text).hexdigest()[:16]}"
    packed = gzip.compress(text, mtime=0)
    chunks = [packed[start : start + CHUNK_BYTES] for start in range(0, len(packed), CHUNK_BYTES)]
    # The first is written last: where it is, all are.
    for number, chunk in reversed(list(enumerate(chunks))):
        secret: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"{name}-{number}" if number else name,
                "namespace": namespace,
                "labels": {**MANAGED, MANIFESTS: tier},
                "annotations": {CHUNKS: str(len(chunks))},
            },
            "type": MANIFESTS,
            "immutable": True,
            "data": {"manifests.json.gz": base64.b64encode(chunk).decode()},
        }
        cluster.create(SECRET, secret, what=f"Secret {name}")
    return name


def _forget(cluster: Cluster, namespace: str, releases: list[Release]) -> None:
    """Delete releases beyond the history, and manifests that no release refers to."""
    old, kept = releases[:-HISTORY], releases[-HISTORY:]
    if not old:
        return
    for release in old:
        cluster.delete(CONFIG_MAP, namespace, f"release-{release.number}")
    names = {name for release in kept for name in release.tiers.values()}
    for secret in cluster.list(SECRET, namespace, labels=MANIFESTS)[0]:
        name = secret["metadata"]["name"]
        if not any(name == used or name.startswith(f"{used}-") for used in names):
            cluster.delete(SECRET, namespace, name)


def forget(cluster: Cluster, namespace: str) -> int:
    """Delete all releases and their manifests; how many objects. Raises EngineError."""
    gone = 0
    for kind, label in ((CONFIG_MAP, LABEL), (SECRET, MANIFESTS)):
        for obj in cluster.list(kind, namespace, labels=label)[0]:
            gone += cluster.delete(kind, namespace, obj["metadata"]["name"], uid=obj["metadata"]["uid"])
    return gone


# --- manifests --------------------------------------------------------------------------------------------------------


def manifests(cluster: Cluster, namespace: str, release: Release, tier: str) -> list[Object]:
    """The objects of ``tier`` in a release; Secrets hold references (see ``with_credentials``). Raises EngineError."""
    name = release.tiers.get(tier)
    if name is None:
        return []
    packed, number, chunks = b"", 0, 1
    while number < chunks:
        secret = cluster.find(SECRET, namespace, f"{name}-{number}" if number else name)
        if secret is None:
            raise EngineError(
                f"Release {release.number} cannot be read: its Secret {name} is gone from namespace {namespace}.",
                "Choose another release (`make releases`), or deploy from the git revision that it names.",
            )
        chunks = int((secret["metadata"].get("annotations") or {}).get(CHUNKS, 1))
        packed += base64.b64decode(secret["data"]["manifests.json.gz"])
        number += 1
    try:
        objects: list[Object] = json.loads(gzip.decompress(packed))
    except (OSError, EOFError, ValueError) as error:
        raise EngineError(
            f"Release {release.number} cannot be read: Secret {name} does not hold manifests ({error}).",
            "Choose another release, or deploy from the git revision that it names.",
        ) from error
    return objects


def by_reference(
    objects: Iterable[Object], references: Iterable[Object], own: Callable[[Object], bool]
) -> list[Object]:
    """``objects`` with each Secret as in ``references``, where the same templates were rendered without credentials.

    Of Secrets that are not ``own`` (given as data, or by somebody else's template) only the names of the keys are kept:
    nobody knows which of their values are secret.
    """
    plain = {obj["metadata"]["name"]: obj for obj in references if obj["kind"] == "Secret"}
    kept = []
    for obj in objects:
        if obj["kind"] != "Secret":
            kept.append(obj)
        elif own(obj):
            kept.append(_marked(plain[obj["metadata"]["name"]], obj))
        else:
            kept.append({**obj, "data": dict.fromkeys(obj.get("data") or {})})
    return kept


def _marked(reference: Object, obj: Object) -> Object:
    """``reference`` with the key that marks the content of ``obj`` (see engine/reload.py): it follows from values."""
    data = {key: value for key, value in (reference.get("data") or {}).items() if not key.startswith(SEEN)}
    data |= {key: value for key, value in (obj.get("data") or {}).items() if key.startswith(SEEN)}
    return {**reference, "data": data} if "data" in reference else reference


def with_credentials(
    objects: Iterable[Object], credential: Callable[[str], str]
) -> tuple[list[Object], list[tuple[Object, str]]]:
    """``objects`` with references replaced by values, and the Secrets that cannot be completed, with the reason."""
    done, lacking = [], []
    for obj in objects:
        if obj["kind"] != "Secret":
            done.append(obj)
            continue
        try:
            data = {
                _replaced(key, credential): _resolved(value, credential)
                for key, value in (obj.get("data") or {}).items()
            }
            done.append({**obj, "data": data})
        except KeyError as error:
            name = error.args[0]
            reason = f"the credential {name} is no longer there" if name else "its values are not on record"
            lacking.append((obj, reason))
    return done, lacking


def _resolved(value: str | None, credential: Callable[[str], str]) -> str:
    if value is None:
        raise KeyError("")
    return base64.b64encode(_replaced(base64.b64decode(value).decode(), credential).encode()).decode()


def _replaced(text: str, credential: Callable[[str], str]) -> str:
    return _REFERENCE.sub(lambda match: credential(match[1]), text)
