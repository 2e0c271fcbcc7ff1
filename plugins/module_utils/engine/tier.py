"""One tier, from its templates to a ready cluster: what ``multi_agent.platform.apply`` does, without Ansible.

Split so that each step can be called alone: ``load`` (templates to objects), ``apply_tier`` (objects to the cluster),
``write`` (objects to files).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import diff, manifests
from .applier import Applier, Outcome
from .applyset import ApplySet
from .cluster import Cluster
from .errors import EngineError
from .kinds import BUILT_IN, wave
from .manifests import Identity, identity
from .render import Renderer, Resolve
from .waiter import Waiter

Object = dict[str, Any]


@dataclass
class Manifests:
    """Objects of a tier in the order of their waves, and the template that each came from."""

    objects: list[Object]
    sources: dict[Identity, str]


@dataclass
class Result:
    """What a run did, or in check mode would do."""

    outcomes: list[Outcome]
    # Members of the tier that are no longer declared.
    stale: list[Object] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return any(outcome.changed for outcome in self.outcomes)

    def objects(self) -> list[dict[str, str]]:
        """A line per object: api_version, kind, namespace, name, action."""
        return [
            {
                "api_version": outcome.desired["apiVersion"],
                "kind": outcome.desired["kind"],
                "namespace": outcome.desired["metadata"].get("namespace", ""),
                "name": outcome.desired["metadata"]["name"],
                "action": outcome.action,
            }
            for outcome in self.outcomes
        ]

    def counts(self) -> dict[str, int]:
        """How many objects were created, configured, unchanged."""
        counts = {"created": 0, "configured": 0, "unchanged": 0}
        for outcome in self.outcomes:
            counts[outcome.action] += 1
        return counts

    def diffs(self) -> list[dict[str, str]]:
        """Ansible's diff of every object that changes; values of Secrets masked."""
        return [diff.entry(outcome.before, outcome.after) for outcome in self.outcomes if outcome.changed]


def load(
    renderer: Renderer,
    templates: Iterable[str],
    resolve: Resolve,
    defined: Callable[[str], bool],
    definition: Iterable[Object],
    namespace: str,
    namespaced: Callable[[str, str], bool | None],
) -> Manifests:
    """Render, parse and complete all objects of a tier. Raises InvalidManifest."""
    texts = renderer.render(templates, resolve, defined)
    by_source = [(name, manifests.parse(text, name)) for name, text in texts.items()]
    by_source.append(("definition", manifests.collect(definition, "definition")))
    sources: dict[Identity, str] = {}
    every: list[Object] = []
    for source, objects in by_source:
        for obj in manifests.prepare(objects, source, namespaced, namespace):
            key = identity(obj)
            if key in sources:
                raise EngineError(
                    f"{manifests.describe(obj)} is declared twice: in {sources[key]} and in {source}.",
                    "Give one of them another name.",
                )
            sources[key] = source
            every.append(obj)
    every.sort(key=lambda obj: wave(obj["kind"]))
    return Manifests(every, sources)


def namespaced_by(cluster: Cluster | None) -> Callable[[str, str], bool | None]:
    """Whether a kind lives in a namespace: from the table, else from the server; None where nobody knows."""

    def namespaced(api_version: str, kind: str) -> bool | None:
        if known := BUILT_IN.get((api_version, kind)):
            return known.namespaced
        found = cluster.kinds.find(api_version, kind) if cluster else None
        return found.namespaced if found else None

    return namespaced


def apply_tier(
    cluster: Cluster,
    applyset: ApplySet,
    loaded: Manifests,
    *,
    check: bool = False,
    show_before: bool = False,
    force_conflicts: bool = False,
    wait_seconds: float = 0,
    on_object: Callable[[Outcome], None] = lambda _outcome: None,
    on_wait: Callable[[int, int, dict[str, str]], None] = lambda _done, _total, _waiting: None,
) -> Result:
    """Apply and, where ``wait_seconds`` is not 0, wait until ready.

    Raises EngineError; what was applied by then stays, and the next run goes on from there.
    """
    applier = Applier(cluster, applyset, check, show_before, force_conflicts, loaded.sources, on_object)
    outcomes, snapshot = applier.run(loaded.objects)
    declared = {identity(outcome.desired) for outcome in outcomes}
    stale = [obj for key, obj in snapshot.members.items() if key not in declared]
    if wait_seconds and not check:
        Waiter(cluster, applyset, wait_seconds, on_wait).wait(o.after for o in outcomes if o.after)
    return Result(outcomes, stale)


def write(loaded: Manifests, folder: Path, tier: str) -> list[Path]:
    """One file per object, ``<tier>/<kind>-<name>.yaml``; files of objects that are gone are removed.

    Returns the files whose content changed.
    """
    target = folder / tier
    target.mkdir(parents=True, exist_ok=True)
    wanted: dict[Path, str] = {}
    for obj in loaded.objects:
        path = target / f"{obj['kind'].lower()}-{obj['metadata']['name']}.yaml"
        text = diff.to_yaml(_by_reference(obj))
        # Two groups may have a kind of the same name: keep both in one file.
        wanted[path] = f"{wanted[path]}---\n{text}" if path in wanted else f"---\n{text}"
    changed = []
    for path in target.glob("*.yaml"):
        if path not in wanted:
            path.unlink()
            changed.append(path)
    for path, text in wanted.items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return sorted(changed)


def _by_reference(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """A Secret with its references readable (``stringData``), as values are ``credential:<name>`` when rendering."""
    if obj["kind"] != "Secret" or not obj.get("data"):
        return obj
    texts = {key: base64.b64decode(value).decode() for key, value in obj["data"].items()}
    return {**{key: value for key, value in obj.items() if key != "data"}, "stringData": texts}
