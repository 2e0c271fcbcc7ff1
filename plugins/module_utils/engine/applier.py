"""Brings a tier to what its manifests say: reads what is there, writes what differs, many objects at once.

Order: the waves of ``kinds``. Within a wave all at once. Every write is a server-side apply, so it may be sent again;
nothing is recorded outside of the cluster and no lock is held, so a killed run is finished by the next one.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from . import conflicts, definitions, gates, halted, handover, immutable, replicas
from .applyset import PART_OF, ApplySet, covers
from .cluster import Cluster
from .compare import INPUT_HASH, holds, input_hash, unchanged
from .diff import clean
from .errors import ApiError, EngineError
from .fieldsets import without
from .interruption import Interrupted
from .kinds import WAVES, Kind, missing
from .manifests import Identity, describe, identity
from .proof_pod import keeps_data, replaces_pods
from .retry import lacks_namespace
from .snapshot import PARENT, Snapshot, take
from .transport import POOL_SIZE

Object = dict[str, Any]

CREATED, CONFIGURED, RECREATED, UNCHANGED = "created", "configured", "recreated", "unchanged"
_GONE_SECONDS = 60.0
_GONE_POLL_SECONDS = 0.2
# How often an object that others change in between is looked at again.
_ATTEMPTS = 10


@dataclass
class Outcome:
    """What happened (or, in check mode, would happen) to one object."""

    desired: Object
    action: str
    before: Object | None = None
    after: Object | None = None

    @property
    def changed(self) -> bool:
        return self.action != UNCHANGED


class Failures(EngineError):
    """Several objects were refused; each line names one."""


@dataclass
class Applier:
    """One run for one tier."""

    cluster: Cluster
    applyset: ApplySet
    check: bool = False
    force_conflicts: bool = False
    # Replace StatefulSets whose volumes are declared larger.
    grow_volumes: bool = False
    sources: Mapping[Identity, str] = field(default_factory=dict)
    progress: Callable[[Outcome], None] = lambda _outcome: None
    # Called with how many objects are about to be written.
    planned: Callable[[int], None] = lambda _total: None
    # Called before the first write into the namespace; true where it had to wait for another run.
    lock: Callable[[], bool] = lambda: False
    # Whether another run has ended on this tier since the snapshot. Asked with the lock held.
    outdated: Callable[[Snapshot], bool] = lambda _snapshot: False
    # What is there, where the caller has looked already.
    seen: Snapshot | None = None
    # Called with what is there before anything is written, again where that changed: whether something has to be
    # deleted. May raise to stop the run.
    review: Callable[[Snapshot], bool] = lambda _snapshot: False
    # Whether an object is pruned by this run, of those that are still there.
    leaves: Callable[[Object], bool] = lambda _obj: False
    # Called before anything is written with the workloads that keep data and whose pods a write would replace, each as
    # it is and as the server would have it, and with all that is to be written; raises where one must not be replaced.
    prove: Callable[[list[tuple[Object, Object]], list[Object]], None] = lambda _changes, _todo: None
    # Deletes what has to go before anything is written.
    clear: Callable[[], None] = lambda: None
    # Called with the gates of the tier before anything behind them is written; raises where one does not open.
    pass_gates: Callable[[list[Object]], None] = lambda _gates: None
    _least: halted.Minimums = field(init=False, default_factory=dict)

    def run(self, objects: list[Object]) -> list[Outcome]:
        """Apply ``objects`` (prepared by ``manifests``) in their waves.

        Raises EngineError: a single failure as it is, several as one that lists them all.
        """
        kinds = {(o["apiVersion"], o["kind"]): self.cluster.kinds.find(o["apiVersion"], o["kind"]) for o in objects}
        desired = [self._stamp(obj) for obj in objects]
        self._least = halted.minimums(desired)
        with ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="apply") as pool:
            snapshot = self.seen or self._look(desired)
            self._check_namespace(snapshot, desired)
            todo, deletes = self._todo(desired, snapshot), self.review(snapshot)
            writes = bool(todo or deletes or self._parent_due(snapshot, desired)) and not self.check
            if writes and snapshot.namespace_exists and (self.lock() or self.outdated(snapshot)):
                # What another run wrote meanwhile counts.
                snapshot = self._look(desired)
                todo = self._todo(desired, snapshot)
                self.review(snapshot)
            if not self.check and (replaced := self._replaced(todo, kinds, snapshot)):
                self.prove(replaced, todo)
            self.clear()
            self.planned(len(todo))
            written = self._waves(pool, todo, kinds, snapshot, desired)
        return [
            written.get(identity(obj)) or Outcome(obj, UNCHANGED, live, live)
            for obj in desired
            for live in [snapshot.members.get(identity(obj))]
        ]

    def _todo(self, desired: list[Object], snapshot: Snapshot) -> list[Object]:
        """What has to be sent: all but the objects that hold every value that we declare, and are not stopped."""
        return [obj for obj in desired if self._differs(obj, snapshot.members.get(identity(obj)))]

    def _differs(self, desired: Object, live: Object | None) -> bool:
        stopped = live is not None and bool(halted.correction(desired, live, self._least))
        return stopped or _differs(desired, live, self.force_conflicts)

    def _waves(
        self,
        pool: ThreadPoolExecutor,
        todo: list[Object],
        kinds: dict[tuple[str, str], Kind | None],
        snapshot: Snapshot,
        desired: list[Object],
    ) -> dict[Identity, Outcome]:
        written: dict[Identity, Outcome] = {}
        try:
            self._write_waves(pool, todo, kinds, snapshot, desired, written)
        except Interrupted as stop:
            left = [describe(obj) for obj in todo if identity(obj) not in written]
            if not left:
                raise
            what = f"{len(written)} of {len(todo)} objects that differ were written; not yet: {', '.join(left)}."
            raise Interrupted(stop.reason, what) from None
        return written

    def _write_waves(
        self,
        pool: ThreadPoolExecutor,
        todo: list[Object],
        kinds: dict[tuple[str, str], Kind | None],
        snapshot: Snapshot,
        desired: list[Object],
        written: dict[Identity, Outcome],
    ) -> None:
        parent_written = False
        passed = self.check
        for number in range(len(WAVES)):
            members = [obj for obj in todo if gates.wave(obj) == number]
            # A namespace that comes with this run comes in the first wave.
            if not parent_written and (number > 0 or snapshot.namespace_exists):
                parent_written = True
                self._lock_new_namespace(snapshot)
                self._write_parent(snapshot, desired)
            if not members:
                continue
            if number > gates.WAVE and not passed:
                passed = True
                self._pass_gates(desired, snapshot, written)
            self._look_up(kinds, members, desired)
            done = list(pool.map(lambda obj: self._one(obj, kinds, snapshot), members))
            for outcome in done:
                if isinstance(outcome, Outcome):
                    written[identity(outcome.desired)] = outcome
            _raise(done)
            if not self.check:
                made = [written[identity(obj)].after for obj in members if obj["kind"] == definitions.DEFINITION.kind]
                definitions.await_served(self.cluster, [live for live in made if live])

    def _pass_gates(self, desired: list[Object], snapshot: Snapshot, written: Mapping[Identity, Outcome]) -> None:
        """Every gate, also those of earlier runs: one that was killed may have left it half-way."""
        keys = [identity(obj) for obj in desired if gates.workload_of(obj)]
        found = [(written[key].after if key in written else None) or snapshot.members.get(key) for key in keys]
        if live := [obj for obj in found if obj]:
            self.pass_gates(live)

    # --- before -------------------------------------------------------------------------------------------------------

    def _replaced(
        self, todo: list[Object], kinds: Mapping[tuple[str, str], Kind | None], snapshot: Snapshot
    ) -> list[tuple[Object, Object]]:
        """Workloads of ``todo`` that keep data and whose pods would be replaced: as each is, and as it would be."""
        found = []
        for obj in todo:
            kind = kinds[obj["apiVersion"], obj["kind"]]
            if not kind or not snapshot.namespace_exists or not keeps_data(obj):
                continue
            # One that another tool made is adopted.
            live = snapshot.members.get(identity(obj)) or self._live(kind, obj)
            if live is None or _leaving(live):
                continue
            try:
                after = replace(self, check=True)._bring(kind, obj, live)[1]
            except immutable.ImmutableField:
                raise  # nothing of the tier is written for a StatefulSet that is refused
            except EngineError:
                after = obj  # the write itself says why it is refused
            if after is obj and holds(obj["spec"]["template"], live["spec"]["template"]):
                continue  # it is recreated around pods that stay
            if replaces_pods(live, after):
                found.append((live, after))
        return found

    def _stamp(self, obj: Object) -> Object:
        stamped = copy.copy(obj)
        metadata = stamped["metadata"] = dict(obj["metadata"])
        metadata["labels"] = {**(metadata.get("labels") or {}), PART_OF: self.applyset.id}
        annotations = metadata["annotations"] = dict(metadata.get("annotations") or {})
        annotations[INPUT_HASH] = input_hash(stamped)
        return stamped

    def _look(self, desired: list[Object]) -> Snapshot:
        return take(self.cluster, self.applyset.namespace, {self.applyset: desired})[self.applyset]

    def _check_namespace(self, snapshot: Snapshot, desired: list[Object]) -> None:
        name = self.applyset.namespace
        brought = any(obj["kind"] == "Namespace" and obj["metadata"]["name"] == name for obj in desired)
        if not (snapshot.namespace_exists or brought or self.check):
            raise EngineError(
                f"Namespace {name} does not exist.", "Run the tier that makes it first (site.yml --tags namespace)."
            )

    # --- writing ------------------------------------------------------------------------------------------------------

    def _lock_new_namespace(self, snapshot: Snapshot) -> None:
        """A namespace that came with this run can hold the Lease from here on.

        Raises EngineError where another first run was quicker: what this one saw, and made of it, is of before.
        """
        if self.check or snapshot.namespace_exists:
            return
        self.lock()
        if self.cluster.find(PARENT, self.applyset.namespace, self.applyset.name):
            raise EngineError(
                f"Another run has begun with tier {self.applyset.tier} in namespace {self.applyset.namespace}, "
                "which did not exist when this run looked.",
                "Run again: what is there by then counts.",
            )

    def _write_parent(self, snapshot: Snapshot, desired: list[Object]) -> None:
        """The parent names at least the kinds and namespaces that are about to be written, before any of them is.

        Also where nothing is: somebody may have changed or deleted it, and the next run looks where it says.
        """
        if not self.check and (parent := self._parent_due(snapshot, desired)):
            self.cluster.apply(PARENT, parent, force=True, what=f"ConfigMap {self.applyset.name}")

    def _parent_due(self, snapshot: Snapshot, desired: list[Object]) -> Object | None:
        """The parent as it has to be written; None where it is as it should be, or has nothing to name."""
        here = {*snapshot.members, *snapshot.unread, *(identity(obj) for obj in desired)}
        parent = self.applyset.parent(here)
        return None if not here or covers(snapshot.parent, parent) else parent

    def _look_up(
        self, kinds: dict[tuple[str, str], Kind | None], members: Iterable[Object], desired: Iterable[Object]
    ) -> None:
        """Kinds that were not served at the start may be by now: their definition was in an earlier wave."""
        for obj in members:
            key = (obj["apiVersion"], obj["kind"])
            if kinds[key] is None:
                kinds[key] = self.cluster.kinds.find(*key)
            if kinds[key] is None:
                self.cluster.kinds.forget()
                kinds[key] = self.cluster.kinds.find(*key)
                if kinds[key] is None and not (self.check and key in definitions.promised(desired)):
                    raise missing(*key, self._what(obj))

    def _one(
        self, desired: Object, kinds: Mapping[tuple[str, str], Kind | None], snapshot: Snapshot
    ) -> Outcome | EngineError:
        live = snapshot.members.get(identity(desired))
        try:
            outcome = self._write(desired, live, kinds[desired["apiVersion"], desired["kind"]], snapshot)
        except EngineError as error:
            return error
        self.progress(outcome)
        return outcome

    def _write(self, desired: Object, live: Object | None, kind: Kind | None, snapshot: Snapshot) -> Outcome:
        if kind is None or (self.check and kind.namespaced and not snapshot.namespace_exists):
            return Outcome(desired, CREATED, None, desired)  # check mode: its kind or namespace comes with this run
        if live is None and self._may_exist(desired, snapshot):
            live = self._live(kind, desired)  # another tool may have made it
        if live is not None and _leaving(live):
            if self.check:
                return Outcome(desired, CREATED, None, desired)
            self._until_gone(kind, live, self._what(desired))
            live = None
        if live is not None and gates.has_failed(live):
            action, after = self._recreate(kind, desired, live, self._what(desired), self.check)
            return Outcome(desired, action, live, after)
        if live is not None and not self.force_conflicts:
            conflicts.check_autoscaled(self.cluster, desired, live, self._what(desired), self.leaves)
        if live is not None and not self.check:
            replicas.keep(self.cluster, kind, desired, live)
        action, after = self._bring(kind, desired, live)
        if action != CONFIGURED:
            return Outcome(desired, action, live, after)
        if spec := halted.correction(desired, after, self._least):
            return Outcome(desired, CONFIGURED, live, halted.start(self.cluster, kind, after, spec, check=self.check))
        same = live is not None and clean_for_change(live, desired) == clean_for_change(after, desired)
        return Outcome(desired, UNCHANGED if same else CONFIGURED, live, after)

    def _bring(self, kind: Kind, desired: Object, live: Object | None) -> tuple[str, Object]:
        """As ``_apply``, also of an object in which other managers own fields."""
        if live is not None and handover.involved(live, self.force_conflicts):
            return self._take_over(kind, desired)
        return self._apply(kind, desired, self.force_conflicts, self.check)

    def _may_exist(self, desired: Object, snapshot: Snapshot) -> bool:
        return snapshot.namespace_exists or desired["metadata"].get("namespace") != self.applyset.namespace

    def _take_over(self, kind: Kind, desired: Object) -> tuple[str, Object]:
        """As ``_apply``, of an object in which other managers own fields that are to be ours, or are to go."""
        what, force = self._what(desired), self.force_conflicts
        for _ in range(_ATTEMPTS):
            live = self._live(kind, desired)
            action, after = self._apply(kind, desired, force, True)
            change = handover.hand_over(live, after, force) if live and action == CONFIGURED else None
            if live and change and change.removed:
                try:
                    target = without(after, change.removed, change.staying)
                    after = handover.preview(self.cluster, kind, live, target, change.entries)
                except ApiError as error:
                    if not immutable.refused_for(error):
                        raise
                    change = None  # what cannot be removed stays with the tool
            if self.check:
                return action, after
            if live is None or change is None or handover.record(self.cluster, kind, live, change):
                return self._apply(kind, desired, force, False)
        raise EngineError(
            f"{what}: it is changed by others all the time.", "Stop the controller that changes it, then run again."
        )

    def _apply(self, kind: Kind, desired: Object, force: bool, dry: bool) -> tuple[str, Object]:
        """The action (created, recreated or configured) and the object as the server has it now."""
        what = self._what(desired)
        try:
            return self._send(kind, desired, what, force, dry)
        except ApiError as error:
            if self.check and lacks_namespace(error):
                return CREATED, desired  # it comes with this run
            if not force and conflicts.may_take(error):
                return self._apply(kind, desired, True, dry)
            if conflicts.managers(error):
                return self._resolve(kind, desired, error, dry)
            if immutable.refused_for(error) and (live := self._live(kind, desired)):
                if immutable.may_recreate(error, desired) or (self.grow_volumes and immutable.grows(desired, live)):
                    return self._recreate(kind, desired, live, what, dry)
                raise immutable.explain(error, what, desired, live) from error
            raise

    def _resolve(self, kind: Kind, desired: Object, error: ApiError, dry: bool) -> tuple[str, Object]:
        """As ``_apply``, of a conflict with managers that are not replaced: forced if it is one of spelling only.

        The server judges, by what a forced dry run makes of the fields. Raises FieldConflict.
        """
        what, live = self._what(desired), self._live(kind, desired)
        if live is None:
            raise conflicts.explain(error, what, None) from error
        version = live["metadata"]["resourceVersion"]
        pinned = {**desired, "metadata": {**desired["metadata"], "resourceVersion": version}}
        alike: frozenset[str] = frozenset()
        try:
            action, after = self._send(kind, pinned, what, True, True)
            alike = conflicts.equal(error, live, after)
            if conflicts.may_take(error, alike):
                return (action, after) if dry else self._send(kind, pinned, what, True, False)
        except ApiError as refused:
            if refused.status == 409 and not conflicts.managers(refused):
                return self._apply(kind, desired, False, dry)  # changed in between: the conflict may be another now
            if alike:
                raise
        raise conflicts.explain(error, what, live, alike) from error

    def _send(self, kind: Kind, desired: Object, what: str, force: bool, dry: bool) -> tuple[str, Object]:
        created, after = self.cluster.apply(kind, desired, dry_run=dry, force=force, what=what)
        if _leaving(after) and not dry:  # nobody had looked at it: it was not of this tier, or was there still
            self._until_gone(kind, after, what)
            created, after = self.cluster.apply(kind, desired, what=what)
        return CREATED if created else CONFIGURED, after

    def _live(self, kind: Kind, desired: Object) -> Object | None:
        return self.cluster.find(kind, desired["metadata"].get("namespace"), desired["metadata"]["name"])

    def _recreate(self, kind: Kind, desired: Object, live: Object, what: str, dry: bool) -> tuple[str, Object]:
        if dry:
            return RECREATED, desired
        metadata = live["metadata"]
        namespace, name, uid = metadata.get("namespace"), metadata["name"], metadata["uid"]
        keeps_pods = desired["kind"] == "StatefulSet"
        if keeps_pods:
            self._check_replacement(kind, desired, what)
        # A run that is told to stop in between leaves nothing deleted that is not made again.
        with self.cluster.interruption.shielded():
            self.cluster.delete(kind, namespace, name, uid=uid, propagation="Orphan" if keeps_pods else "Background")
            self._until_gone(kind, live, what)
            return RECREATED, self._send(kind, desired, what, False, False)[1]

    def _check_replacement(self, kind: Kind, desired: Object, what: str) -> None:
        """The server takes the replacement, by a dry run under another name. Raises EngineError; nothing is deleted."""
        namesake = {**desired, "metadata": {**desired["metadata"], "name": f"{desired['metadata']['name'][:40]}-proof"}}
        self.cluster.apply(kind, namesake, dry_run=True, what=what)

    def _until_gone(self, kind: Kind, live: Object, what: str) -> None:
        """Wait until ``live``, which is being deleted, is gone. Raises EngineError naming what holds it."""
        deadline = time.monotonic() + _GONE_SECONDS
        while (left := self._live(kind, live)) and left["metadata"]["uid"] == live["metadata"]["uid"]:
            if time.monotonic() > deadline:
                held = ", ".join(left["metadata"].get("finalizers") or ["none"])
                raise EngineError(
                    f"{what}: the old one is being deleted, and not gone after {_GONE_SECONDS:.0f} s "
                    f"(finalizers: {held}).",
                    "Mend what has to take its finalizers off, then run again: the new one is made when it is gone.",
                )
            self.cluster.interruption.sleep(_GONE_POLL_SECONDS)

    def _what(self, obj: Object) -> str:
        source = self.sources.get(identity(obj))
        return f"{describe(obj)} ({source})" if source else describe(obj)


def _differs(desired: Object, live: Object | None, force: bool) -> bool:
    """Whether ``desired`` has to be sent. What a gate does is in its name: one that has been passed stays as it is."""
    if live is None or _leaving(live) or gates.has_failed(live):
        return True
    return not gates.workload_of(desired) and (not unchanged(desired, live) or handover.due(live, force))


def _leaving(live: Object) -> bool:
    """Whether ``live`` is being deleted: it is gone as soon as nothing holds it any more, whatever is written to it."""
    return "deletionTimestamp" in live["metadata"]


def clean_for_change(obj: Object, desired: Object) -> Object:
    """What counts as a change by us: not the status, nor the replicas that an autoscaler moves meanwhile."""
    kept = clean(obj)
    kept["metadata"].setdefault("annotations", {})[INPUT_HASH] = (obj["metadata"].get("annotations") or {}).get(
        INPUT_HASH
    )
    spec = kept.get("spec")
    if isinstance(spec, dict) and "replicas" in spec and "replicas" not in (desired.get("spec") or {}):
        kept["spec"] = {key: value for key, value in spec.items() if key != "replicas"}
    return kept


def _raise(results: Iterable[Outcome | EngineError]) -> None:
    errors = [result for result in results if isinstance(result, EngineError)]
    # Of a run that was told to stop, only what was refused before is worth a line each.
    errors = [error for error in errors if not isinstance(error, Interrupted)] or errors[:1]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        # One cause often refuses many objects: say its remedy once.
        remedies = list(dict.fromkeys(error.remedy for error in errors if error.remedy))
        lines = [f"- {error.message}" for error in errors]
        raise Failures("\n".join([f"{len(errors)} objects were refused:", *lines]), "\n".join(remedies))
