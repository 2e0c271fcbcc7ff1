"""Whether everything that the last release declares is there, tier by tier."""

from __future__ import annotations

from ..engine.cluster import Cluster
from ..engine.manifests import describe
from ..operations import declared, shortfalls
from .checks import Check, failed, judge, skipped

GROUP = "declared objects"


def check(cluster: Cluster, namespace: str) -> list[Check]:
    """A line for each tier, and one for what cannot be compared. Raises EngineError."""
    return judged(declared.read(cluster, namespace), namespace)


def judged(known: declared.Declared, namespace: str) -> list[Check]:
    """As ``check``, of what was read. What this user may not read is skipped."""
    checks = []
    for what, todo in shortfalls.unknown(known, namespace):
        outcome = skipped if todo == shortfalls.ROLE else failed
        checks.append(outcome(GROUP, "last release", f"{what}: {todo}"))
    for tier, objects in known.objects.items():
        absent = [each for each in known.missing if each.tier == tier]
        problems = [f"{describe(m.obj)} is {'being deleted' if m.deleting else 'missing'}" for m in absent]
        if problems:
            problems[-1] += ": run site.yml"
        checks.append(judge(GROUP, tier, problems, f"{len(objects)} are there"))
    return checks
