"""The platform's credentials, encrypted to public keys: what makes a backup cannot read what it has written.

Format age v1, https://age-encryption.org/v1; inside is JSON, name to value, as ``platform_credentials`` takes it.
"""

from __future__ import annotations

import json
from pathlib import Path

from pyrage import RecipientError, encrypt, x25519

from .errors import BackupError

FILE = "credentials/credentials.age"


def save(source: Path, recipients: list[str], target: Path) -> list[str]:
    """Encrypt every file of ``source`` (a mounted Secret), by its name; the names. Raises BackupError."""
    keys = []
    for recipient in recipients:
        try:
            keys.append(x25519.Recipient.from_str(recipient))
        except (RecipientError, ValueError) as error:
            raise BackupError(
                f"backup_age_recipients: {recipient} is no public key of age.", "age-keygen shows one: age1..."
            ) from error
    # A mounted Secret has its links beside folders of its own that begin with two dots.
    values = {path.name: path.read_text() for path in sorted(source.iterdir()) if not path.name.startswith("..")}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encrypt(json.dumps(values, sort_keys=True).encode(), keys))
    return list(values)
