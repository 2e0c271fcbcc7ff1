"""Credentials that Secrets of others hold: ``platform_credentials_from``, and what such a Secret must be like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import credentials, names
from .problems import Problems, suggest
from .reader import Reader

VARIABLE = "platform_credentials_from"
# The platform's own Secret, which is written from these.
OWN_SECRET = "platform-credentials"  # noqa: S105 - a name
_KEY = r"[-._A-Za-z0-9]{1,253}"


@dataclass(frozen=True)
class Reference:
    """Where a credential is: a key of a Secret in the platform's namespace."""

    credential: str
    secret: str
    key: str
    min_length: int = 0

    @property
    def path(self) -> str:
        """How a user names it."""
        return f"{VARIABLE}.{self.credential}"


def read(value: Any, wanted: Iterable[Mapping[str, Any]] = (), problems: Problems | None = None) -> list[Reference]:
    """The references that are well-formed; faults of the others are noted. wanted: the derived credentials."""
    problems = Problems() if problems is None else problems
    if not value:
        return []
    if not isinstance(value, Mapping):
        problems.add(VARIABLE, value, "is not a dictionary", "Write name: {secret: name, key: key}")
        return []
    shortest = {credential["name"]: int(credential["min_length"]) for credential in wanted}
    found = (_read(str(name), entry, shortest.get(name, 0), problems) for name, entry in value.items())
    return [reference for reference in found if reference]


def _read(name: str, entry: Any, min_length: int, problems: Problems) -> Reference | None:
    path, before = f"{VARIABLE}.{name}", len(problems.found)
    reader = Reader(entry, path, problems, ("secret", "key"), {"name": 'Did you mean "secret"'})
    secret = reader.text("secret", "", names.DOMAIN, "Use lower-case letters, digits, - and .")
    key = reader.text("key", name, _KEY, "Name a key of the Secret")
    if not secret and len(problems.found) == before:
        problems.add(f"{path}.secret", None, "is missing", "Name the Secret, in the platform's namespace")
    if secret == OWN_SECRET:
        problems.add(f"{path}.secret", secret, "is the Secret that the platform writes", "Name one of your own")
    return Reference(name, secret, key, min_length) if len(problems.found) == before else None


def check(
    references: Iterable[Reference],
    wanted: Iterable[Mapping[str, Any]] | None,
    given: Any,
    existing_secret: str,
    problems: Problems,
) -> None:
    """Check references against the other settings of credentials.

    wanted: the derived credentials, None if they are not known in full. given: the dict ``platform_credentials``.
    """
    by_name = None if wanted is None else {credential["name"] for credential in wanted}
    referred = [reference.credential for reference in references]
    if existing_secret and referred:
        problems.add(
            "platform_existing_secret",
            existing_secret,
            f"holds every credential, and {VARIABLE} names others for {', '.join(referred)}",
            f"Set platform_existing_secret to an empty text and name each credential under {VARIABLE}",
        )
    for name in referred:
        if by_name is not None and name not in by_name:
            problems.add(f"{VARIABLE}.{name}", None, "is a credential that no component uses", suggest(name, by_name))
        if isinstance(given, Mapping) and given.get(name) not in (None, ""):
            problems.add_secret(
                f"{VARIABLE}.{name}",
                f"names a Secret, and {credentials.VARIABLE}.{name} gives a value",
                "Remove one of them",
            )


def check_live(reference: Reference, data: Mapping[str, str] | None, namespace: str, problems: Problems) -> None:
    """Note why a Secret does not serve a reference. data: its values, None if it does not exist. Shows no value."""
    where = f"Secret {reference.secret} in namespace {namespace}"
    if data is None:
        problems.add_secret(
            reference.path, f"names {where}, which does not exist", "Create it (and the namespace) before the run"
        )
    elif not data.get(reference.key):
        there = f"It has {', '.join(sorted(data))}" if data else "It has no key"
        problems.add_secret(
            reference.path, f"names the key {reference.key}, for which {where} has no value", f"Add it. {there}"
        )
    elif fault := credentials.value_fault(data[reference.key], reference.min_length):
        problem, remedy = fault
        problems.add_secret(reference.path, f"names {where}, whose key {reference.key} {problem}", remedy)
