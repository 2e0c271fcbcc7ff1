"""Rotating credentials: the values of the Secret that all others are rendered from, changed in steps that overlap.

A credential ``c`` goes through: c alone; c and ``c_next`` (both are accepted, parts use c); c, which is the new value,
and ``c_previous`` (both are accepted, parts use c); c and ``c_retired``, which nothing renders; c alone. After each
step the tiers are applied, which render what the Secret holds: a run of site.yml in between leaves a rotation where it
is, and one that was interrupted goes on. From each state the one before it can be told (``before``).
Passwords of database roles and NATS users come with a login name, ``<store>_user_<part>``, which changes with them: a
server knows one password a login.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engine.cluster import Cluster
from ..engine.credentials import NEXT, PREVIOUS, RETIRED, generated
from ..engine.errors import ApiError, EngineError
from ..engine.manifests import secret_values
from .cluster_view import SECRET

Object = dict[str, Any]

# What can be rotated: names of the kinds, as users give them.
WHAT = ("postgres", "superuser", "nats", "jwt", "qdrant", "ai")
PAGE = "docs/operations/rotation.md"
_ONE = {"superuser": "postgres_password", "jwt": "jwt_secret", "qdrant": "qdrant_api_key"}


@dataclass(frozen=True)
class Credential:
    """One that is rotated: its name, the part whose login it is (or none), and whether somebody else issues it."""

    name: str
    store: str = ""
    part: str = ""
    external: bool = False

    @property
    def login(self) -> str:
        """Key of the login name that changes with it; empty where there is none."""
        return f"{self.store}_user_{self.part}" if self.store else ""


@dataclass
class Step:
    """What one step changes: key -> new value, None where it goes; and lines about it, without any value."""

    data: dict[str, str | None] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def choose(what: Iterable[str], catalogue: Mapping[str, Any]) -> list[Credential]:
    """The credentials that are meant, by name. Raises EngineError where nothing or something unknown is."""
    wanted = list(dict.fromkeys(what))
    unknown = [word for word in wanted if word not in WHAT]
    if unknown or not wanted:
        named = f"{', '.join(unknown)}: cannot be rotated." if unknown else "Nothing to rotate is named."
        raise EngineError(named, f"Name one or more of {', '.join(WHAT)}: make rotate WHAT=jwt,nats.")
    found: list[Credential] = []
    for word in wanted:
        if word in {"postgres", "nats"}:
            found += _of_parts(word, catalogue)
        elif word == "ai":
            found += [Credential(c["name"], external=True) for c in catalogue["credentials"] if c["kind"] == "external"]
        elif any(c["name"] == _ONE[word] for c in catalogue["credentials"]):
            found.append(Credential(_ONE[word]))
    if not found:
        raise EngineError(
            f"The catalogue has no credential of {', '.join(wanted)}.", "See `secrets` and `uses` of its parts."
        )
    return sorted(found, key=lambda credential: credential.name)


def _of_parts(store: str, catalogue: Mapping[str, Any]) -> list[Credential]:
    return [Credential(f"{store}_password_{part}", store, part) for part in catalogue["stores"][store]["users"]]


def ours(chosen: list[Credential], referred: Mapping[str, str]) -> tuple[list[Credential], str]:
    """Those that the platform's Secret keeps, and what to say of the others, which users' Secrets hold.

    referred: credential -> Secret. Raises EngineError if none is left.
    """
    theirs = [credential.name for credential in chosen if credential.name in referred]
    if not theirs:
        return chosen, ""
    named = ", ".join(f"{name} from Secret {referred[name]}" for name in theirs)
    remedy = "Change the value where that Secret comes from, then run `make deploy`, which takes it up."
    if len(theirs) == len(chosen):
        raise EngineError(f"platform_credentials_from takes {named}, which is only read. Nothing was changed.", remedy)
    left = [credential for credential in chosen if credential.name not in referred]
    return left, f"Not rotated: platform_credentials_from takes {named}, which is only read. {remedy}"


def prepare(
    chosen: Iterable[Credential], live: Mapping[str, str], given: Mapping[str, str], make: Callable[[], str] = generated
) -> Step:
    """New values beside those in force: what the inventory gives where it gives one, else generated.

    Raises EngineError where the inventory gives the value that is in force, or somebody else has to issue it.
    """
    step, wrong = Step(), []
    for credential in chosen:
        name, value = credential.name, given.get(credential.name)
        if name not in live:
            wrong.append(f"{name} is not in the cluster yet: run site.yml first.")
        elif f"{name}{RETIRED}" in live:
            step.lines.append(f"{name}: the former value is no longer accepted; going on from there")
        elif f"{name}{PREVIOUS}" in live:
            step.lines.append(f"{name}: parts use the new value already; going on from there")
        elif f"{name}{NEXT}" in live and value in (None, live[f"{name}{NEXT}"]):
            step.lines.append(f"{name}: a new value is accepted already; going on from there")
        elif value == live[name]:
            wrong.append(f"platform_credentials.{name} gives the value that is in force: put the new one there.")
        elif credential.external:
            if value is None:
                wrong.append(f"{name} is issued by its provider: give the new one in platform_credentials.{name}.")
            else:
                step.lines.append(f"{name}: the inventory gives a new one")
        else:
            step.data[f"{name}{NEXT}"] = value or make()
            step.lines.append(f"{name}: a new value {'from the inventory' if value else 'was generated'}")
    if wrong:
        raise EngineError(
            "\n".join(["Nothing was changed:", *(f"- {line}" for line in wrong)]),
            "Values belong in a vault, the environment or a file, never into an argument.",
        )
    return step


def switch(chosen: Iterable[Credential], live: Mapping[str, str]) -> Step:
    """New values in force, the former ones still accepted."""
    step = Step()
    for credential in chosen:
        name = credential.name
        if (value := live.get(f"{name}{NEXT}")) is None:
            continue
        step.data |= {name: value, f"{name}{PREVIOUS}": live[name], f"{name}{NEXT}": None}
        if credential.login:
            step.data[credential.login] = other(live.get(credential.login, credential.part), credential.part)
        step.lines.append(f"{name}: parts change over to the new value")
    return step


def retire(chosen: Iterable[Credential], live: Mapping[str, str]) -> Step:
    """Former values are no longer accepted."""
    step = Step()
    for credential in chosen:
        if (value := live.get(f"{credential.name}{PREVIOUS}")) is not None:
            step.data |= {f"{credential.name}{PREVIOUS}": None, f"{credential.name}{RETIRED}": value}
            step.lines.append(f"{credential.name}: the former value is no longer accepted")
    return step


def forget(chosen: Iterable[Credential], live: Mapping[str, str]) -> Step:
    """Former values are gone."""
    retired = [f"{credential.name}{RETIRED}" for credential in chosen]
    return Step(dict.fromkeys(key for key in retired if key in live))


def before(live: Mapping[str, str], catalogue: Mapping[str, Any]) -> dict[str, str] | None:
    """What the Secret held before the last step of each rotation that is under way; None if none is.

    The tiers may still be as they were then, if a run ended after the step and before it had applied them.
    """
    logins = {c.name: c for store in ("postgres", "nats") for c in _of_parts(store, catalogue)}
    held = dict(live)
    for name in (credential["name"] for credential in catalogue["credentials"]):
        if f"{name}{NEXT}" in live:
            del held[f"{name}{NEXT}"]
        elif f"{name}{PREVIOUS}" in live:
            held |= {name: held.pop(f"{name}{PREVIOUS}"), f"{name}{NEXT}": live[name]}
            if (credential := logins.get(name)) and credential.login in live:
                held[credential.login] = other(live[credential.login], credential.part)
        elif f"{name}{RETIRED}" in live:
            held[f"{name}{PREVIOUS}"] = held.pop(f"{name}{RETIRED}")
    return None if held == dict(live) else held


def other(login: str, part: str) -> str:
    """The login name that takes turns with ``login`` (see roles/platform/templates/logins.j2)."""
    return f"{part}_b" if login == part else part


def read(cluster: Cluster, namespace: str, name: str) -> tuple[dict[str, str], str]:
    """Values of the Secret, and the version that they are of. Raises EngineError where there is none."""
    secret = cluster.find(SECRET, namespace, name)
    if secret is None:
        raise EngineError(f"There is no Secret {name} in namespace {namespace}.", "Run site.yml first.")
    return secret_values(secret), str(secret["metadata"]["resourceVersion"])


def write(cluster: Cluster, namespace: str, name: str, step: Step, version: str) -> None:
    """All changes of a step at once, unless somebody changed the Secret since. Raises EngineError."""
    data = {
        key: base64.b64encode(value.encode()).decode() if value is not None else None
        for key, value in step.data.items()
    }
    body = {"metadata": {"resourceVersion": version}, "data": data}
    try:
        cluster.patch(SECRET, namespace, name, body, "rotation")
    except ApiError as error:
        if error.status == 409:
            raise EngineError(
                f"Secret {name} was changed by somebody else just now.", "Run it again; it goes on where it is."
            ) from None
        raise
