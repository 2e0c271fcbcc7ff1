"""The file that a build writes and site.yml reads: image references by name, as variables of an inventory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from ..engine.errors import EngineError

VARIABLE = "platform_images_built"
_FIRST = "# Written by `make images`: what it built last. Commit it where others deploy it; do not edit."


def read(path: Path) -> dict[str, str]:
    """The references; none where there is no such file. Raises EngineError for a file that is not of this kind."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None
    if _FIRST not in text.splitlines()[:3]:
        raise EngineError(
            f"images_map = {path} was not written by a build, and would be overwritten.",
            "Remove the file, or name another by images_map.",
        )
    try:
        references = yaml.safe_load(text)[VARIABLE]
    except (yaml.YAMLError, KeyError, TypeError):
        raise _unusable(path, f"it does not read as {VARIABLE}: {{name: reference}}") from None
    return {str(name): str(reference) for name, reference in references.items()}


def merged(old: Mapping[str, str], new: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """What the file is to hold: what was built now, and of the rest what the catalogue still has.

    A name whose image is the same, by digest, keeps its reference, so that a new tag alone restarts nobody.
    """
    kept = {name: reference for name, reference in old.items() if name in set(known)}
    for name, reference in new.items():
        digest = reference.partition("@")[2]
        same = digest and old.get(name, "").endswith(f"@{digest}") and _repository(old[name]) == _repository(reference)
        kept[name] = old[name] if same else reference
    return dict(sorted(kept.items()))


def write(path: Path, references: Mapping[str, str]) -> bool:
    """Whether the file had to be written. Never half: a reader sees the old or the new one. Raises EngineError."""
    lines = [f"  {name}: {reference}" for name, reference in sorted(references.items())]
    text = "\n".join(["---", _FIRST, f"{VARIABLE}:", *lines, ""])
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None
    return True


def _repository(reference: str) -> str:
    name = reference.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _unusable(path: Path, why: str) -> EngineError:
    return EngineError(f"images_map = {path} cannot be used: {why}.", "Name a file that can be written by images_map.")
