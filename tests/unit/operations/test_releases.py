"""What a release keeps, and what it must not."""

import base64
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.claims import LAST_READY_IMAGE
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import releases, rollback


def _secret(name, **values):
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


REAL = _secret("agent", PASSWORD="hunter2-hunter2", USER="agent")
REFERENCE = _secret("agent", PASSWORD="credential:postgres_password_agent", USER="agent")


def test_a_secret_is_kept_by_reference():
    kept = releases.by_reference([REAL], [REFERENCE], lambda _obj: True)
    assert kept == [REFERENCE]


def test_of_a_foreign_secret_only_names_are_kept():
    kept = releases.by_reference([REAL], [], lambda _obj: False)
    assert kept[0]["data"] == {"PASSWORD": None, "USER": None}


def test_references_become_values_again():
    done, lacking = releases.with_credentials([REFERENCE], {"postgres_password_agent": "new"}.__getitem__)
    assert (done, lacking) == ([_secret("agent", PASSWORD="new", USER="agent")], [])


def test_a_reference_inside_of_a_text_too():
    config = _secret("nats", conf="user: a, password: credential:nats_a;")
    done, _ = releases.with_credentials([config], {"nats_a": "x y"}.__getitem__)
    assert done == [_secret("nats", conf="user: a, password: x y;")]


def test_a_secret_that_cannot_be_completed_says_why():
    unknown = {**REAL, "data": {"PASSWORD": None}}
    done, lacking = releases.with_credentials([REFERENCE, unknown], dict[str, str]().__getitem__)
    assert done == []
    assert [reason for _, reason in lacking] == [
        "the credential postgres_password_agent is no longer there",
        "its values are not on record",
    ]


def _release(number, tiers, failed=""):
    changes = {"services": {"counts": {"configured": 1}, "objects": [], "failed": failed}}
    return releases.Release(number, {"tiers": tiers, "changes": changes})


def test_the_release_before_the_last_that_differs_and_did_not_fail():
    every = [
        _release(1, {"s": "a"}),
        _release(2, {"s": "b"}, "broken"),
        _release(3, {"s": "c"}),
        _release(4, {"s": "c"}),
    ]
    assert rollback.target(every, None).number == 1
    assert rollback.target(every, 2).number == 2


def test_after_a_failure_the_last_good_release_is_brought_back():
    good, bad = _release(1, {"s": "a"}), _release(2, {"s": "b"}, "broken")
    assert rollback.target([good, bad], None).number == 1
    # The inventory was corrected, and the run failed all the same.
    assert rollback.target([good, bad, _release(3, {"s": "a"}, "still broken")], None).number == 1
    with pytest.raises(EngineError, match="before 3"):
        rollback.target([good, bad, _release(3, {"s": "a"})], None)


def test_named_tiers_decide_which_release_differs():
    every = [_release(1, {"s": "a", "d": "a"}), _release(2, {"s": "b", "d": "b"}), _release(3, {"s": "c", "d": "b"})]
    assert rollback.target(every, None, ["d"]).number == 1
    assert rollback.target(every, None, ["s"]).number == 2
    with pytest.raises(EngineError, match="that differs in x"):
        rollback.target(every, None, ["x"])


def test_tiers_to_bring_back():
    release = _release(1, dict.fromkeys(("namespace", "datastores", "nats", "services"), "a"))
    assert rollback.choose(release, [], []) == {"namespace", "services"}
    assert rollback.choose(release, [], ["nats"]) == {"namespace", "services", "nats"}
    assert rollback.choose(release, ["datastores"], []) == {"datastores"}
    assert rollback.choose(release, ["all"], []) == release.tiers.keys()
    with pytest.raises(EngineError, match="has no tier tapes"):
        rollback.choose(release, ["tapes"], [])


def test_a_teardown_is_not_brought_back():
    deployed, gone, again = _release(1, {"s": "a"}), _release(2, {}), _release(3, {"s": "b"})
    assert rollback.target([deployed, gone], None).number == 1
    assert rollback.target([deployed, gone, again], None).number == 1


@pytest.mark.parametrize(
    ("every", "number", "words"),
    [
        ([], None, "No release"),
        ([_release(1, {}), _release(2, {"s": "a"})], None, "before 2"),
        ([_release(1, {}), _release(2, {"s": "a"})], 1, "Release 1 holds nothing to bring back"),
        ([], 3, "no release 3"),
        ([_release(1, {})], 7, "1 to 1"),
        ([_release(1, {})], None, "before 1"),
    ],
)
def test_an_unknown_release_is_refused(every, number, words):
    with pytest.raises(EngineError) as refused:
        rollback.target(every, number)
    assert words in str(refused.value)


def test_counts_are_summed_over_tiers():
    change = releases.Change(["configured Deployment a", "created Secret b", "configured Deployment c"])
    release = releases.Release(1, {"changes": {"x": change.data(), "y": change.data()}})
    assert release.counts() == {"configured": 4, "created": 2}
    assert release.summary() == "4 configured, 2 created"


def test_references_are_resolved_in_keys_too() -> None:
    text = base64.b64encode(b"credential:postgres_password_agent").decode()
    secret = {"kind": "Secret", "data": {"role-credential:postgres_user_agent": text}}
    found = {"postgres_user_agent": "agent_b", "postgres_password_agent": "value"}
    ((done,), _) = releases.with_credentials([secret], found.__getitem__)
    assert done["data"] == {"role-agent_b": base64.b64encode(b"value").decode()}


def test_the_mark_of_a_secret_s_content_is_that_of_its_values() -> None:
    metadata = {"name": "nats-credentials"}
    real = {"kind": "Secret", "metadata": metadata, "data": {"auth.conf": "cmVhbA==", "seen-1.conf": "eA=="}}
    reference = {"kind": "Secret", "metadata": metadata, "data": {"auth.conf": "cmVm", "seen-2.conf": "eA=="}}
    (kept,) = releases.by_reference([real], [reference], lambda _obj: True)
    assert kept["data"] == {"auth.conf": "cmVm", "seen-1.conf": "eA=="}


@pytest.mark.parametrize(("tiers", "refused"), [(["datastores"], True), ([], False)], ids=["named", "left out"])
def test_older_store_than_its_data_is_not_brought_back(monkeypatch, tiers, refused):
    container = {"name": "postgres", "image": "postgres:16.9"}
    former = {"kind": "StatefulSet", "metadata": {"name": "postgres", "namespace": "ns"}, "apiVersion": "apps/v1"}
    former["spec"] = {"template": {"spec": {"containers": [container]}}}
    record = {LAST_READY_IMAGE: "postgres:17.7"}
    claim = {"metadata": {"name": "data-postgres-0", "labels": {"app": "postgres"}, "annotations": record}}

    def get(path, _query=None):
        return {"items": [claim] if path.endswith("/persistentvolumeclaims") else []}

    monkeypatch.setattr(releases, "manifests", lambda *_: [former])
    old, new = _release(1, {"datastores": "a"}), _release(2, {"datastores": "b"})
    raises = pytest.raises(EngineError, match="does not read the data of Postgres 17") if refused else nullcontext()
    server: Any = SimpleNamespace(get=get, find=lambda *_: None)
    with raises:
        credentials = rollback.Credentials(str, "platform-credentials")
        rollback.prepare(server, "ns", new, old, frozenset(tiers), credentials)
