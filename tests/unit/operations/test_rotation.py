"""The steps of a rotation, as changes of one Secret."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import rotation

AGENT = rotation.Credential("postgres_password_agent", "postgres", "agent")
JWT = rotation.Credential("jwt_secret")
OPENAI = rotation.Credential("openai_api_key", external=True)
LIVE = {"postgres_password_agent": "value-1", "jwt_secret": "value-2", "openai_api_key": "value-3"}
CATALOGUE: dict[str, Any] = {
    "stores": {"postgres": {"users": ["agent", "tool"]}, "nats": {"users": ["agent"]}},
    "credentials": [
        {"name": "jwt_secret", "kind": "demanded"},
        {"name": "openai_api_key", "kind": "external"},
        {"name": "postgres_password", "kind": "demanded"},
        {"name": "nats_password_system", "kind": "internal"},
    ],
}


def apply(live: dict[str, str], step: rotation.Step) -> dict[str, str]:
    """As the server merges it."""
    return {key: value for key, value in {**live, **step.data}.items() if value is not None}


def test_both_values_are_there_from_the_first_step_to_the_last() -> None:
    prepared = apply(LIVE, rotation.prepare([AGENT], LIVE, {}, lambda: "second"))
    assert prepared == {**LIVE, "postgres_password_agent_next": "second"}
    switched = apply(prepared, rotation.switch([AGENT], prepared))
    assert switched["postgres_password_agent"] == "second"
    assert switched["postgres_password_agent_previous"] == "value-1"
    assert switched["postgres_user_agent"] == "agent_b"
    retired = apply(switched, rotation.retire([AGENT], switched))
    ended = {**LIVE, "postgres_password_agent": "second", "postgres_user_agent": "agent_b"}
    assert retired == {**ended, "postgres_password_agent_retired": "value-1"}
    assert apply(retired, rotation.forget([AGENT], retired)) == ended
    back = apply(ended, rotation.prepare([AGENT], ended, {}, lambda: "third"))
    assert apply(back, rotation.switch([AGENT], back))["postgres_user_agent"] == "agent", "logins take turns"


def test_what_has_no_login_changes_alone() -> None:
    prepared = apply(LIVE, rotation.prepare([JWT], LIVE, {}, lambda: "second"))
    step = rotation.switch([JWT], prepared)
    assert step.data == {"jwt_secret": "second", "jwt_secret_previous": "value-2", "jwt_secret_next": None}


def test_the_state_before_each_step_can_be_told() -> None:
    passwords = [{"name": "postgres_password_agent", "kind": "internal"}]
    catalogue = {**CATALOGUE, "credentials": [*CATALOGUE["credentials"], *passwords]}
    assert rotation.before(LIVE, catalogue) is None
    prepared = apply(LIVE, rotation.prepare([AGENT, JWT], LIVE, {}, iter(["second", "third"]).__next__))
    assert rotation.before(prepared, catalogue) == LIVE
    switched = apply(prepared, rotation.switch([AGENT, JWT], prepared))
    # Without a login on record the part is named like itself, so the same is rendered.
    assert rotation.before(switched, catalogue) == {**prepared, "postgres_user_agent": "agent"}
    retired = apply(switched, rotation.retire([AGENT, JWT], switched))
    assert rotation.before(retired, catalogue) == switched
    assert rotation.before(apply(retired, rotation.forget([AGENT, JWT], retired)), catalogue) is None


@pytest.mark.parametrize("suffix", ["_next", "_previous", "_retired"])
def test_a_step_that_was_taken_is_not_taken_again(suffix: str) -> None:
    live = {**LIVE, f"jwt_secret{suffix}": "other"}
    step = rotation.prepare([JWT], live, {}, lambda: "third")
    assert step.data == {}
    assert "going on from there" in step.lines[0]
    assert rotation.switch([JWT], LIVE).data == {}
    assert rotation.retire([JWT], LIVE).data == {}


def test_what_the_inventory_gives_is_used_and_never_said() -> None:
    step = rotation.prepare([JWT, AGENT], LIVE, {"jwt_secret": "from-the-vault"}, lambda: "made")
    assert step.data == {"jwt_secret_next": "from-the-vault", "postgres_password_agent_next": "made"}
    assert not [line for line in step.lines if "from-the-vault" in line or "made" in line]


@pytest.mark.parametrize(
    ("credential", "given", "message"),
    [
        (JWT, {"jwt_secret": "value-2"}, "platform_credentials.jwt_secret gives the value that is in force"),
        (OPENAI, {}, "openai_api_key is issued by its provider"),
        (rotation.Credential("postgres_password_new", "postgres", "new"), {}, "is not in the cluster yet"),
    ],
)
def test_refusals_come_before_any_change(credential: rotation.Credential, given: dict[str, str], message: str) -> None:
    with pytest.raises(EngineError, match="Nothing was changed") as caught:
        rotation.prepare([credential, AGENT], LIVE, given)
    assert message in caught.value.message
    assert not [value for value in LIVE.values() if value in str(caught.value)]


def test_a_provider_s_key_needs_no_second_place() -> None:
    assert rotation.prepare([OPENAI], LIVE, {"openai_api_key": "new"}).data == {}


def test_names_of_what_can_be_rotated() -> None:
    names = [c.name for c in rotation.choose(["nats", "postgres", "jwt", "ai", "superuser", "nats"], CATALOGUE)]
    assert names == [
        "jwt_secret",
        "nats_password_agent",
        "openai_api_key",
        "postgres_password",
        "postgres_password_agent",
        "postgres_password_tool",
    ]
    for wrong in ([], ["passwords"]):
        with pytest.raises(EngineError, match="rotate") as caught:
            rotation.choose(wrong, CATALOGUE)
        assert "postgres, superuser, nats, jwt, qdrant, ai" in caught.value.remedy
    with pytest.raises(EngineError, match="has no credential of qdrant"):
        rotation.choose(["qdrant"], CATALOGUE)


def test_credentials_of_other_secrets_are_left_to_their_owner() -> None:
    chosen = [rotation.Credential("anthropic_api_key", external=True), OPENAI]
    assert rotation.ours(chosen, {"jwt_secret": "signing"}) == (chosen, "")
    left, said = rotation.ours(chosen, {"openai_api_key": "ai-keys"})
    assert [credential.name for credential in left] == ["anthropic_api_key"]
    assert "openai_api_key from Secret ai-keys" in said
    assert "make deploy" in said
    with pytest.raises(EngineError, match=r"openai_api_key from Secret ai-keys.*Nothing was changed"):
        rotation.ours(chosen[1:], {"openai_api_key": "ai-keys"})
