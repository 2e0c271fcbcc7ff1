"""Values of credentials: where each comes from, and when one may be made.

One Secret in the platform's namespace is the source of truth; no pod mounts it. Precedence, per credential: the Secret
that the user named (only read, for all credentials or for one), the value that the inventory gives, the live Secret, a
value generated once. What another Secret holds is copied into the platform's: the copy says what is deployed.
Values never leave this module but through ``get`` and ``standby``, which templates of Secrets call.

While a credential is rotated, a second value is accepted beside the one in force. It is in the same Secret, under the
name with a suffix: ``_next`` before the parts use it, ``_previous`` once they do (see operations/rotation.py). One that
is no longer accepted is kept as ``_retired`` until no server knows it; nothing renders it.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .cluster import Cluster
from .diff import MASK
from .errors import EngineError
from .kinds import BUILT_IN
from .manifests import Identity, secret_values

SECRET = BUILT_IN["v1", "Secret"]
CLAIM = BUILT_IN["v1", "PersistentVolumeClaim"]

NEXT, PREVIOUS, RETIRED = "_next", "_previous", "_retired"

LENGTH = 40
# Shorter values are no secrets (preflight refuses them) and would cut words apart when masked.
SHORTEST = 6
_ALPHABET = string.ascii_letters + string.digits

# In place of a run's functions, where only the names of objects are asked for.
NO_VALUES: Mapping[str, Callable[..., Any]] = {
    "credential": str,
    "accepted": lambda name: [name],
    "standby": lambda _name: "",
    "former": lambda _name: "",
    "other_login": lambda _name, part: f"{part}_b",
    "login": lambda _name, default: default,
}


@dataclass(frozen=True)
class Source:
    """How the platform describes its credentials; holds no value.

    ``secret``: name of the Secret. ``managed``: whether it is ours to write (else a user's, only read).
    ``keys``: name -> whether it may be generated, and with which ``prefix``.
    ``volumes``: label selector of claims whose data only the present credentials open.
    """

    secret: str
    managed: bool
    keys: Mapping[str, Mapping[str, Any]]
    volumes: str = ""
    variable: str = "platform_credentials"
    # Credential -> (Secret, key) that a user keeps for it alone.
    elsewhere: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @staticmethod
    def of(described: Mapping[str, Any]) -> Source:
        """From the option ``credentials`` of the module."""
        return Source(
            secret=described["secret"],
            managed=bool(described.get("managed", True)),
            keys={key["name"]: key for key in described["keys"]},
            volumes=described.get("volumes", ""),
            variable=described.get("values_from", "platform_credentials"),
            elsewhere={
                name: (str(entry["secret"]), str(entry.get("key") or name))
                for name, entry in (described.get("from") or {}).items()
            },
        )


@dataclass
class Credentials:
    """The credentials of one run. ``cluster`` None: only rendering, every value is a reference to its name.

    ``describe`` and ``given`` (variable name -> its values) are asked when the first credential is.
    """

    describe: Callable[[], Source]
    given_by: Callable[[str], Mapping[str, str]]
    cluster: Cluster | None
    namespace: str
    check: bool = False
    # The tier that writes the Secret may generate; others read what it wrote.
    writes: bool = False
    # Where only rendering: a run whose present keys are referred to, so that a record has what the cluster has.
    mirror: Credentials | None = None
    _live: dict[str, str] | None = None
    _looked: bool = False
    # No Secret and no volumes: a new platform.
    _new: bool = False
    _made: dict[str, str] = field(default_factory=dict)
    # Secrets of others: name -> its values, None if it does not exist.
    _others: dict[str, dict[str, str] | None] = field(default_factory=dict)

    @cached_property
    def source(self) -> Source:
        return self.describe()

    @cached_property
    def given(self) -> Mapping[str, str]:
        return self.given_by(self.source.variable)

    @property
    def functions(self) -> dict[str, Callable[..., Any]]:
        """What templates may call."""
        return {
            "credential": self.get,
            "accepted": self.accepted,
            "standby": self.standby,
            "former": self.former,
            "login": self.login,
            "other_login": self.other_login,
        }

    def get(self, name: str) -> str:
        """The value of credential ``name``.

        Raises EngineError where it is not one of the platform's, or has no value and none may be made.
        """
        key = self.source.keys.get(name)
        if key is None:
            raise EngineError(
                f"credential({name!r}): the platform has no such credential.",
                f"It has: {', '.join(sorted(self.source.keys))}.",
            )
        if self.cluster is None:
            return f"credential:{name}"
        if name in self.source.elsewhere:
            return self._referred(name)
        if not self.source.managed:
            return self._of_user(name)
        # What the inventory gives while a rotation is prepared is the next value: not in force yet.
        given = "" if self._optional(f"{name}{NEXT}") else self.given.get(name)
        if value := given or self._read().get(name):
            return value
        return self._make(name, key)

    def holding(self, values: Mapping[str, str]) -> Credentials:
        """These credentials as they would be if the live Secret held ``values``."""
        return replace(self, _live=dict(values), _looked=True)

    def standby(self, name: str) -> str:
        """The other value of credential ``name`` that is accepted while it is rotated; empty outside of a rotation.

        What another Secret holds is not rotated from here.
        """
        if name in self.source.elsewhere:
            return ""
        return self._optional(f"{name}{NEXT}") or self._optional(f"{name}{PREVIOUS}")

    def accepted(self, name: str) -> list[str]:
        """The values of credential ``name`` that are accepted: two while it is rotated, one else.

        Their order does not depend on which one is in force, and is that of the values also for their names.
        """
        by = self.mirror or self
        ordered = sorted([(by.get(name), self.get(name)), (by.standby(name), self.standby(name))])
        return [value for _, value in ordered if value]

    def former(self, name: str) -> str:
        """What was deployed before another Secret changed credential ``name``; empty for what no other Secret holds.

        For a server that changes a password only for whoever knows the one in force. It stays after the change: a run
        that was killed is finished by the next one.
        """
        if name not in self.source.elsewhere:
            return ""
        if self.cluster is None:
            return f"credential:{name}{PREVIOUS}" if self.mirror and self.mirror.former(name) else ""
        live = self._look() or {}
        deployed = live.get(name, "")
        return deployed if deployed and deployed != self._referred(name) else live.get(f"{name}{PREVIOUS}", "")

    def login(self, name: str, default: str) -> str:
        """The user name that belongs to a password and changes with it; ``default`` until the first rotation."""
        if self.cluster is None:
            return f"credential:{name}" if self.mirror else default
        return self._optional(name) or default

    def other_login(self, name: str, part: str) -> str:
        """The user name that takes turns with it."""
        active = self.mirror.login(name, part) if self.mirror else self.login(name, part)
        return f"{part}_b" if active == part else part

    def _optional(self, name: str) -> str:
        if self.cluster is not None:
            return (self._look() or {}).get(name, "")
        return f"credential:{name}" if self.mirror and self.mirror._optional(name) else ""

    def check_kept(self, declared: Iterable[Identity]) -> None:
        """Refuse values that were made and would be lost, as none of the ``declared`` objects is their Secret."""
        if self._made and not self.check and not any(self.lives_in(key) for key in declared):
            raise self._not_yet(min(self._made))

    def check_not_made_elsewhere(self) -> None:
        """Refuse to write over what another run has made since this one looked. To be asked with the Lease held."""
        if not self._made or self.cluster is None:
            return
        there = secret_values(self.cluster.find(SECRET, self.namespace, self.source.secret))
        other = sorted(name for name, value in self._made.items() if (there.get(name) or value) != value)
        if other:
            raise EngineError(
                f"Another run has made {', '.join(other)} in Secret {self.source.secret} of namespace {self.namespace} "
                "meanwhile. Nothing was written over it.",
                "Run again: what is there by then counts.",
            )

    def lives_in(self, key: Identity) -> bool:
        """Whether ``key`` is the Secret of these credentials. Asked where none was used, it is not."""
        return "source" in self.__dict__ and key == ("", "Secret", self.namespace, self.source.secret)

    def redact(self, text: str) -> str:
        """``text`` without any value of this run, in clear or in base64: for words of others (a server, a filter)."""
        given = self.__dict__.get("given") or {}  # not asked for yet: not in any text either
        others = [value for values in self._others.values() for value in (values or {}).values()]
        return redacted(text, self._live or {}, [*given.values(), *self._made.values(), *others])

    def _of_user(self, name: str) -> str:
        value = self._read().get(name)
        if not value:
            raise EngineError(
                f"Secret {self.source.secret} in namespace {self.namespace} has no value for {name}.",
                f"It is named by platform_existing_secret, so add the key {name} to it; it is never written from here.",
            )
        return value

    def _referred(self, name: str) -> str:
        assert self.cluster is not None  # noqa: S101
        secret, key = self.source.elsewhere[name]
        if secret not in self._others:
            live = self.cluster.find(SECRET, self.namespace, secret)
            self._others[secret] = None if live is None else secret_values(live)
        values = self._others[secret]
        if value := (values or {}).get(key):
            return value
        what = "does not exist" if values is None else f"has no value for the key {key}"
        raise EngineError(
            f"{self.source.variable}_from.{name} names Secret {secret} in namespace {self.namespace}, which {what}.",
            "Create it, or the key in it, and run again; it is never written from here.",
        )

    def _read(self) -> dict[str, str]:
        found = self._look()
        if found is None and self.source.managed and not self._new:
            self._refuse_lost()
            self._new = True
        return found or {}

    def _look(self) -> dict[str, str] | None:
        """What the live Secret holds; None where there is none."""
        if not self._looked:
            assert self.cluster is not None  # noqa: S101
            live = self.cluster.find(SECRET, self.namespace, self.source.secret)
            if live is not None:
                self._live = secret_values(live)
            self._looked = True
        return self._live

    def _refuse_lost(self) -> None:
        """A volume without its credentials is no new platform: a new password would lock its data in."""
        if not self.source.volumes:
            return
        assert self.cluster is not None  # noqa: S101
        claims, _ = self.cluster.list(CLAIM, self.namespace, labels=self.source.volumes)
        if claims:
            names = ", ".join(sorted(claim["metadata"]["name"] for claim in claims))
            raise EngineError(
                f"Secret {self.source.secret} is gone from namespace {self.namespace}, but its volumes are there: "
                f"{names}. New credentials would not open them, so none are made.",
                f"Restore the Secret from a backup, or give the old values in {self.source.variable}. "
                "To begin anew without that data, delete those claims first (kubectl delete pvc ...).",
            )

    def _make(self, name: str, key: Mapping[str, Any]) -> str:
        if name in self._made:
            return self._made[name]
        if not key.get("generate"):
            raise EngineError(
                f"{self.source.variable}.{name} has no value, and this environment does not generate one.",
                f"Set {self.source.variable}.{name} (ansible-vault, or a lookup of an environment variable or file).",
            )
        if not self.writes and not self.check:
            raise self._not_yet(name)
        self._made[name] = f"{key.get('prefix', '')}{generated()}"
        return self._made[name]

    def _not_yet(self, name: str) -> EngineError:
        return EngineError(
            f"Secret {self.source.secret} in namespace {self.namespace} has no {name} yet.",
            "Run the tier that writes it first: site.yml --tags namespace, or site.yml whole.",
        )


def redacted(text: str, live: Mapping[str, str], more: Iterable[str] = ()) -> str:
    """``text`` without what the Secret holds (``live``, by key) and the values ``more``, in clear or in base64."""
    # User names are there too, and no secrets.
    values = [*more, *(value for name, value in live.items() if "_user_" not in name)]
    for value in sorted((v for v in values if len(v) >= SHORTEST), key=len, reverse=True):
        text = text.replace(value, MASK).replace(base64.b64encode(value.encode()).decode(), MASK)
    return text


def generated() -> str:
    """A new random value."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
