"""The content of a build as one hash: what the builder is sent, and what it is told."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..engine.errors import EngineError
from .ignore import Ignore
from .sources import Build

# Hex digits: 64 bits tell all builds of a platform apart, and a person can still compare two.
DIGITS = 16


def files(build: Build) -> Iterator[str]:
    """Paths of what is hashed, relative to the context with ``/``, sorted within each folder."""
    ignore = Ignore.of(build.context, build.dockerfile)
    for folder, folders, names in os.walk(build.context):
        at = Path(folder).relative_to(build.context)
        # A link to a folder is a link, not what it leads to.
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = sorted(
            name
            for name in folders
            if name not in links
            and not _below(build, (at / name).as_posix())
            and not ignore.closed((at / name).as_posix())
        )
        for name in sorted([*names, *links]):
            path = (at / name).as_posix()
            if not ignore.leaves_out(path) and not _below(build, path):
                yield path


def holds(build: Build, path: str) -> bool:
    """Whether a change of ``path``, relative to the context, changes the image."""
    own = build.context / path == build.dockerfile or path == ".dockerignore"
    return own or not (Ignore.of(build.context, build.dockerfile).leaves_out(path) or _below(build, path))


def digest(build: Build) -> str:
    """``DIGITS`` hex digits over files (path, content, executable or not), Dockerfile, arguments, target, platforms.

    The same on any machine. Raises EngineError for a file that cannot be read.
    """
    whole = hashlib.sha256()
    told = [sorted(build.args.items()), build.target, sorted(build.platforms)]
    whole.update(json.dumps(told).encode())
    try:
        whole.update(_file(build.dockerfile))
        for path in files(build):
            whole.update(path.encode("utf-8", "surrogateescape") + b"\0")
            whole.update(_file(build.context / path))
    except OSError as error:
        raise EngineError(
            f"{build.label}: {error.filename} cannot be read: {error.strerror}.",
            "Give it to the user who builds, or leave it out by .dockerignore.",
        ) from None
    return whole.hexdigest()[:DIGITS]


def _below(build: Build, path: str) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in build.derived)


def _file(path: Path) -> bytes:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return b"link" + hashlib.sha256(os.fsencode(path.readlink())).digest()
    if not stat.S_ISREG(mode):
        return b"other"  # a socket or a pipe, which no builder takes
    with path.open("rb") as content:
        # The builder keeps the executable bit; the others follow the umask of whoever checked it out.
        return (b"exec" if mode & stat.S_IXUSR else b"file") + hashlib.file_digest(content, "sha256").digest()
