"""Bringing an earlier release back: its manifests, applied as a run of site.yml would apply them.

Credentials stay as they are now: a rotated password does not come back. Tiers with data stay out unless they are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..engine import gates
from ..engine import tier as tiers
from ..engine.applyset import ApplySet
from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..engine.manifests import Identity, describe, identity
from ..platform import store_versions
from . import floors, releases
from .cluster_view import SECRET
from .execute import executor

Object = dict[str, Any]

# In the order of site.yml. A tier of the user's own comes after them.
ORDER = ("namespace", "netpol", "datastores", "nats", "backup", "services", "frontend", "ingress")
# Older stores may not be able to read what newer ones wrote.
DATA_TIERS = frozenset({"datastores", "nats"})
ALL = "all"


@dataclass
class Rollback:
    """What is brought back: the release, and tier -> its objects with credentials filled in."""

    release: releases.Release
    tiers: dict[str, list[Object]] = field(default_factory=dict)
    # As they are recorded: with credentials by name.
    stored: dict[str, list[Object]] = field(default_factory=dict)
    # Tiers that stay as they are although they differ -> the objects that do; lines about limits that stay.
    left_out: dict[str, list[str]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    # Lines about Secrets whose values are not on record.
    lacking: list[str] = field(default_factory=list)
    # All objects of the release, of every tier: what moved between tiers is not pruned.
    identities: dict[str, set[Identity]] = field(default_factory=dict)


@dataclass(frozen=True)
class Credentials:
    """The value of a credential by its name (KeyError if there is none), and the Secret that holds them all."""

    value: Callable[[str], str]
    secret: str


def target(every: list[releases.Release], number: int | None, tiers: Iterable[str] = ()) -> releases.Release:
    """The release to bring back: the one asked for, else the newest before the last that did not fail.

    If the last did not fail either, that release has to differ from it, in ``tiers`` if any are named. After one that
    failed it need not: a run may have declared the same again and failed all the same. A release without tiers, as a
    teardown leaves it, is not one to bring back. Raises EngineError.
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
    last, named = every[-1], frozenset(tiers) - {ALL}
    for release in reversed(every[:-1]):
        if release.tiers and not release.failed and (last.failed or _differ(release, last, named)):
            return release
    where = f" that differs in {', '.join(sorted(named))}" if named else ""
    raise EngineError(
        f"There is no release before {last.number}{where} to bring back.",
        "Change the inventory and run site.yml, or name one with TO=n; `make releases` lists them.",
    )


def _differ(one: releases.Release, other: releases.Release, tiers: frozenset[str]) -> bool:
    return any(one.tiers.get(tier) != other.tiers.get(tier) for tier in tiers or {*one.tiers, *other.tiers})


def choose(release: releases.Release, named: Iterable[str], data_tiers: Iterable[str]) -> frozenset[str]:
    """The tiers of ``release`` to bring back: those ``named``, else all without data, and ``data_tiers``.

    Raises EngineError for one that the release does not have.
    """
    wanted, more = frozenset(named), frozenset(data_tiers)
    unknown = (wanted | more) - {ALL} - release.tiers.keys()
    if unknown:
        raise EngineError(
            f"Release {release.number} has no tier {', '.join(sorted(unknown))}.",
            f"It has: {', '.join(sorted(release.tiers))}; {ALL} means all of them.",
        )
    if ALL in wanted:
        return frozenset(release.tiers)
    return (wanted or frozenset(release.tiers) - DATA_TIERS) | more


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
    chosen: frozenset[str],
    credentials: Credentials,
) -> Rollback:
    """Read and complete what would be applied. Writes nothing. Raises EngineError."""
    result = Rollback(release)
    in_order = sorted(release.tiers, key=lambda t: ORDER.index(t) if t in ORDER else len(ORDER))
    stored = {tier: releases.manifests(cluster, namespace, release, tier) for tier in in_order}
    for tier, objects in stored.items():
        stored[tier] = without_migrations(objects)
        result.identities[tier] = {identity(obj) for obj in stored[tier]}
    stays = {tier for tier in release.tiers.keys() & DATA_TIERS if tier not in chosen}
    for tier in (tier for tier in in_order if tier in stays):
        if release.tiers[tier] != last.tiers.get(tier):
            result.left_out[tier] = _changed(stored[tier], releases.manifests(cluster, namespace, last, tier))
        elif (last.body["changes"].get(tier) or {}).get("failed"):
            result.left_out[tier] = ["declared the same, but failed"]
    for tier in (tier for tier in in_order if tier in chosen):
        kept = [floors.keep(cluster, obj, whole=bool(result.left_out)) for obj in stored[tier]]
        result.stored[tier] = [obj for obj, _ in kept]
        result.kept += [line for _, lines in kept for line in lines]
        result.tiers[tier] = _complete(cluster, namespace, result, tier, credentials)
    stores = [obj for tier in DATA_TIERS & result.tiers.keys() for obj in result.tiers[tier]]
    store_versions.refuse(cluster, namespace, stores)
    return result


def _changed(before: Iterable[Object], after: Iterable[Object]) -> list[str]:
    """The objects in which two recorded tiers differ."""
    old, new = ({identity(obj): obj for obj in objects} for objects in (before, after))
    return [describe(new.get(key) or old[key]) for key in sorted({*old, *new}) if old.get(key) != new.get(key)]


def _complete(
    cluster: Cluster, namespace: str, rollback: Rollback, tier: str, credentials: Credentials
) -> list[Object]:
    """The objects of a tier with credentials filled in, without those that cannot be. Raises EngineError."""
    # The source of every credential is not ours to turn back.
    source = ("Secret", credentials.secret)
    objects = [obj for obj in rollback.stored[tier] if (obj["kind"], obj["metadata"]["name"]) != source]
    done, lacking = releases.with_credentials(objects, credentials.value)
    for obj, reason in lacking:
        if cluster.find(SECRET, namespace, obj["metadata"]["name"]) is None:
            raise EngineError(
                f"Release {rollback.release.number} needs {describe(obj)}, which is gone, and {reason}. "
                "Nothing was written.",
                "A part that left the inventory comes back by the inventory: put it in again and run site.yml.",
            )
        rollback.lacking.append(f"{describe(obj)} stays as it is: {reason}.")
    return done


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
