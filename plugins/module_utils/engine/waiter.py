"""Waits until objects are ready, by watch; ends early when one no longer can be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from .applyset import ApplySet
from .cluster import Cluster
from .diagnosis import LOG_LINES, Diagnosis
from .errors import ApiError, EngineError, WaitFailed
from .gates import is_job, workload_of
from .interruption import Interrupted
from .kinds import BUILT_IN, Kind
from .manifests import Identity, describe, identity
from .readiness import AWAITED, CURRENT, Readiness, State, overdue, readiness
from .stuck_pods import Replaced, StuckPods

Object = dict[str, Any]

WATCH_SECONDS = 30.0
# How often the pods below are looked at for a reason to give up.
DIAGNOSE_SECONDS = 2.0
# And at how many objects each time.
LOOKED_AT = 10
RESUME_SECONDS = 0.5
# A progress deadline that had passed before the wait began says nothing of this run, which may have mended the cause:
# only when it has lasted.
OVERDUE_SECONDS = 30.0
# A report looks below this many objects; of further ones it says what they wait for.
LOOKED_BELOW = 10
_DELETED = Readiness(State.FAILED, "was deleted by somebody else while it was awaited")


def awaited(obj: Object) -> bool:
    """Whether readiness of this kind takes time: workloads and the like, and every custom resource."""
    return (obj["apiVersion"], obj["kind"]) not in BUILT_IN or identity(obj)[:2] in AWAITED


def _left_alone(obj: Object) -> bool:
    """Whether ``obj`` is a Job that somebody suspended on purpose. A gate is never: what follows relies on its work."""
    return is_job(obj) and bool(obj["spec"].get("suspend")) and not workload_of(obj)


def _some(objects: list[Object], look: int) -> list[Object]:
    """A few objects, others at each look: every one costs a request, and hundreds may be pending."""
    start = look * LOOKED_AT % len(objects)
    return (objects + objects)[start : start + min(LOOKED_AT, len(objects))]


class Waiter:
    """Follows a set of objects until all are ready.

    ``progress(done, total, waiting)`` is called twice a second; ``waiting`` maps object names to what they wait for.
    ``replaced(pod, reason)`` is called with a pod that was deleted because it was stuck on an earlier revision.
    """

    def __init__(
        self,
        cluster: Cluster,
        applyset: ApplySet,
        timeout: float,
        progress: Callable[[int, int, dict[str, str]], None] = lambda _done, _total, _waiting: None,
        log_lines: int = LOG_LINES,
        replaced: Replaced = lambda _pod, _reason: None,
    ) -> None:
        self._cluster = cluster
        self._applyset = applyset
        self._timeout = timeout
        self._progress = progress
        self._log_lines = log_lines
        self._replaced = replaced
        self._change = threading.Condition()
        self._live: dict[Identity, Object] = {}
        self._state: dict[Identity, Readiness] = {}
        # Conditions of Deployments whose progress deadline had passed before the wait began.
        self._overdue: dict[Identity, Object] = {}
        self._stopped = False
        self._broken: Exception | None = None

    def wait(self, objects: Iterable[Object]) -> None:
        """Return when every object of ``objects`` (as last seen) is ready.

        Raises WaitFailed with a report: at once for what cannot succeed any more or when the run is told to stop, else
        after ``timeout`` seconds.
        """
        for obj in objects:
            if awaited(obj):
                self._see(obj)
                if late := overdue(obj):
                    self._overdue[identity(obj)] = dict(late)
        if not self._pending():
            return
        for kind, namespace in self._groups():
            threading.Thread(target=self._follow, args=(kind, namespace), daemon=True).start()
        try:
            self._until_ready()
        finally:
            self._stopped = True

    def _until_ready(self) -> None:
        began = time.monotonic()
        deadline = began + self._timeout
        diagnosis = Diagnosis(self._cluster, log_lines=self._log_lines)
        stuck = StuckPods(self._cluster, diagnosis, self._replaced)
        next_look = time.monotonic() + DIAGNOSE_SECONDS
        looks = 0
        while True:
            with self._change:
                self._change.wait(timeout=0.5)
                if self._broken:
                    raise self._broken
                pending = self._pending()
                waiting = {describe(self._live[key]): state.message for key, state in pending.items()}
                objects = {key: self._live[key] for key in pending}
            self._progress(len(self._state) - len(pending), len(self._state), waiting)
            if not pending:
                return
            if self._cluster.interruption.told:
                with self._cluster.interruption.shielded():
                    reason = self._cluster.interruption.reason
                    self._fail(diagnosis, objects, pending, f"still awaited when the run was stopped by {reason}")
            now = time.monotonic()
            failed = {
                key: state.message
                for key, state in pending.items()
                if state.state is State.FAILED
                and (now - began >= OVERDUE_SECONDS or not self._was_overdue(objects[key]))
            }
            if not failed and now >= next_look:
                next_look = now + DIAGNOSE_SECONDS
                looks += 1
                looked_at = _some(list(objects.values()), looks)
                for key, reason in stuck.replace(looked_at).items():
                    pending[key] = Readiness(State.FAILED, reason)
                    failed[key] = reason
                for obj, finding in diagnosis.fatal(looked_at, every=len(looked_at) == len(objects)):
                    failed[identity(obj)] = finding.reason
            if failed:
                self._fail(diagnosis, {key: objects[key] for key in failed}, pending, "cannot become ready")
            if now >= deadline:
                self._fail(diagnosis, objects, pending, f"not ready after {self._timeout:.0f} s")

    def _fail(
        self, diagnosis: Diagnosis, objects: dict[Identity, Object], pending: dict[Identity, Readiness], what: str
    ) -> None:
        names = ", ".join(describe(obj) for obj in list(objects.values())[:LOOKED_BELOW])
        if len(objects) > LOOKED_BELOW:
            names += f" and {len(objects) - LOOKED_BELOW} more"
        closely = list(objects)[:LOOKED_BELOW]
        report = [line for key in closely for line in diagnosis.report(objects[key], pending[key].message)]
        others = [(self._live[key], state) for key, state in pending.items() if key not in closely]
        report += [f"{describe(obj)}: {state.message}" for obj, state in others]
        raise WaitFailed(f"{names}: {what}.", report, "Applied changes are kept. Fix the cause and rerun to continue.")

    def ready(self) -> list[Object]:
        """What was ready when the wait ended, in full or not, as last seen."""
        with self._change:
            return [self._live[key] for key, state in self._state.items() if state.ready]

    # --- following ----------------------------------------------------------------------------------------------------

    def _see(self, obj: Object) -> None:
        key = identity(obj)
        state = readiness(obj)
        if state.state is State.TERMINATING and key in self._state and self._state[key].ready:
            return  # it was ready, as it had to be: a Job that is cleared away when it has ended, say
        self._live[key] = obj
        self._state[key] = CURRENT if state.state is State.IN_PROGRESS and _left_alone(obj) else state

    def _was_overdue(self, obj: Object) -> bool:
        late = overdue(obj)
        return bool(late) and self._overdue.get(identity(obj)) == late

    def _pending(self) -> dict[Identity, Readiness]:
        return {key: state for key, state in self._state.items() if not state.ready}

    def _groups(self) -> list[tuple[Kind, str | None]]:
        groups: dict[tuple[Kind, str | None], None] = {}
        for key in self._pending():
            obj = self._live[key]
            kind = self._cluster.kinds.find(obj["apiVersion"], obj["kind"])
            if kind:
                groups[kind, obj["metadata"].get("namespace")] = None
        return list(groups)

    def _follow(self, kind: Kind, namespace: str | None) -> None:
        """List, then watch from there; again whenever the watch ends. Only this thread's kind is touched."""
        labels = self._applyset.selector
        while not self._stopped:
            try:
                items, version = self._cluster.list(kind, namespace, labels=labels)
                self._update(items)
                self._missing(kind, namespace, items)
                while not self._stopped and self._has_pending(kind, namespace):
                    version = self._watch(kind, namespace, version)
                return
            except Interrupted:
                return
            except ApiError as error:
                if error.status not in {410, 429} and error.status < 500:
                    self._give_up(kind, namespace, error)
                    return
                time.sleep(RESUME_SECONDS)
            except EngineError as error:
                self._give_up(kind, namespace, error)
                return
            except Exception as error:
                # Nobody follows these objects any more: the wait must not go on with what was seen last.
                with self._change:
                    self._broken = error
                    self._change.notify_all()
                return

    def _watch(self, kind: Kind, namespace: str | None, version: str) -> str:
        started = time.monotonic()
        for event, obj in self._cluster.watch(
            kind, namespace, version, labels=self._applyset.selector, seconds=WATCH_SECONDS
        ):
            version = obj["metadata"].get("resourceVersion", version)
            if event in {"ADDED", "MODIFIED"}:
                self._update([obj])
            elif event == "DELETED":
                self._gone(obj)
            if self._stopped or not self._has_pending(kind, namespace):
                break
        if time.monotonic() - started < RESUME_SECONDS:
            time.sleep(RESUME_SECONDS)  # a watch that breaks at once must not become a loop of requests
        return version

    def _has_pending(self, kind: Kind, namespace: str | None) -> bool:
        with self._change:
            return bool(self._pending_of(kind, namespace))

    def _pending_of(self, kind: Kind, namespace: str | None) -> list[Identity]:
        where = (kind.group, kind.kind, namespace or "")
        return [key for key in self._pending() if key[:3] == where]

    def _update(self, objects: Iterable[Object]) -> None:
        with self._change:
            for obj in objects:
                if identity(obj) in self._state:
                    self._see(obj)
            self._change.notify_all()

    def _gone(self, obj: Object) -> None:
        with self._change:
            seen = self._state.get(identity(obj))
            if seen and not seen.ready:
                self._state[identity(obj)] = _DELETED
            self._change.notify_all()

    def _missing(self, kind: Kind, namespace: str | None, items: Iterable[Object]) -> None:
        """What a list lacks was deleted while nobody watched."""
        there = {identity(obj) for obj in items}
        with self._change:
            for key in self._pending_of(kind, namespace):
                if key not in there:
                    self._state[key] = _DELETED
            self._change.notify_all()

    def _give_up(self, kind: Kind, namespace: str | None, error: EngineError) -> None:
        with self._change:
            for key in self._pending_of(kind, namespace):
                self._state[key] = Readiness(State.FAILED, error.message)
            self._change.notify_all()
