"""Where backups are kept: a volume or an S3 bucket. Only complete ones are ever seen."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Protocol

from . import manifest
from .errors import BackupError, of_volume
from .files import sync
from .manifest import NAME
from .settings import Settings


class Store(Protocol):
    """Complete backups of one platform, by name."""

    def names(self) -> list[str]:
        """All of them, oldest first."""

    def manifest(self, name: str) -> bytes:
        """The stored manifest."""

    def fetch(self, name: str, files: list[str], into: Path, /) -> Path:
        """The folder that holds these files of a backup: ``into``, or where they are already."""

    def publish(self, staging: Path, name: str) -> None:
        """Make a backup of the files in ``staging``, its manifest among them: from then on it is one."""

    def delete(self, name: str) -> None:
        """Take a backup away; from the first moment on it is none any more."""

    def sweep(self, before: datetime, /) -> list[str]:
        """Take away what broken-off uploads and deletions left that had started before; the names."""


class Volume:
    """A folder a backup. One appears by a rename and disappears by one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        found = (path for path in self._folder.iterdir() if not path.name.startswith("."))
        return sorted(path.name for path in found if (path / NAME).is_file())

    def manifest(self, name: str) -> bytes:
        return (self._folder / name / NAME).read_bytes()

    def fetch(self, name: str, _files: list[str], _into: Path, /) -> Path:
        return self._folder / name

    def publish(self, staging: Path, name: str) -> None:
        try:
            sync(staging)
            staging.rename(self._folder / name)
            sync(self._folder / name)
        except OSError as error:
            raise of_volume(error, f"backup {name}") from error

    def delete(self, name: str) -> None:
        going = self._folder / f".going-{name}"
        (self._folder / name).rename(going)
        shutil.rmtree(going)

    def sweep(self, _before: datetime, /) -> list[str]:
        return []  # dump.sh does, before it needs the room


def find(settings: Settings) -> Store:
    """The store that the environment names."""
    s3 = settings.s3()
    if s3:
        from .s3 import Bucket  # noqa: PLC0415 - its import takes half a second

        return Bucket(platform=settings.platform, **s3)
    return Volume(settings.root / settings.platform)


def choose(store: Store, wanted: str) -> str:
    """The backup of this name; ``latest`` is the newest named by a time. Raises BackupError with what there is."""
    names = store.names()
    if not names:
        raise BackupError("There is no backup.", "`make backup` makes one.")
    if wanted == "latest":
        stamped = [name for name in names if manifest.moment(name)]
        wanted = stamped[-1] if stamped else wanted
    if wanted not in names:
        shown = ", ".join(reversed(names[-10:]))
        raise BackupError(f"There is no backup {wanted!r}.", f"Newest first, there are: {shown}.")
    return wanted
