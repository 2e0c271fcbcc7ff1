"""One writer per tier: a Lease that a run holds from its first write to its end.

A run that changes nothing takes none. A Lease left by a run that died expires by itself; its successor takes it over.
A run that lets go signs the parent of the set, so that another that looked before knows that it has to look again.
https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from .applyset import ApplySet
from .cluster import Cluster
from .errors import ApiError, EngineError
from .interruption import Interrupted
from .kinds import BUILT_IN
from .snapshot import PARENT

Object = dict[str, Any]

LEASE = BUILT_IN["coordination.k8s.io/v1", "Lease"]
LAST_RUN = "multi-agent.platform/last-run"
SECONDS = 15
_POLL_SECONDS = 1.0
_MARGIN_SECONDS = 5.0


def holder() -> str:
    """Who runs: the AWX job where there is one, else user and host, with the process to tell two runs apart."""
    job = os.environ.get("AWX_JOB_ID") or os.environ.get("JOB_ID")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an arbitrary user id without an entry
        user = str(os.getuid())
    who = f"AWX job {job}" if job else f"{user}@{socket.gethostname()}"
    return f"{who} (process {os.getpid()}-{random.randrange(1 << 32):08x})"  # noqa: S311 - a name, no secret


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _age(spec: Object) -> float:
    """Seconds since a Lease was renewed, if both clocks agree; 0 where it does not say."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(str(spec.get("renewTime")))).total_seconds()
    except (ValueError, TypeError):  # not there, or without a zone
        return 0.0


def _version(obj: Object | None) -> str:
    return str(obj["metadata"]["resourceVersion"]) if obj else ""


class TierLease:
    """The Lease of one tier. ``wait``: seconds to wait for another run; 0 stops at once with who it is.

    ``taken`` is called with the Lease held, before anything is written under it; may raise to stop the run.
    """

    def __init__(
        self,
        cluster: Cluster,
        applyset: ApplySet,
        wait: float,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._applyset = applyset
        self._wait = wait
        self._say = say
        self._clock = clock
        self._taken = taken
        self._holder = holder()
        self._held: Object | None = None
        self._tried = False
        self._stop = threading.Event()
        self._renewer: threading.Thread | None = None

    def acquire_once(self) -> bool:
        """As ``acquire``, then calls ``taken``; does nothing where it is held already."""
        if self._held:
            return False
        waited = self.acquire()
        self._taken()
        return waited

    def acquire(self) -> bool:
        """Take the Lease, waiting for another run where there is one; whether it had to wait.

        Raises EngineError naming the other run when the wait is over.
        """
        began = self._clock()
        deadline = began + self._wait
        seen: tuple[str, str] = ("", "")
        seen_at = self._clock()
        waited = False
        while True:
            live = self._cluster.find(LEASE, self._applyset.namespace, self._applyset.name)
            if live is None:
                self._tried = True
                self._held = self._cluster.create(LEASE, self._body(), what=f"Lease {self._applyset.name}")
            else:
                spec = live.get("spec") or {}
                state = (str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or ""))
                if state != seen:
                    # Expiry is judged by this clock from when a renewal was seen, so clocks need not agree.
                    seen, seen_at = state, self._clock()
                duration = float(spec.get("leaseDurationSeconds") or SECONDS)
                # One that looks dead is given the time to show that it is, however short the patience.
                dead = _age(spec) > duration
                deadline = began + max(self._wait, duration + _MARGIN_SECONDS if dead else 0)
                if state[0] == self._holder:
                    self._held = live  # our own: the answer to its creation was lost on the way
                elif not state[0] or self._clock() - seen_at > duration:
                    self._held = self._take(live)
            if self._held:
                self._renewer = threading.Thread(target=self._renew, daemon=True)
                self._renewer.start()
                return waited
            if live is not None:
                self._patience(deadline, seen[0], waited)
                waited = True
                self._pause(seen[0])

    def _patience(self, deadline: float, other: str, waited: bool) -> None:
        if self._clock() >= deadline:
            raise EngineError(
                f"Another run works on tier {self._applyset.tier} in namespace {self._applyset.namespace}: {other}.",
                "Wait for it, or let this run wait with platform_lock_timeout (seconds). A run that died lets go "
                f"after {SECONDS} s by itself.",
            )
        if not waited:
            self._say(f"{self._applyset.tier}: waiting for another run: {other}")

    def _pause(self, other: str) -> None:
        try:
            self._cluster.interruption.sleep(_POLL_SECONDS)
        except Interrupted as stop:
            what = f"Tier {self._applyset.tier} waited for another run: {other}."
            raise Interrupted(stop.reason, what) from None

    def _body(self) -> Object:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._applyset.name,
                "namespace": self._applyset.namespace,
                "labels": {"app.kubernetes.io/managed-by": "multi_agent.platform"},
            },
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": SECONDS,
                "acquireTime": _now(),
                "renewTime": _now(),
            },
        }

    def _take(self, live: Object) -> Object | None:
        """Replace what was read; None where somebody was quicker (the resourceVersion does not match)."""
        body = self._body()
        body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        self._tried = True
        return self._put(body)

    def _put(self, body: Object) -> Object | None:
        namespace, name = self._applyset.namespace, self._applyset.name
        try:
            return self._cluster.send("PUT", LEASE.path(namespace, name), None, body, None, f"Lease {name}")[1]
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
        # Perhaps it was ourselves, and the answer to the first attempt was lost on the way.
        return self._taken_unseen()

    def _renew(self) -> None:
        while not self._stop.wait(SECONDS / 3):
            held = self._held
            if held is None:
                return
            try:
                again = self._put({**held, "spec": {**held["spec"], "renewTime": _now()}})
                if again is None:
                    self._lost(_age(held["spec"]))
            except EngineError:
                continue  # the next round tries again; the writes themselves report a server that is gone
            self._held = again

    def _lost(self, age: float) -> None:
        """The Lease, renewed ``age`` seconds ago, is not ours any more. Where another run may have had it: end."""
        live = self._cluster.find(LEASE, self._applyset.namespace, self._applyset.name)
        other = ((live or {}).get("spec") or {}).get("holderIdentity")
        if other or age > SECONDS:  # else somebody deleted it, or the namespace
            at_work = f"is worked on by {other}" if other else "may have been worked on by another run"
            self._cluster.interruption.tell(
                f"the loss of its Lease, which was not renewed for {SECONDS} s: the tier {at_work}"
            )

    def outdated(self, parent: Object | None) -> bool:
        """Whether another run has let go of the tier since ``parent``, the set's, was read."""
        return _version(self._cluster.find(PARENT, self._applyset.namespace, self._applyset.name)) != _version(parent)

    def _sign(self) -> None:
        body = {"metadata": {"annotations": {LAST_RUN: f"{self._holder}, {_now()}"}}}
        with contextlib.suppress(EngineError):
            self._cluster.patch(PARENT, self._applyset.namespace, self._applyset.name, body, "run")

    def release(self) -> None:
        """Let go, so that the next run need not wait for the expiry. Never raises."""
        self._stop.set()
        if self._renewer:
            self._renewer.join(timeout=5)
        if self._tried:
            with contextlib.suppress(EngineError), self._cluster.interruption.shielded():
                held = self._held or self._taken_unseen()
                if held:
                    self._sign()
                    uid = held["metadata"].get("uid", "")
                    self._cluster.delete(LEASE, self._applyset.namespace, self._applyset.name, uid=uid)
        self._tried, self._held = False, None

    def _taken_unseen(self) -> Object | None:
        """A Lease that is ours, though the run ended before the answer to taking it arrived."""
        live = self._cluster.find(LEASE, self._applyset.namespace, self._applyset.name)
        return live if live and (live.get("spec") or {}).get("holderIdentity") == self._holder else None
