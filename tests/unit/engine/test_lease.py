"""One writer per tier: taking, waiting, expiring, renewing and letting go of the Lease."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from .fakes import FakeCluster, make, status_error
from .imports import applyset, errors, lease

SET = applyset.ApplySet("t", "ns")


class LeaseCluster(FakeCluster):
    """One Lease, with optimistic locking; ``lost`` answers are given after the server acted."""

    def __init__(self, live: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.live = live
        self.version = 1
        self.lost = 0
        self.patches: list[tuple[Any, ...]] = []

    def patch(self, *what: Any) -> None:
        self.patches.append(what)

    def find(self, *_: Any) -> dict[str, Any] | None:
        return copy.deepcopy(self.live)

    def create(self, _kind: Any, body: dict[str, Any], **_: Any) -> dict[str, Any] | None:
        if self.live:
            return None
        self._store(body)
        if self.lost:
            self.lost -= 1
            return None  # sent again, and the second attempt finds it there
        return copy.deepcopy(self.live)

    def send(self, method: str, path: str, query: Any, body: dict[str, Any], *_: Any) -> tuple[int, Any]:
        if not self.live or body["metadata"]["resourceVersion"] != self.live["metadata"]["resourceVersion"]:
            raise status_error(409)
        self._store(body)
        if self.lost:
            self.lost -= 1
            raise status_error(409)  # sent again, with a resourceVersion that is old by now
        return 200, copy.deepcopy(self.live)

    def delete(self, *_: Any, **__: Any) -> bool:
        self.live = None
        return True

    def _store(self, body: dict[str, Any]) -> None:
        self.version += 1
        self.live = copy.deepcopy(body)
        self.live["metadata"] |= {"resourceVersion": str(self.version), "uid": "u"}


def others(holder: str = "jane@bastion", renewed: str = "") -> dict[str, Any]:
    """The Lease of another run, just renewed."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed or lease._now()}
    metadata = {"resourceVersion": "1", "uid": "o"}
    return make("coordination.k8s.io/v1", "Lease", "applyset-t", metadata=metadata, spec=spec)


def taken(cluster: LeaseCluster, wait: float = 0, step: float = 0) -> tuple[lease.TierLease, list[str]]:
    """A Lease whose clock goes on by ``step`` at each look."""
    now = [0.0]
    said: list[str] = []

    def clock() -> float:
        now[0] += step
        return now[0]

    return lease.TierLease(cluster, SET, wait, said.append, clock), said  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.0)


def test_a_free_lease_is_taken_and_let_go() -> None:
    cluster = LeaseCluster()
    mine, said = taken(cluster)
    assert mine.acquire() is False
    assert cluster.live is not None
    assert cluster.live["spec"]["leaseDurationSeconds"] == lease.SECONDS
    mine.release()
    assert cluster.live is None
    assert said == []


def test_a_held_lease_stops_or_waits_and_says_who() -> None:
    with pytest.raises(errors.EngineError, match="Another run works on tier t in namespace ns: jane@bastion") as caught:
        taken(LeaseCluster(others()))[0].acquire()
    assert "platform_lock_timeout" in caught.value.remedy
    mine, said = taken(LeaseCluster(others()), wait=300, step=1)
    assert mine.acquire() is True  # nobody renewed it for its duration
    assert said == ["t: waiting for another run: jane@bastion"]
    mine.release()


def test_without_patience_a_lease_that_looks_dead_is_waited_for() -> None:
    """Else a run that stops at once would find it each time, and it would never expire."""
    mine, said = taken(LeaseCluster(others(renewed="2026-01-01T00:00:00.000000Z")), step=1)
    assert mine.acquire() is True
    assert said == ["t: waiting for another run: jane@bastion"]
    mine.release()


def test_without_patience_a_lease_of_another_clock_that_is_renewed_is_not_waited_for() -> None:
    cluster = LeaseCluster(others(renewed="2026-01-01T00:00:00.000000Z"))
    looks = 0

    def find(*_: Any) -> dict[str, Any]:
        nonlocal looks
        looks += 1
        return others(renewed="2026-01-01T00:00:00.000000Z") if looks < 4 else others()

    cluster.find = find  # type: ignore[method-assign]
    with pytest.raises(errors.EngineError, match="Another run works on tier t"):
        taken(cluster, step=1)[0].acquire()
    assert looks == 4


@pytest.mark.parametrize(
    ("after", "age", "words"),
    [
        (others(), 1.0, "is worked on by jane@bastion"),
        (None, 600.0, "may have been worked on by another run"),  # it took the expired one, and has ended
        (None, 1.0, ""),  # deleted by hand, or with the namespace
    ],
    ids=["taken", "taken and gone", "deleted"],
)
def test_a_lost_lease_ends_the_run_where_another_may_have_had_it(
    monkeypatch: pytest.MonkeyPatch, after: dict[str, Any] | None, age: float, words: str
) -> None:
    monkeypatch.setattr(lease, "_age", lambda _spec: age)
    cluster = LeaseCluster()
    told: list[str] = []
    cluster.interruption.tell = told.append  # type: ignore[assignment, method-assign]
    mine, _ = taken(cluster)
    monkeypatch.setattr(mine, "_stop", type("Stop", (), {"wait": staticmethod(lambda _seconds: False)}))
    mine._held = cluster.create(None, mine._body())
    cluster.live = after
    mine._renew()
    assert mine._held is None
    assert [words in text for text in told] == ([True] if words else [])


def test_a_run_that_lets_go_signs_the_parent_and_another_sees_it() -> None:
    cluster = LeaseCluster()
    mine, _ = taken(cluster)
    mine.acquire()
    mine.release()
    ((_, namespace, name, body, _),) = cluster.patches
    assert (namespace, name) == ("ns", "applyset-t")
    assert mine._holder in body["metadata"]["annotations"][lease.LAST_RUN]
    cluster.live = {"metadata": {"resourceVersion": "8"}}
    assert mine.outdated({"metadata": {"resourceVersion": "7"}})
    assert mine.outdated(None)
    assert not mine.outdated({"metadata": {"resourceVersion": "8"}})


def test_a_lease_without_a_holder_is_free() -> None:
    mine, _ = taken(LeaseCluster(others(holder="")))
    assert mine.acquire() is False
    mine.release()


def test_own_lease_is_recognised_when_the_answer_was_lost() -> None:
    cluster = LeaseCluster()
    cluster.lost = 1
    mine, said = taken(cluster)
    assert mine.acquire() is False
    assert said == []
    mine.release()
    assert cluster.live is None


def test_a_renewal_whose_answer_was_lost_keeps_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SECONDS", 0.03)
    cluster = LeaseCluster()
    mine, _ = taken(cluster)
    mine.acquire()
    cluster.lost = 1
    deadline = 200
    while cluster.version < 6 and deadline:
        deadline -= 1
        mine._stop.wait(0.01)
    assert cluster.version >= 6  # it went on renewing
    mine.release()
    assert cluster.live is None


def test_holders_of_two_runs_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lease.holder() != lease.holder()
    monkeypatch.setenv("AWX_JOB_ID", "42")
    assert lease.holder().startswith("AWX job 42 ")
