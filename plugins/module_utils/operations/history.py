"""Releases for people: the list, one in full, two compared."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ..engine.cluster import Cluster
from ..engine.manifests import describe, identity
from . import releases
from .fields import differences, shown
from .screen import age, table


def listing(every: Iterable[releases.Release], now: datetime) -> list[str]:
    """A line a release, the newest first."""
    rows = []
    for release in sorted(every, key=lambda r: -r.number):
        body = release.body
        result = "FAILED" if release.failed else "done"
        changed = f"{', '.join(body['changes'])}: {release.summary() or 'recorded again'}" if body["changes"] else ""
        rows.append(
            (
                str(release.number),
                age(body["time"], now),
                body["by"],
                release.origin.environment,
                _inventory(body),
                body["revision"],
                result,
                body["note"],
                changed,
            )
        )
    header = ("RELEASE", "AGE", "BY", "ENVIRONMENT", "INVENTORY", "REVISION", "RESULT", "NOTE", "CHANGED")
    return table(header, rows)


def _inventory(body: releases.Object) -> str:
    """Folder and host of the inventory: ``prod/eu``."""
    return "/".join(filter(None, (body.get("inventory"), body.get("cluster"))))


def details(release: releases.Release, now: datetime) -> list[str]:
    """Everything that is known of a release but its manifests."""
    body = release.body
    versions = ", ".join(f"{name} {version}" for name, version in sorted(body["versions"].items()) if version)
    lines = [
        f"Release {release.number} of cluster {body['cluster']}{', FAILED' if release.failed else ''}",
        *table(
            ("", ""),
            [
                ("when", f"{body['time']} ({age(body['time'], now)} ago)"),
                ("by", body["by"]),
                ("environment", release.origin.environment or "not recorded"),
                ("inventory", body["inventory"]),
                ("cluster UID", release.origin.cluster_uid or "not recorded"),
                ("revision", body["revision"] or "not from git"),
                ("versions", versions),
                *([("note", body["note"])] if body["note"] else []),
            ],
        )[1:],
    ]
    for tier, change in body["changes"].items():
        lines += ["", f"{tier}:", *(f"  {line}" for line in change["objects"])]
        more = sum(change["counts"].values()) - len(change["objects"])
        if more > 0:
            lines.append(f"  and {more} more")
        lines += [f"  migrated {m['part']} by {m['image']} (Job {m['job']})" for m in change.get("migrations") or []]
        if change["failed"]:
            lines.append(f"  failed: {change['failed']}")
    return lines


def compare(cluster: Cluster, namespace: str, old: releases.Release, new: releases.Release) -> list[str]:
    """What is declared differently in ``new``. Secrets hold references, so nothing needs to be masked."""
    lines: list[str] = []
    for tier in sorted({*old.tiers, *new.tiers}):
        if old.tiers.get(tier) == new.tiers.get(tier):
            continue
        before = {identity(o): o for o in releases.manifests(cluster, namespace, old, tier)}
        after = {identity(o): o for o in releases.manifests(cluster, namespace, new, tier)}
        lines.append(f"{tier}:")
        for key in sorted({*before, *after}):
            one, other = before.get(key), after.get(key)
            if one is None and other is not None:
                lines.append(f"  + {describe(other)}")
            elif other is None and one is not None:
                lines.append(f"  - {describe(one)}")
            elif one is not None and other is not None and one != other:
                lines.append(f"  ~ {describe(one)}")
                for field in differences(one, other):
                    lines.append(f"      {field.path}: {shown(field.wanted)} -> {shown(field.found)}")
    head = f"From release {old.number} to {new.number}"
    return [f"{head}:", *lines] if lines else [f"{head}: the same manifests"]
