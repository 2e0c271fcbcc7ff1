"""Secrets from files or the environment, read again at every use so that a rotation needs no restart of the process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

KEYS = (
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "NATS_USER",
    "NATS_PASSWORD",
    "QDRANT_API_KEY",
    "JWT_SECRET",
    "JWT_SECRET_PREVIOUS",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
)


class CredentialError(RuntimeError):
    """A credential that is named but cannot be read; the message names the key and the file, never a value."""


class Credentials:
    """`<KEY>_FILE` wins over `<KEY>`, as in the official images of the datastores."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._files = {key: Path(path) for key in KEYS if (path := environment.get(f"{key}_FILE"))}
        self._values = {key: value for key in KEYS if (value := environment.get(key))}

    def get(self, key: str) -> str | None:
        """The value as of now, or None where the part was given no such key. Raises CredentialError."""
        path = self._files.get(key)
        if path is None:
            return self._values.get(key)
        try:
            # Editors and `kubectl create secret --from-file` leave a newline that no password contains.
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialError(f"{key}_FILE is {path}: {error.__class__.__name__} on reading it") from None

    def require(self, key: str) -> str:
        """The value as of now. Raises CredentialError where there is none or it is empty."""
        value = self.get(key)
        if not value:
            raise CredentialError(f"{key} is missing or empty: give {key}_FILE or {key}")
        return value

    def given(self) -> dict[str, bool]:
        """Which keys this part was given, and whether each holds something: what may be shown of a secret."""
        answer = {}
        for key in KEYS:
            if key in self._files or key in self._values:
                try:
                    answer[key] = bool(self.get(key))
                except CredentialError:
                    answer[key] = False
        return answer
