"""What needs no server: manifests, retention, settings."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from platform_backup import jetstream, manifest, retention
from platform_backup.errors import BackupError
from platform_backup.settings import Settings


def made(folder: Path) -> manifest.Manifest:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "database.dump").write_bytes(b"rows")
    files = manifest.describe_files(folder)
    return manifest.Manifest("agents", "20260101-000000", "schedule", "2026-01-01T00:00:00+00:00", "", "1.0", {}, files)


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    one = made(tmp_path)
    assert manifest.parse(one.dump(), one.name) == one
    assert manifest.verify(one, tmp_path, ("postgres",)) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda body: {**body, "platform": "another"}, "its checksum is another"),
        (lambda body: {**body, "format": 2}, "newer version"),
        (lambda body: {"name": "x"}, "cannot be read"),
        (lambda body: [], "cannot be read"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(tmp_path: Path, change: object, words: str) -> None:
    body = json.loads(made(tmp_path).dump())
    with pytest.raises(BackupError, match=words):
        manifest.parse(json.dumps(change(body)).encode(), "x")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"r0ws"), "checksum of postgres/database.dump"),
        (lambda path: path.write_bytes(b"row"), "3 bytes instead of 4"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
def test_a_file_that_was_changed_is_found(tmp_path: Path, spoil: object, words: str) -> None:
    one = made(tmp_path)
    spoil(tmp_path / "postgres" / "database.dump")  # type: ignore[operator]
    with pytest.raises(BackupError, match=words):
        manifest.verify(one, tmp_path, ("postgres",))
    assert manifest.verify(one, tmp_path, ("qdrant",)) == 0


def names(count: int, step: timedelta) -> list[str]:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return [manifest.new_name(first + number * step) for number in range(count)]


def test_retention_keeps_the_newest_of_each_period() -> None:
    every = names(60 * 4, timedelta(hours=6))
    gone = retention.to_delete(every, {"last": 3, "daily": 7, "weekly": 4, "monthly": 2})
    kept = [name for name in every if name not in gone]
    assert every[-3:] == kept[-3:]
    assert len({name[:8] for name in kept[-9:]}) == 7
    assert len(kept) <= 3 + 7 + 4 + 2
    assert any(name.startswith("20260228-18") for name in kept)


def test_only_what_a_backup_was_named_is_a_time() -> None:
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert manifest.moment(manifest.new_name(started)) == started
    assert [manifest.moment(name) for name in ("golden", "", "2026012-030405", "20260102-030405-copy")] == [None] * 4


def test_retention_never_takes_the_last_nor_what_is_not_ours() -> None:
    assert retention.to_delete([*names(2, timedelta(days=1)), "by-hand"], {}) == ["20260101-000000"]
    assert retention.to_delete(names(1, timedelta(days=1)), {"last": 0}) == []


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(BackupError, match="no part 'tapes'"):
        Settings({"PARTS": "postgres,tapes"}).parts  # noqa: B018


@pytest.mark.parametrize(("refusals", "restored"), [(0, True), (4, True), (5, False)])
def test_a_stream_that_is_refused_for_a_moment_is_restored(
    monkeypatch: pytest.MonkeyPatch, refusals: int, restored: bool
) -> None:
    left = [jetstream.Refused("NATS: stream exists.")] * refusals

    async def restore(*_: object, **__: object) -> None:
        if left:
            raise left.pop()

    monkeypatch.setattr(jetstream, "_restore", restore)
    monkeypatch.setattr(jetstream, "_PAUSE", 0)
    work = jetstream.restored(None, "platform", {}, Path(), alone=False)  # type: ignore[arg-type]
    if restored:
        asyncio.run(work)
    else:
        with pytest.raises(BackupError, match="stream exists"):
            asyncio.run(work)
