"""Failures that a person can do something about."""

from __future__ import annotations

import errno


class BackupError(Exception):
    """What went wrong and what to do, each a sentence or more. Never holds a secret."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class Unreachable(BackupError):
    """A store does not answer. It may in a moment."""


FULL = "Make room there: a larger volume (platform_backup.volume_size) or fewer backups (backup_retention)."


def of_volume(error: OSError, what: str) -> BackupError:
    """The failure of a read or write on the backup volume."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return BackupError(f"The backup volume is full: {what} cannot be written. Earlier backups are unharmed.", FULL)
    return BackupError(f"{what}: {error.strerror or error}.", "Look at the backup volume and its pod's events.")
