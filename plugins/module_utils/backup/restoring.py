"""A restore from the controller's side: look, refuse, stop what writes, keep what is there, bring back, start again."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import ConfigurationError, EngineError
from ..engine.manifests import secret_values
from ..operations.cluster_view import SECRET
from . import jobs

Object = dict[str, Any]

STORES = ("postgres", "qdrant", "nats")
CREDENTIALS = "credentials"


@dataclass(frozen=True)
class Asked:
    """Which backup (``latest`` for the newest), and which parts of it."""

    backup: str
    parts: tuple[str, ...]

    @classmethod
    def of(cls, backup: str | None, parts: Iterable[str]) -> Asked:
        """Raises EngineError for a part that there is not, and where no backup is named."""
        wanted = tuple(part for text in parts for part in text.split(",") if part)
        known = (*STORES, CREDENTIALS)
        for part in wanted:
            if part not in known:
                raise EngineError(f"There is no part {part!r} to restore.", f"There are: {', '.join(known)}.")
        if CREDENTIALS in wanted and len(wanted) > 1:
            raise EngineError(
                "Credentials are restored alone: the stores have to know them before anything else is done.",
                "Restore them first, deploy, then restore the other parts.",
            )
        if not backup:
            raise EngineError(
                "No backup was named.",
                "Say which: FROM=latest, or a name that `make backups` shows (-e restore_from=...).",
            )
        return cls(backup, wanted or STORES)

    def environment(self, **more: str) -> dict[str, str]:
        """For the Job."""
        return {"FROM": self.backup, "PARTS": ",".join(self.parts), **more}


def inspect(cluster: Cluster, namespace: str, asked: Asked, seconds: float) -> dict[str, Any]:
    """What the backup holds, its checksums compared, and what is live. Raises EngineError; writes nothing."""
    source = jobs.schedule(cluster, namespace, "restore")
    wanted = jobs.Wanted(asked.environment(MODE="inspect"))
    report = jobs.ask(cluster, namespace, jobs.made_of(source, wanted, "inspect"), seconds)
    inspected: dict[str, Any] = report["inspected"]
    return inspected


def needs_name(plan: Mapping[str, Any]) -> bool:
    """Whether anything is live that would be replaced."""
    return any(number for live in plan["live"].values() for number in live.values())


def confirm(namespace: str, plan: Mapping[str, Any], given: str) -> None:
    """Refuse to replace live data unless its name was typed. Raises EngineError."""
    if needs_name(plan) and given != namespace:
        raise EngineError(
            "Nothing was restored: live data would be replaced, and its name was not given"
            + (f" ({given!r} is not it)." if given else "."),
            f"Answer with the name of the namespace, or give it: NAME={namespace} (-e restore_name={namespace}).",
        )


def job(cluster: Cluster, namespace: str, asked: Asked) -> Object:
    """The Job that brings the parts back. Raises EngineError; starts nothing."""
    return jobs.made_of(jobs.schedule(cluster, namespace, "restore"), jobs.Wanted(asked.environment()))


# --- credentials ------------------------------------------------------------------------------------------------------


def encrypted(cluster: Cluster, namespace: str, asked: Asked, seconds: float) -> bytes:
    """The credentials of a backup as they are kept. Raises EngineError."""
    source = jobs.schedule(cluster, namespace, "restore")
    wanted = jobs.Wanted(asked.environment(), only="restore", args=("credentials",))
    report = jobs.ask(cluster, namespace, jobs.made_of(source, wanted, "credentials"), seconds)
    return base64.b64decode(report["credentials"])


def decrypt(data: bytes, identity_file: str) -> dict[str, str]:
    """Name to value, by the private key in a file as ``age-keygen`` writes it. Raises EngineError; says no value."""
    try:
        import pyrage  # noqa: PLC0415 - only whoever restores credentials needs it
    except ImportError:
        raise ConfigurationError(
            "Reading credentials of a backup needs the Python package pyrage.",
            "Install it where Ansible runs: pip install pyrage",
        ) from None
    if not identity_file:
        raise EngineError(
            "The credentials are encrypted, and no private key was given.",
            "Name the file that age-keygen wrote: IDENTITY=~/platform.key (-e restore_identity_file=...).",
        )
    try:
        lines = Path(identity_file).expanduser().read_text().splitlines()
    except OSError as error:
        raise EngineError(
            f"{identity_file} cannot be read: {error.strerror}.", "Name the file of the private key."
        ) from None
    keys = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            try:
                keys.append(pyrage.x25519.Identity.from_str(line.strip()))
            except pyrage.IdentityError:
                raise EngineError(
                    f"{identity_file} holds no private key of age.", "It has a line AGE-SECRET-KEY-1..."
                ) from None
    try:
        values = json.loads(pyrage.decrypt(data, keys))
    except (pyrage.DecryptError, ValueError):
        raise EngineError(
            f"The key in {identity_file} does not open these credentials.",
            "They were encrypted to backup_age_recipients as it was then; use a key of one of those.",
        ) from None
    return {str(name): str(value) for name, value in values.items()}


def without_referred(values: Mapping[str, str], referred: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """What the platform's own Secret keeps, and what to say of the rest, which owners of other Secrets bring back.

    referred: credential -> Secret.
    """
    theirs = [f"{name} from Secret {referred[name]}" for name in sorted(values) if name in referred]
    note = f"Not restored: platform_credentials_from takes {', '.join(theirs)}, which is only read." if theirs else ""
    return {name: value for name, value in values.items() if name not in referred}, note


def write_credentials(
    cluster: Cluster, namespace: str, secret: str, values: Mapping[str, str], *, check: bool
) -> tuple[list[str], list[str]]:
    """Put what the live Secret lacks into it; (names written, names that are there with another value and stay).

    What is there stays: a restored password that the stores do not know would lock everybody out.
    """
    live = cluster.find(SECRET, namespace, secret)
    there = secret_values(live)
    lacking = {key: value for key, value in values.items() if value and not there.get(key)}
    differing = sorted(key for key, value in values.items() if there.get(key) and there[key] != value)
    if lacking and not check:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in lacking.items()}
        if live is None:
            metadata = {"name": secret, "namespace": namespace}
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
            cluster.apply(SECRET, body, force=True, what=f"Secret {secret}")
        else:
            # As a rotation does: an apply without the Secret's labels would take it out of its ApplySet.
            cluster.patch(SECRET, namespace, secret, {"data": data}, "rotation")
    return sorted(lacking), differing
