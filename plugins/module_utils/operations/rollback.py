"""Bringing an earlier release back: its manifests, applied as a run of site.yml would apply them.

Credentials stay as they are now: a rotated password does not come back. Tiers with data stay out unless they are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..engine import gates
from ..engine import tier as tiers
from ..engine.applyset import ApplySet
from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..engine.manifests import Identity, describe, identity
from ..platform import store_versions
from . import releases
from .cluster_view import SECRET
from .execute import executor

Object = dict[str, Any]

# In the order of site.yml. A tier of the user's own comes after them.
ORDER = ("namespace", "netpol", "datastores", "nats", "backup", "services", "frontend", "ingress")
# Older stores may not be able to read what newer ones wrote.
DATA_TIERS = frozenset({"datastores", "nats"})


@dataclass
class Rollback:
    """What is brought back: the release, and tier -> its objects with credentials filled in."""

    release: releases.Release
    tiers: dict[str, list[Object]]
    # Tiers that stay as they are although they differ, and Secrets whose values are not on record.
    left_out: list[str]
    lacking: list[str]
    # All objects of the release, of every tier: what moved between tiers is not pruned.
    identities: dict[str, set[Identity]]


def target(every: list[releases.Release], number: int | None) -> releases.Release:
    """The release to bring back: the one asked for, else the newest before the last that did not fail and differs.

    One without tiers, as a teardown leaves it, is none to bring back. Raises EngineError.
    """
    if number is not None:
        release = releases.one(every, number)
        if not release.tiers:
            raise EngineError(
                f"Release {number} holds nothing to bring back: it is that of a teardown.",
                "Name another with TO=n, `make releases` lists them; `make teardown` takes the platform away.",
            )
        return release
    if not every:
        raise EngineError("No release is recorded, so there is nothing to bring back.", "Run site.yml first.")
    for release in reversed(every[:-1]):
        if release.tiers and not release.failed and release.tiers != every[-1].tiers:
            return release
    raise EngineError(
        f"There is no release before {every[-1].number} to bring back.",
        "Change the inventory and run site.yml, or name one with TO=n; `make releases` lists them.",
    )


def migrated(every: Iterable[releases.Release], number: int) -> list[str]:
    """A line for each schema that a release after ``number`` changed, newest first; nothing changes it back."""
    lines = []
    for release in sorted(every, key=lambda r: -r.number):
        if release.number <= number:
            break
        for migration in release.migrations:
            lines.append(
                f"Release {release.number} migrated the schema of {migration['part']} by {migration['image']}. "
                f"It stays so: check that the version of release {number} can use it."
            )
    return list(dict.fromkeys(lines))


def without_migrations(objects: Iterable[Object]) -> list[Object]:
    """An earlier version's migration ran when that version came; on the schema of a later one it has no business."""
    return [obj for obj in objects if not gates.workload_of(obj)]


def prepare(
    cluster: Cluster,
    namespace: str,
    last: releases.Release,
    release: releases.Release,
    data_tiers: Iterable[str],
    credential: Callable[[str], str],
    secret: str,
) -> Rollback:
    """Read and complete what would be applied. Writes nothing. Raises EngineError."""
    named = frozenset(data_tiers)
    unknown = named - release.tiers.keys()
    if unknown:
        raise EngineError(
            f"Release {release.number} has no tier {', '.join(sorted(unknown))}.",
            f"It has: {', '.join(sorted(release.tiers))}.",
        )
    result = Rollback(release, {}, [], [], {})
    for tier in sorted(release.tiers, key=lambda t: ORDER.index(t) if t in ORDER else len(ORDER)):
        stored = without_migrations(releases.manifests(cluster, namespace, release, tier))
        result.identities[tier] = {identity(obj) for obj in stored}
        if tier in DATA_TIERS and tier not in named:
            if release.tiers[tier] != last.tiers.get(tier):
                result.left_out.append(tier)
            continue
        # The source of every credential is not ours to turn back.
        objects = [obj for obj in stored if (obj["kind"], obj["metadata"]["name"]) != ("Secret", secret)]
        done, lacking = releases.with_credentials(objects, credential)
        for obj, reason in lacking:
            if cluster.find(SECRET, namespace, obj["metadata"]["name"]) is None:
                raise EngineError(
                    f"Release {release.number} needs {describe(obj)}, which is gone, and {reason}. "
                    "Nothing was written.",
                    "A part that left the inventory comes back by the inventory: put it in again and run site.yml.",
                )
            result.lacking.append(f"{describe(obj)} stays as it is: {reason}.")
        result.tiers[tier] = done
    stores = [obj for tier in DATA_TIERS & result.tiers.keys() for obj in result.tiers[tier]]
    store_versions.refuse(cluster, namespace, stores)
    return result


def apply(
    cluster: Cluster, namespace: str, rollback: Rollback, tier: str, options: tiers.Options, listener: tiers.Listener
) -> tiers.Result:
    """Bring one tier back. Raises EngineError; what was applied by then stays."""
    objects = rollback.tiers[tier]
    loaded = tiers.Manifests(objects, {identity(obj): f"release {rollback.release.number}" for obj in objects})
    # Secrets that could not be completed are declared too: those that are there stay.
    kept = {key for keys in rollback.identities.values() for key in keys}
    applyset, execute = ApplySet(tier, namespace), executor(cluster)
    return tiers.apply_tier(cluster, applyset, loaded, options, listener, lambda: kept, execute=execute)
