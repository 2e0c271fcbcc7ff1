"""Which credentials exist, who reads them, who must bring them, and what a value must be like. Holds no value itself.

kind  demanded: staging and prod must be given it, local and dev may generate it
      external: as demanded, but someone else issues it, so what is generated is a placeholder that no provider accepts
      internal: between parts of the platform only, so generated everywhere unless given
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .problems import Problems, suggest

VARIABLE = "platform_credentials"
_SUPERUSER = "postgres_password"
_LEAST: dict[str, int] = {"jwt_secret": 32, _SUPERUSER: 12, "qdrant_api_key": 16, "qdrant_read_only_api_key": 16}
_OF_STORES = (_SUPERUSER, "qdrant_api_key", "qdrant_read_only_api_key")
_EXTERNAL = ("openai_api_key", "anthropic_api_key")
_LEAST_OTHER = 12

_PLACEHOLDER = re.compile(
    r"change[-_ ]?(me|this|it)|replace[-_ ]?(me|this|with)|(.*[-_ ])?your[-_ ].*|insert[-_ ].*"
    r"|example.*|.*[-_]example|(.*[-_ ])?placeholder.*|dummy.*|fake.*|todo|tbd|fixme"
    r"|secret|password|passw0rd|admin|default|test(ing)?|none|null|undefined|0+|1234.*"
    r"|x{3,}|\.{3,}|\*{3,}|-{3,}|sk-(ant-)?(x+|\.+|\*+|test|xxx.*)|<.*>|\{\{.*|\$\{.*",
    re.IGNORECASE,
)
_SECRET_WORDS = re.compile(r"(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?)$")


@dataclass(slots=True)
class Credential:
    """A key of the platform's one Secret; used_by names parts and stores."""

    name: str
    kind: str
    min_length: int
    used_by: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For templates and the engine: {name, kind, min_length, used_by}."""
        return {"name": self.name, "kind": self.kind, "min_length": self.min_length, "used_by": self.used_by}


def is_placeholder(value: str) -> bool:
    """Whether a value is one that people put where a real one is still to come."""
    return _PLACEHOLDER.fullmatch(value) is not None


def name_fault(name: str) -> tuple[str, str] | None:
    """Why a part cannot list this under secrets (problem, remedy), None where it can."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "is no name of a credential", "Use lower-case letters, digits and _, such as openai_api_key"
    if name in _OF_STORES or name.startswith(("postgres_password_", "nats_password_")):
        return "comes with the store", "List the store under uses instead"
    known = ("jwt_secret", *_EXTERNAL)
    if name not in known and difflib.get_close_matches(name, known, n=1, cutoff=0.8):
        return "is no known credential", suggest(name, known)
    return None


def reads_as_secret(variable: str) -> bool:
    """Whether an environment variable's name says that its value is secret."""
    return _SECRET_WORDS.search(variable.upper()) is not None


def keys_of(part: str, uses: Iterable[str], secrets: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """What a part's own Secret holds: (KEY, "credential" or "login", name of the credential or of the login)."""
    for store in uses:
        if store == "postgres":
            yield "POSTGRES_USER", "login", f"postgres_user_{part}"
            yield "POSTGRES_PASSWORD", "credential", f"postgres_password_{part}"
        elif store == "nats":
            yield "NATS_USER", "login", f"nats_user_{part}"
            yield "NATS_PASSWORD", "credential", f"nats_password_{part}"
        elif store == "qdrant":
            yield "QDRANT_API_KEY", "credential", "qdrant_api_key"
    for name in secrets:
        yield name.upper(), "credential", name


def derive(consumers: Iterable[tuple[str, Iterable[str]]]) -> list[Credential]:
    """Every credential, sorted by name, from (part, names of its credentials) and what the stores always need."""
    found = {name: Credential(name, "demanded", _LEAST[name], [name.split("_")[0]]) for name in _OF_STORES}
    found["nats_password_system"] = Credential("nats_password_system", "internal", _LEAST_OTHER, ["nats"])
    for part, wanted in consumers:
        for name in wanted:
            if name not in found:
                found[name] = Credential(name, _kind(name), _LEAST.get(name, _LEAST_OTHER))
            found[name].used_by.append(part)
    return [found[name] for name in sorted(found)]


def _kind(name: str) -> str:
    if name.startswith(("postgres_password_", "nats_password_")):
        return "internal"
    return "demanded" if name in _LEAST else "external"


def check(
    wanted: Iterable[Mapping[str, Any]],
    given: Any,
    *,
    demand: bool,
    environment: str,
    complete: bool,
    existing_secret: str,
    referred: Collection[str] = (),
    problems: Problems,
) -> None:
    """Check the values that an inventory gives; no value ever enters a message.

    wanted: the derived credentials. given: the dict platform_credentials. demand: whether what is missing is a fault.
    complete: whether wanted is all there is; False while the catalogue has faults of its own.
    existing_secret: a Secret that the user names holds every key, so that values here would be ignored.
    referred: names of those that other Secrets hold, so that none is missing here.
    """
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        problems.add_secret(VARIABLE, "is not a dictionary", "Write name: value pairs")
        return
    by_name = {credential["name"]: credential for credential in wanted}
    for name in given if complete else ():
        if name not in by_name:
            remedy = suggest(str(name), by_name)
            problems.add_secret(
                f"{VARIABLE}.{name}",
                "is a credential that no part uses",
                f"{remedy}, or list it under a part's secrets",
            )
    if existing_secret:
        if given:
            problems.add(
                "platform_existing_secret",
                existing_secret,
                f"holds the credentials, and {VARIABLE} gives values too",
                f"Set {VARIABLE} to {{}} or platform_existing_secret to an empty text",
            )
        return
    for name, credential in by_name.items():
        if name in referred:
            continue
        _check_value(credential, given.get(name), demand=demand, environment=environment, problems=problems)


def _check_value(
    credential: Mapping[str, Any], value: Any, *, demand: bool, environment: str, problems: Problems
) -> None:
    at = f"{VARIABLE}.{credential['name']}"
    if value is None or value == "":
        if problems.concern(at):
            return
        if credential["kind"] != "internal" and demand:
            problems.add_secret(
                at,
                f"is {'empty' if value == '' else 'missing'}, and {environment} generates none",
                "Give it from a vault, the environment or a file, or name a Secret in platform_credentials_from",
            )
        return
    if not isinstance(value, str):
        problems.add_secret(at, "is not a text", "Put the value in quotes")
    elif fault := value_fault(value, credential["min_length"]):
        problems.add_secret(at, *fault)


def value_fault(value: str, min_length: int) -> tuple[str, str] | None:
    """Why a value cannot be a credential (problem, remedy), None if it can. Neither holds the value."""
    if value != value.strip() or "\n" in value:
        return "begins or ends with white space or holds a line break", "Trim it, for example with | trim"
    if is_placeholder(value):
        return "is a placeholder", "Give the real value"
    if len(value) < min_length:
        return (
            f"has {len(value)} characters of at least {min_length}",
            "Use a longer one, such as `openssl rand -base64 48` makes",
        )
    if len(set(value)) < min(8, min_length // 2):
        return "repeats a few characters only", "Use a random value"
    return None
