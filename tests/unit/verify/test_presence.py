"""A declared object that is not there is a finding; what this user may not read is skipped."""

from __future__ import annotations

from typing import Any

from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError, EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import declared, releases
from ansible_collections.multi_agent.platform.plugins.module_utils.verify import presence
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.checks import Outcome


def policy(name: str) -> dict[str, Any]:
    return {"kind": "NetworkPolicy", "metadata": {"name": name}}


def outcomes(**fields: Any) -> dict[str, tuple[Outcome, str]]:
    objects = {"netpol": [policy("deny"), policy("allow")]}
    known = declared.Declared(releases.Release(1), objects, **fields)
    return {check.name: (check.outcome, check.message) for check in presence.judged(known, "ns")}


def test_everything_there_passes() -> None:
    assert outcomes() == {"netpol": (Outcome.PASSED, "2 are there")}


def test_missing_object_is_named() -> None:
    outcome, message = outcomes(missing=[declared.Missing("netpol", policy("deny"))])["netpol"]
    assert (outcome, message) == (Outcome.FAILED, "NetworkPolicy deny is missing: run site.yml")


def test_record_that_is_gone_fails_and_one_not_readable_is_skipped() -> None:
    found = outcomes(unreadable={"nats": EngineError("its Secret is gone", "")})
    assert found["last release"][0] is Outcome.FAILED
    found = outcomes(unreadable={"nats": ApiError(403, {"message": "forbidden"})})
    assert found["last release"][0] is Outcome.SKIPPED


def test_no_release_fails() -> None:
    (check,) = presence.judged(declared.Declared(), "ns")
    assert (check.outcome, "No release is recorded" in check.message) == (Outcome.FAILED, True)
