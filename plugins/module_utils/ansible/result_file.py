"""What a run did, as a JSON file that programs read: ``platform_result_file``.

Written tier by tier, so that a run that is stopped or killed leaves what it did until then. The tasks of a fleet's
clusters run side by side in processes of their own; each adds its part under a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..engine.errors import EngineError
from ..operations.releases import RUN

OK = "ok"


def record(file: Path, host: str, tier: Mapping[str, Any]) -> None:
    """Add ``tier`` (with its ``outcome``) to what this run did on ``host``. An earlier run's file is replaced.

    Raises EngineError where the file cannot be written.
    """
    with _of(file, host) as done:
        done["tiers"].append(dict(tier))
        done["changed"] |= bool(tier.get("changed"))
        if tier["outcome"] != OK:
            done["outcome"] = tier["outcome"]


def fail(file: Path, host: str, message: str) -> None:
    """Say why this run ended on ``host``, where no tier of it did: preflight, a template. Raises EngineError."""
    with _of(file, host) as done:
        if done["outcome"] == OK:
            done |= {"outcome": "failed", "message": message}


@contextmanager
def _of(file: Path, host: str) -> Iterator[dict[str, Any]]:
    """What this run did on ``host``, to be changed."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _lock(file.parent):
            document = _read(file)
            yield document["clusters"].setdefault(host, {"outcome": OK, "changed": False, "tiers": []})
            document["finished"] = _now()
            _write(file, document)
    except OSError as error:
        raise EngineError(
            f"platform_result_file: {file} cannot be written: {error.strerror}.",
            "What the run did is done all the same. Give the path of a file in a folder that this user may write to.",
        ) from None


def _read(file: Path) -> dict[str, Any]:
    """What this run has recorded by now."""
    try:
        document = json.loads(file.read_text())
        if document["run"] == RUN:
            return dict(document)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is none, or another run's
    return {"run": RUN, "started": _now(), "clusters": {}}


def _write(file: Path, document: Mapping[str, Any]) -> None:
    """As a whole: a reader never sees half of it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    with os.fdopen(descriptor, "w") as part:
        json.dump(document, part, indent=2)
        part.write("\n")
    os.chmod(name, 0o644)
    os.replace(name, file)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
