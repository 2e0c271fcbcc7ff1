"""A backup: what the dump's container left, snapshots of the other stores, credentials, manifest; then retention."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import credentials, manifest, postgres, retention, store
from .errors import BackupError, of_volume
from .jetstream import Streams
from .patience import until_reached
from .qdrant import Vectors
from .report import result, say, size
from .settings import Settings


def run(settings: Settings) -> None:
    """Make a backup complete, or leave nothing of it. Raises BackupError."""
    staging = settings.staging
    try:
        try:
            made = _collect(settings, staging)
        except OSError as error:
            raise of_volume(error, "the backup") from error
        target = store.find(settings)
        target.publish(staging, made.name)
        say(f"Backup {made.name} is complete: {size(made.size)} in {len(made.files)} files.")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    # Only a backup that stands makes room for others.
    if not settings.keep_all:
        for name in retention.to_delete(target.names(), settings.retention):
            target.delete(name)
            say(f"Backup {name} is gone: backup_retention does not keep it.")
        for name in target.sweep(datetime.now(UTC) - settings.time_limit):
            say(f"What was left of backup {name} is gone: its upload or its deletion had broken off.")
    result({"backup": made.summary()})


def _collect(settings: Settings, staging: Path) -> manifest.Manifest:
    started = _started(staging)
    parts: dict[str, dict[str, Any]] = {}
    parts["postgres"] = postgres.read_content(staging / postgres.CONTENT)
    say(f"Postgres: {_total(parts['postgres']['rows'].values(), 'row')} in {len(parts['postgres']['rows'])} tables.")
    vectors, messages = Vectors(settings), Streams(settings)
    until_reached(settings, vectors.version, messages.live_messages)
    parts["qdrant"] = vectors.save(staging)
    found = parts["qdrant"]["collections"]
    say(f"Qdrant: {_total((c['points'] for c in found.values()), 'point')} in {len(found)} collections.")
    parts["nats"] = messages.save(staging)
    streams = parts["nats"]["streams"]
    say(f"NATS: {_total((s['messages'] for s in streams.values()), 'message')} in {len(streams)} streams.")
    if settings.recipients:
        source = Path(settings.text("TO_ENCRYPT_DIR"))
        names = credentials.save(source, settings.recipients, staging / credentials.FILE)
        parts["credentials"] = {"names": names}
        say(f"Credentials: {len(names)}, encrypted to {len(settings.recipients)} keys.")
    else:
        say("Credentials are left out: backup_age_recipients names nobody who could read them.")
    made = manifest.Manifest(
        platform=settings.platform,
        name=manifest.new_name(started),
        reason=settings.text("REASON", "schedule"),
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        collection=settings.text("COLLECTION_VERSION", ""),
        parts=parts,
        files=manifest.describe_files(staging),
    )
    (staging / manifest.NAME).write_bytes(made.dump())
    return made


def _started(staging: Path) -> datetime:
    """When the dump began: whatever was written after that is not in the backup."""
    file = staging / "started"
    try:
        started = datetime.fromtimestamp(int(file.read_text()), UTC)
        file.unlink()
    except (OSError, ValueError) as error:
        raise BackupError("The dump of Postgres has left nothing.", "See the log of the container dump.") from error
    return started


def _total(numbers: Any, what: str) -> str:
    total = sum(numbers)
    return f"{total} {what}{'' if total == 1 else 's'}"
