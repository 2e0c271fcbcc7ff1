"""One tier, from its templates to a ready cluster: what ``multi_agent.platform.apply`` does, without Ansible.

Split so that each step can be called alone: ``load`` (templates to objects), ``apply_tier`` (objects to the cluster),
``write`` (objects to files).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import claims, diff, gates, manifests, proof_pod, reload
from . import prune as pruning
from .applier import Applier, Outcome
from .applyset import ApplySet
from .cluster import Cluster
from .errors import EngineError, WaitFailed
from .kinds import BUILT_IN
from .lease import TierLease
from .leaving import Leaving
from .manifests import Identity, describe, identity, secret_values
from .proof import Change, Prover
from .render import Renderer, Resolve
from .snapshot import Snapshot
from .stuck_pods import would_replace
from .waiter import Waiter

Object = dict[str, Any]

ACTIONS = ("created", "configured", "recreated", "unchanged", "pruned", "kept")
"""What happens to an object."""


@dataclass
class Manifests:
    """Objects of a tier in the order of their waves, and the template that each came from."""

    objects: list[Object]
    sources: dict[Identity, str]


@dataclass
class Result:
    """What a run did, or in check mode would do."""

    outcomes: list[Outcome]
    # Members that were no longer declared and went, and those that stayed because they hold data, with the reason.
    pruned: list[Object] = field(default_factory=list)
    kept: list[tuple[Object, str]] = field(default_factory=list)
    # How long reading and writing, the wait and pruning took.
    seconds: dict[str, float] = field(default_factory=dict)
    # Workloads whose servers took up a Secret that they had not taken up yet.
    reloaded: list[Object] = field(default_factory=list)
    # Workloads that keep data and whose new version is proven before their pods are replaced.
    proven: list[Object] = field(default_factory=list)
    # Pods that were deleted because they were stuck on an earlier revision of their StatefulSet, and why.
    replaced: list[tuple[Object, str]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.pruned or self.reloaded or self.replaced) or any(o.changed for o in self.outcomes)

    def objects(self) -> list[dict[str, str]]:
        """One entry per object: api_version, kind, namespace, name, action."""
        return [
            *(_entry(outcome.desired, outcome.action) for outcome in self.outcomes),
            *(_entry(obj, "pruned") for obj in self.pruned),
            *(_entry(obj, "kept") for obj, _ in self.kept),
        ]

    def counts(self) -> dict[str, int]:
        """How many objects were created, configured, recreated, unchanged, pruned, kept."""
        counts = dict.fromkeys(ACTIONS, 0)
        for entry in self.objects():
            counts[entry["action"]] += 1
        return counts

    def replaced_pods(self) -> list[dict[str, str]]:
        """One entry per pod that was stuck on an earlier revision: namespace, name, reason."""
        return [
            {"namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"], "reason": reason}
            for pod, reason in self.replaced
        ]

    def diffs(self) -> list[dict[str, str]]:
        """Ansible's diff of every object that changes or goes; values of Secrets masked."""
        return [
            *(diff.entry(outcome.before, outcome.after) for outcome in self.outcomes if outcome.changed),
            *(diff.entry(obj, None) for obj in self.pruned),
        ]


def _entry(obj: Object, action: str) -> dict[str, str]:
    metadata = obj["metadata"]
    return {
        "api_version": obj["apiVersion"],
        "kind": obj["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "action": action,
    }


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
    every.sort(key=gates.wave)
    return Manifests(every, sources)


def namespaced_by(cluster: Cluster | None) -> Callable[[str, str], bool | None]:
    """Whether a kind lives in a namespace: from the table, else from the server; None where nobody knows."""

    def namespaced(api_version: str, kind: str) -> bool | None:
        if known := BUILT_IN.get((api_version, kind)):
            return known.namespaced
        found = cluster.kinds.find(api_version, kind) if cluster else None
        return found.namespaced if found else None

    return namespaced


@dataclass(frozen=True)
class Options:
    """How a tier is applied. Seconds of 0: do not wait."""

    check: bool = False
    force_conflicts: bool = False
    # Replace a StatefulSet, around its running pods, if all that cannot be changed in place are larger volumes.
    grow_volumes: bool = False
    wait_seconds: float = 0
    lock_seconds: float = 0
    prune: bool = True
    # Whether new versions of pods that keep data are proven before the pods are replaced.
    prove: bool = True
    policy: pruning.Policy = field(default_factory=pruning.Policy)


@dataclass(frozen=True)
class Listener:
    """Who wants to know what happens meanwhile."""

    on_object: Callable[[Outcome], None] = lambda _outcome: None
    on_pruned: Callable[[Object], None] = lambda _obj: None
    on_wait: Callable[[int, int, dict[str, str]], None] = lambda _done, _total, _waiting: None
    say: Callable[[str], None] = lambda _line: None
    on_plan: Callable[[int], None] = lambda _total: None
    on_replaced: Callable[[Object, str], None] = lambda _pod, _reason: None


def apply_tier(
    cluster: Cluster,
    applyset: ApplySet,
    loaded: Manifests,
    options: Options,
    listener: Listener,
    elsewhere: Callable[[], set[Identity]] = set,
    seen: Snapshot | None = None,
    execute: reload.Execute = reload.no_command,
    locked: Callable[[], None] = lambda: None,
) -> Result:
    """Apply, wait until ready, let servers take up their Secrets, then prune what is no longer declared.

    ``elsewhere`` gives what other tiers declare; it is called only when something would be pruned. ``seen``: what is
    there, where the caller has looked (see ``snapshot``) and nothing was written since. ``execute`` runs a command in a
    pod. ``locked`` is called with the Lease held, before anything is written under it; may raise to stop the run.
    Raises EngineError; what was applied by then stays, and the next run goes on from there.
    """
    lease = TierLease(cluster, applyset, options.lock_seconds, listener.say, taken=locked)
    leaving = Leaving(
        cluster,
        applyset,
        {identity(obj) for obj in loaded.objects},
        elsewhere,
        options.policy,
        check=options.check,
        prunes=options.prune,
        wait_seconds=options.wait_seconds,
        on_pruned=listener.on_pruned,
    )

    replaced: list[tuple[Object, str]] = []
    replace = functools.partial(_note_replaced, replaced, listener)

    def wait(objects: Iterable[Object]) -> None:
        waiter = Waiter(cluster, applyset, options.wait_seconds, listener.on_wait, replaced=replace)
        try:
            waiter.wait(objects)
        finally:
            claims.record(cluster, waiter.ready(), listener.say)

    def pass_gates(live: list[Object]) -> None:
        waiter = Waiter(cluster, applyset, gates.patience(live), listener.on_wait, gates.LOG_LINES)
        try:
            waiter.wait(live)
        except WaitFailed as error:
            remedy = "No workload of this tier was changed. Mend the cause and run again, which starts it anew."
            raise WaitFailed(error.message, error.report, remedy) from None

    prover = Prover(cluster, applyset.tier, options.wait_seconds, listener.say, listener.on_wait)

    def prove(changes: list[tuple[Object, Object]], todo: list[Object]) -> None:
        if options.prove:
            prover.prove([Change(*change) for change in changes], todo)

    applier = Applier(
        cluster,
        applyset,
        check=options.check,
        force_conflicts=options.force_conflicts,
        grow_volumes=options.grow_volumes,
        sources=loaded.sources,
        progress=listener.on_object,
        planned=listener.on_plan,
        lock=lease.acquire_once,
        outdated=lambda snapshot: lease.outdated(snapshot.parent),
        seen=seen,
        review=leaving.review,
        leaves=leaving.leaves,
        clear=leaving.clear,
        pass_gates=pass_gates,
        prove=prove,
    )
    seconds: dict[str, float] = {}
    try:
        with _timed(seconds, "apply"):
            outcomes = applier.run(loaded.objects)
        proven = _proven(outcomes) if options.prove else []
        for note in [*leaving.notes(), *(would_be_proven(obj) for obj in proven if options.check)]:
            listener.say(note)
        if options.check:
            _foresee_replaced(cluster, outcomes, replace)
        elif options.wait_seconds:
            with _timed(seconds, "wait"):
                wait(o.after for o in outcomes if o.after)
        due = [] if options.check else reload.due(outcomes)
        if due:
            lease.acquire_once()
            # What the Secret holds by now has to start before the pods that hold the former content go.
            taken = [
                reload.take_up(cluster, work, execute, listener.say, lambda live: prove([(live, live)], []))
                for work in due
            ]
            if options.wait_seconds:
                wait(obj for obj in taken if obj)
        if leaving.plan.going:
            with _timed(seconds, "prune"):
                if not options.check:
                    lease.acquire_once()
                leaving.finish()
    finally:
        lease.release()
    taken_up = [work.workload for work in due if not work.new]
    return Result(outcomes, leaving.gone, leaving.plan.kept, seconds, taken_up, proven, replaced)


def _proven(outcomes: Iterable[Outcome]) -> list[Object]:
    return [o.desired for o in outcomes if o.changed and proof_pod.replaces_pods(o.before, o.after)]


def would_be_proven(workload: Object) -> str:
    """What a dry run says of a workload whose new version a run would prove."""
    return f"{describe(workload)}: its new version would be proven on a pod of its own before a pod is replaced"


def _note_replaced(replaced: list[tuple[Object, str]], listener: Listener, pod: Object, reason: str) -> None:
    replaced.append((pod, reason))
    listener.on_replaced(pod, reason)


def _foresee_replaced(cluster: Cluster, outcomes: Iterable[Outcome], replace: Callable[[Object, str], None]) -> None:
    """Report the pods that a run would replace because they are stuck on an earlier revision of their StatefulSet."""
    for outcome in outcomes:
        if outcome.desired["kind"] == "StatefulSet" and outcome.before and outcome.after:
            for pod, reason in would_replace(cluster, outcome.before, outcome.after):
                replace(pod, reason)


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[what] = round(time.monotonic() - began, 3)


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
    return {**{key: value for key, value in obj.items() if key != "data"}, "stringData": secret_values(obj)}
