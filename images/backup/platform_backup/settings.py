"""What the Job's environment says. Secrets arrive as files, named by variables in _FILE, and are read on use."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from .errors import BackupError

PARTS = ("postgres", "qdrant", "nats")


@dataclass(frozen=True)
class Settings:
    """The environment, read by name where it is needed: list needs no store, backup no name."""

    environment: Mapping[str, str]

    @classmethod
    def of_process(cls) -> Settings:
        return cls(dict(os.environ))

    def text(self, name: str, default: str | None = None) -> str:
        """A variable. Raises BackupError where it is missing and has no default."""
        value = self.environment.get(name, default)
        if value is None:
            raise BackupError(f"The environment variable {name} is not set.", "It comes with the Job's template.")
        return value

    def secret(self, name: str) -> str:
        """The content of the file that NAME_FILE names."""
        path = Path(self.text(f"{name}_FILE"))
        try:
            return path.read_text().strip()
        except OSError as error:
            raise BackupError(
                f"{path} cannot be read: {error.strerror}.", "See the Secret that the pod mounts."
            ) from error

    @property
    def platform(self) -> str:
        """The name that backups belong to."""
        return self.text("PLATFORM")

    @property
    def root(self) -> Path:
        """Where the volume is, or in its place the scratch space from which S3 is fed."""
        return Path(self.text("BACKUP_ROOT", "/backups"))

    @property
    def work(self) -> Path:
        """Scratch space that the containers of one pod share."""
        return Path(self.text("WORK_DIR", "/work"))

    @property
    def staging(self) -> Path:
        """Where this pod's backup grows until it is complete."""
        return self.root / self.platform / f".partial-{self.text('POD_NAME')}"

    @cached_property
    def retention(self) -> dict[str, int]:
        """How many to keep, by last, daily, weekly, monthly."""
        return {str(rule): int(number) for rule, number in json.loads(self.text("RETENTION", '{"last": 7}')).items()}

    @property
    def time_limit(self) -> timedelta:
        """How long a backup may take: whatever started longer ago is written by nobody any more."""
        return timedelta(seconds=float(self.text("BACKUP_TIMEOUT")))

    @property
    def keep_all(self) -> bool:
        """Whether no other backup goes: this one is made before a restore, which needs the one that it restores."""
        return self.text("KEEP_ALL", "") == "true"

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that a restore is about."""
        wanted = [part for part in self.text("PARTS", "").split(",") if part]
        unknown = [part for part in wanted if part not in PARTS]
        if unknown:
            raise BackupError(f"There is no part {unknown[0]!r} to restore.", f"There are: {', '.join(PARTS)}.")
        return tuple(wanted) or PARTS

    @property
    def recipients(self) -> list[str]:
        """Public keys that credentials are encrypted to; none: they stay out of backups."""
        return [key for key in self.text("AGE_RECIPIENTS", "").split(",") if key]

    @property
    def qdrant_nodes(self) -> list[str]:
        """Addresses of every node, in the order of their ordinals."""
        return [url for url in self.text("QDRANT_NODES").split(",") if url]

    def s3(self) -> dict[str, Any] | None:
        """Bucket and the rest of the object store; None where a volume keeps the backups."""
        bucket = self.text("S3_BUCKET", "")
        if not bucket:
            return None
        return {
            "bucket": bucket,
            "prefix": self.text("S3_PREFIX", "").strip("/"),
            "endpoint": self.text("S3_ENDPOINT", ""),
            "region": self.text("S3_REGION", ""),
            "access_key_id": self.secret("S3_ACCESS_KEY_ID"),
            "secret_access_key": self.secret("S3_SECRET_ACCESS_KEY"),
        }
