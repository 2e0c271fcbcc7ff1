"""What is sent again, and how long."""

from __future__ import annotations

from typing import Any

import pytest

from .imports import errors, retry


def error(status: int, message: str = "", reason: str = "", **details: Any) -> errors.ApiError:
    return errors.ApiError(status, {"message": message, "reason": reason, "details": details})


CONFLICT = {"causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "x"', "field": ".spec"}]}
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@pytest.mark.parametrize(
    ("failure", "method", "again"),
    [
        *(
            (error(status), method, True)
            for status in (429, 500, 502, 503, 504)
            for method in ("GET", "PATCH", "DELETE")
        ),
        (error(500, "etcdserver: leader changed"), "PATCH", True),
        (error(500, 'failed calling webhook "x": connect: connection refused'), "PATCH", True),
        (error(500, "failed to create typed patch object (ns/x): .spec.replica: field not declared"), "PATCH", False),
        (error(409, "quota", kind="resourcequotas"), "PATCH", True),
        (error(409, MODIFIED), "PATCH", True),
        (error(409, "Apply failed with 1 conflict", "Conflict", **CONFLICT), "PATCH", False),
        (error(409, f"{MODIFIED}", "Conflict", **CONFLICT), "PATCH", False),
        (error(409, "already exists", "AlreadyExists"), "POST", False),
        (error(404, 'namespaces "x" not found', kind="namespaces"), "PATCH", True),
        (error(404, 'namespaces "x" not found', kind="namespaces"), "GET", False),
        (error(404, "not found", kind="configmaps"), "PATCH", False),
        *((error(status), "PATCH", False) for status in (400, 401, 403, 404, 405, 410, 413, 415, 422)),
    ],
)
def test_what_passes_by_itself(failure: errors.ApiError, method: str, again: bool) -> None:
    assert retry.passes_by_itself(failure, method) is again


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_request_that_names_a_version_is_not_sent_again_once_that_is_gone(method: str) -> None:
    assert not retry.passes_by_itself(error(409, MODIFIED), method, versioned=True)
    assert retry.passes_by_itself(error(409, MODIFIED, kind="resourcequotas"), method, versioned=True)


def test_a_dry_run_waits_for_no_namespace() -> None:
    failure = error(404, 'namespaces "x" not found', kind="namespaces")
    assert not retry.passes_by_itself(failure, "PATCH", dry_run=True)
    assert retry.passes_by_itself(error(503), "PATCH", dry_run=True)


def test_delays_grow_with_jitter_until_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    given = []
    for delay in retry.delays(30):
        given.append(delay)
        now[0] += delay
    assert now[0] == pytest.approx(30)
    assert 0.05 <= given[0] <= 0.15
    assert max(given) <= retry.LONGEST_DELAY * 1.5
    assert 8 <= len(given) <= 25


def test_no_patience_no_delay() -> None:
    assert list(retry.delays(0)) == []
