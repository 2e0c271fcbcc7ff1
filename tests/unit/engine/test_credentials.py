"""Where each credential comes from, when one may be made, and that no text holds one."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.filters import Filters

from .fakes import FakeCluster, make
from .imports import credentials, errors, render

SHARED = Path(__file__).parents[3] / "roles" / "platform" / "templates"

KEYS: dict[str, dict[str, Any]] = {
    "jwt": {"name": "jwt"},
    "made": {"name": "made", "generate": True},
    "prefixed": {"name": "prefixed", "generate": True, "prefix": "sk-"},
}


def secret(name: str = "platform-credentials", **values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return make("v1", "Secret", name, data=data)


def resolver(
    *objects: dict[str, Any], given: dict[str, str] | None = None, cluster: Any = ..., **how: Any
) -> credentials.Credentials:
    source = credentials.Source(
        how.pop("secret", "platform-credentials"),
        how.pop("managed", True),
        KEYS,
        how.pop("volumes", ""),
        elsewhere=how.pop("elsewhere", {}),
    )
    live: Any = FakeCluster(*objects) if cluster is ... else cluster
    return credentials.Credentials(lambda: source, lambda variable: given or {}, live, "ns", **how)


def test_precedence() -> None:
    given, live = {"jwt": "of-inventory"}, secret(jwt="of-cluster", made="of-cluster")
    assert resolver(live, given=given).get("jwt") == "of-inventory"
    assert resolver(live).get("jwt") == "of-cluster"
    assert resolver(live, writes=True).get("made") == "of-cluster"
    theirs = resolver(secret("theirs", jwt="of-user"), given=given, secret="theirs", managed=False)
    assert theirs.get("jwt") == "of-user"
    assert resolver(cluster=None).get("jwt") == "credential:jwt"


def test_referred_value_wins_and_is_not_rotated_from_here() -> None:
    live = secret(jwt="deployed", jwt_next="left over", made="kept")
    found = resolver(live, secret("ai", key="of-others"), given={"jwt": "given"}, elsewhere={"jwt": ("ai", "key")})
    assert (found.get("jwt"), found.standby("jwt"), found.get("made")) == ("of-others", "", "kept")
    assert found.redact("of-others failed") == "******** failed"
    assert resolver(cluster=None, elsewhere={"jwt": ("ai", "key")}).get("jwt") == "credential:jwt"


def test_value_before_the_referred_one_is_known_until_the_next() -> None:
    def former(live: dict[str, str], value: str) -> str:
        found = resolver(secret(**live), secret("ai", key=value), elsewhere={"jwt": ("ai", "key")})
        return found.former("jwt")

    assert former({}, "first") == ""
    assert former({"jwt": "first"}, "first") == ""
    assert former({"jwt": "first"}, "second") == "first"
    assert former({"jwt": "second", "jwt_previous": "first"}, "second") == "first"
    assert former({"jwt": "second", "jwt_previous": "first"}, "third") == "second"
    assert resolver(secret(jwt="a", jwt_previous="b")).former("jwt") == ""
    run = resolver(secret(jwt="first"), secret("ai", key="second"), elsewhere={"jwt": ("ai", "key")})
    named = resolver(cluster=None, mirror=run, elsewhere={"jwt": ("ai", "key")})
    assert named.former("jwt") == "credential:jwt_previous"


@pytest.mark.parametrize(
    ("there", "message"), [([], "does not exist"), ([secret("ai", other="x" * 9)], "no value for the key key")]
)
def test_referred_value_that_is_missing_is_refused(there: list[Any], message: str) -> None:
    with pytest.raises(errors.EngineError, match=message) as caught:
        resolver(*there, elsewhere={"jwt": ("ai", "key")}, writes=True).get("jwt")
    assert "platform_credentials_from.jwt names Secret ai in namespace ns" in caught.value.message


@pytest.mark.parametrize("values", [("a" * 9, "b" * 9), ("b" * 9, "a" * 9)])
def test_order_of_accepted_values_is_the_same_by_name(values: tuple[str, str]) -> None:
    live = {"jwt": values[0], "jwt_previous": values[1]}
    run = resolver(secret(**live))
    assert run.accepted("jwt") == ["a" * 9, "b" * 9]
    named = resolver(cluster=None, mirror=run).accepted("jwt")
    assert [live[name.removeprefix("credential:")] for name in named] == run.accepted("jwt")
    assert resolver(secret(jwt="alone")).accepted("jwt") == ["alone"]
    assert resolver(cluster=None).accepted("jwt") == ["credential:jwt"]


LOGINS = "{% import 'logins.j2' as logins with context %}{{ logins.of('nats', 'tool') }}"


@pytest.mark.parametrize("active", ["tool", "tool_b"])
def test_logins_of_a_rotation_have_one_order_by_name_and_value(active: str, tmp_path: Path) -> None:
    """So that the record of a release is what the cluster has, whichever of the two is in force."""
    names = ("nats_password_tool", "nats_user_tool")
    source = credentials.Source(
        "platform-credentials", True, {name: {"name": name} for name in names}, "", elsewhere={}
    )
    live = {"nats_password_tool": "c" * 9, "nats_password_tool_previous": "d" * 9, "nats_user_tool": active}
    cluster: Any = FakeCluster(secret(**live))
    run = credentials.Credentials(lambda: source, lambda _variable: {}, cluster, "ns")
    named = credentials.Credentials(lambda: source, lambda _variable: {}, None, "ns", mirror=run)
    (tmp_path / "x.j2").write_text(LOGINS)
    texts = []
    for made in (run, named):
        renderer = render.Renderer([tmp_path, SHARED], Filters(), made.functions)
        texts.append(renderer.render(["x.j2"], lambda name: None, lambda name: False)["x.j2"])
    users = [user for user, _ in json.loads(texts[0])]
    assert users == ["tool", "tool_b"]
    by_name = [live.get(user.removeprefix("credential:"), user) for user, _ in json.loads(texts[1])]
    assert by_name == users


def test_made_once_of_good_length_and_alphabet() -> None:
    made = resolver(writes=True)
    value = made.get("made")
    assert made.get("made") == value
    assert len(value) == credentials.LENGTH
    assert value.isalnum()
    assert made.get("prefixed").startswith("sk-")
    assert resolver(writes=True).get("made") != value


@pytest.mark.parametrize(
    ("name", "how", "message", "remedy"),
    [
        ("unknown", {}, "no such credential", "jwt, made, prefixed"),
        ("jwt", {"writes": True}, "platform_credentials.jwt has no value", "Set platform_credentials.jwt"),
        ("made", {}, "has no made yet", "--tags namespace"),
        (
            "jwt",
            {"secret": "theirs", "managed": False},
            "Secret theirs in namespace ns has no value for jwt",
            "add the key",
        ),
    ],
)
def test_refusals(name: str, how: dict[str, Any], message: str, remedy: str) -> None:
    with pytest.raises(errors.EngineError) as caught:
        resolver(**how).get(name)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_volumes_without_their_secret() -> None:
    claim = make("v1", "PersistentVolumeClaim", "data-postgres-0")
    with pytest.raises(errors.EngineError, match="its volumes are there: data-postgres-0") as caught:
        resolver(claim, volumes="app=postgres", writes=True).get("made")
    assert "Restore the Secret" in caught.value.remedy
    # Where the inventory gives the value, nothing is lost; where the Secret is there, a new key may be added.
    assert resolver(claim, given={"made": "x"}, volumes="app=postgres").get("made") == "x"
    assert resolver(claim, secret(jwt="x"), volumes="app=postgres", writes=True).get("made")


def test_what_another_run_made_meanwhile_is_not_written_over() -> None:
    cluster = FakeCluster(secret(jwt="x"))
    found = resolver(cluster=cluster, writes=True)
    found.get("jwt")
    found.check_not_made_elsewhere()
    value = found.get("made")
    found.check_not_made_elsewhere()
    cluster.objects[:] = [secret(jwt="x", made=value)]  # this run's own
    found.check_not_made_elsewhere()
    cluster.objects[:] = [secret(jwt="x", made="of-another-run")]
    with pytest.raises(errors.EngineError, match=r"Another run has made made in Secret platform-credentials") as caught:
        found.check_not_made_elsewhere()
    assert "Run again" in caught.value.remedy
    assert "of-another-run" not in str(caught.value)
    assert value not in str(caught.value)


def test_redaction() -> None:
    found = resolver(secret(jwt="live-value", made="abc"), given={"prefixed": "given-value"}, writes=True)
    for name in KEYS:
        found.get(name)
    encoded = base64.b64encode(b"live-value").decode()
    text = found.redact(f"live-value given-value {encoded} abc cabcage")
    # What is shorter than any secret may be stays: it would cut words apart.
    assert text == "******** ******** ******** abc cabcage"


def test_redaction_of_values_that_contain_each_other() -> None:
    found = resolver(secret(jwt="value-one", made="value-one-and-more"))
    found.get("jwt")
    assert found.redact("value-one-and-more") == "********"


def test_redaction_before_anything_was_asked() -> None:
    assert resolver(cluster=None).redact("text") == "text"
