"""What a backup says of itself: ``manifest.json``, written last, so that a backup without one is none."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import files
from .errors import BackupError

NAME = "manifest.json"
# Raised when older readers would misunderstand what newer writers leave.
FORMAT = 1
STAMP = "%Y%m%d-%H%M%S"


@dataclass
class Manifest:
    """platform, name (time of the start, UTC), reason, what each part holds, and checksum and size of every file."""

    platform: str
    name: str
    reason: str
    started: str
    finished: str
    collection: str
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def begin(self) -> datetime:
        return datetime.fromisoformat(self.started)

    @property
    def size(self) -> int:
        return sum(int(entry["bytes"]) for entry in self.files.values())

    def dump(self) -> bytes:
        """As it is stored: with a checksum of itself."""
        body = {"format": FORMAT, **self.__dict__}
        return json.dumps({**body, "digest": _digest(body)}, indent=2, sort_keys=True).encode() + b"\n"

    def summary(self) -> dict[str, Any]:
        """What a list shows."""
        return {
            "name": self.name,
            "platform": self.platform,
            "started": self.started,
            "finished": self.finished,
            "reason": self.reason,
            "bytes": self.size,
            "collection": self.collection,
            "parts": sorted(self.parts),
            "counts": self.counts(),
        }

    def counts(self) -> dict[str, int]:
        """Rows, vectors and messages, and what holds them."""
        rows = self.parts.get("postgres", {}).get("rows", {})
        collections = self.parts.get("qdrant", {}).get("collections", {})
        streams = self.parts.get("nats", {}).get("streams", {})
        return {
            "tables": len(rows),
            "rows": sum(rows.values()),
            "collections": len(collections),
            "points": sum(c["points"] for c in collections.values()),
            "streams": len(streams),
            "messages": sum(s["messages"] for s in streams.values()),
        }


def _digest(body: dict[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def new_name(now: datetime) -> str:
    """The name of a backup that starts now."""
    return now.astimezone(UTC).strftime(STAMP)


def moment(name: str) -> datetime | None:
    """When the backup of this name started; None for a name that somebody gave a copy."""
    try:
        found = datetime.strptime(name, STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    return found if new_name(found) == name else None  # digits may be missing for strptime


def parse(data: bytes, name: str) -> Manifest:
    """A stored manifest. Raises BackupError for one that is damaged or of a newer format."""
    try:
        body = json.loads(data)
        version = int(body["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(name, "it cannot be read") from error
    if version > FORMAT:
        raise BackupError(
            f"Backup {name} was made by a newer version of the platform: its format is {version}, "
            f"and this one reads up to {FORMAT}. Nothing was written.",
            "Restore it with the version that made it, or a later one.",
        )
    digest = body.pop("digest", "")
    if digest != _digest(body):
        raise _damaged(name, "its checksum is another")
    del body["format"]
    return Manifest(**body)


def _damaged(name: str, why: str) -> BackupError:
    return BackupError(
        f"Backup {name} is damaged: {NAME}: {why}. Nothing was written.",
        "Choose another one (`make backups` lists them).",
    )


def of_platform(manifest: Manifest, platform: str) -> None:
    """Refuse what was made of another platform. Raises BackupError."""
    if manifest.platform != platform:
        raise BackupError(
            f"Backup {manifest.name} is of platform {manifest.platform}, and this one is {platform}. "
            "Nothing was written.",
            f"Restore it where it belongs; where it is meant to go here, set backup_platform to {manifest.platform}.",
        )


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Checksum and size of everything below ``folder``."""
    return {
        name: {"sha256": files.sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in files.tree(folder)
        if name != NAME
    }


def verify(manifest: Manifest, folder: Path, wanted: tuple[str, ...]) -> int:
    """Compare the files of the ``wanted`` parts with the manifest; how many there were. Raises BackupError."""
    chosen = {name: entry for name, entry in manifest.files.items() if name.partition("/")[0] in wanted}
    for name, entry in sorted(chosen.items()):
        path = folder / name
        if not path.is_file():
            raise _corrupt(manifest, f"{name} is missing")
        if (size := path.stat().st_size) != entry["bytes"]:
            raise _corrupt(manifest, f"{name} has {size} bytes instead of {entry['bytes']}")
        if files.sha256(path) != entry["sha256"]:
            raise _corrupt(manifest, f"the checksum of {name} is not that of its manifest")
    return len(chosen)


def _corrupt(manifest: Manifest, what: str) -> BackupError:
    return BackupError(
        f"Backup {manifest.name} is corrupt: {what}. Nothing was written.",
        "Choose another one (`make backups` lists them), and look at what happened to the store of the backups.",
    )
