"""What there is: all backups, and the encrypted credentials of one."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import Any

from . import credentials, manifest, store
from .errors import BackupError, of_volume
from .report import result
from .settings import Settings


def run(settings: Settings) -> None:
    """Every complete backup, newest first; one that is damaged says so itself."""
    source = store.find(settings)
    found: list[dict[str, Any]] = []
    for name in reversed(source.names()):
        try:
            found.append(manifest.parse(source.manifest(name), name).summary())
        except BackupError as error:
            found.append({"name": name, "problem": error.message})
    result({"backups": found})


def show_credentials(settings: Settings) -> None:
    """The encrypted credentials of a backup, for whoever holds the key. Raises BackupError."""
    source = store.find(settings)
    name = store.choose(source, settings.text("FROM"))
    made = manifest.parse(source.manifest(name), name)
    manifest.of_platform(made, settings.platform)
    if "credentials" not in made.parts:
        raise BackupError(
            f"Backup {name} has no credentials: nobody's key was named when it was made.",
            "Choose another one, or set backup_age_recipients for those to come.",
        )
    with tempfile.TemporaryDirectory(dir=settings.work) as scratch:
        try:
            folder = source.fetch(name, [credentials.FILE], Path(scratch))
            manifest.verify(made, folder, ("credentials",))
            data = (folder / credentials.FILE).read_bytes()
        except OSError as error:
            raise of_volume(error, f"backup {name}") from error
    result({"name": name, "credentials": base64.b64encode(data).decode(), "names": made.parts["credentials"]["names"]})
