"""Files into running containers: an archive over exec, so that nothing but `tar` is asked of an image."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import Cluster
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.streams import (
    ERROR,
    STDERR,
    STDIN,
    command,
    exit_code,
)

_CHUNK = 1 << 15


def targets(paths: Iterable[str], folders: Mapping[str, str]) -> dict[str, str] | None:
    """Where each of ``paths``, relative to the context, lies in the container; None where one is in no such folder."""
    found = {}
    for path in paths:
        for source, target in folders.items():
            if PurePosixPath(path).is_relative_to(source):
                found[path] = str(PurePosixPath(target) / PurePosixPath(path).relative_to(source))
                break
        else:
            return None
    return found


def copy(cluster: Cluster, namespace: str, pod: dict[str, Any], context: Path, files: Mapping[str, str]) -> None:
    """Bring ``files`` (path in the context -> path in the container) to a pod; those that are gone, go there too.

    Raises EngineError.
    """
    there = {path: target for path, target in files.items() if (context / path).is_file()}
    gone = [target for path, target in files.items() if path not in there]
    if there:
        _run(cluster, namespace, pod, ["tar", "-x", "-f", "-", "-C", "/"], archive(context, there))
    if gone:
        _run(cluster, namespace, pod, ["rm", "-f", *gone], b"")


def archive(context: Path, files: Mapping[str, str]) -> bytes:
    """A tar archive of ``files``, for whatever user the container has. Raises EngineError."""
    content = io.BytesIO()
    try:
        with tarfile.open(fileobj=content, mode="w") as out:
            for path, target in files.items():
                out.add(context / path, arcname=target.lstrip("/"), filter=_anyone)
    except OSError as error:  # an editor's file, gone again
        raise EngineError(f"{error.filename} cannot be read: {error.strerror}.") from None
    return content.getvalue()


def _anyone(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The user of the container owns it: who that is differs from here."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member


def _run(cluster: Cluster, namespace: str, pod: dict[str, Any], arguments: list[str], stdin: bytes) -> None:
    stream = command(cluster, namespace, pod, arguments, terminal=False, stdin=bool(stdin))
    said = b""
    try:
        for start in range(0, len(stdin), _CHUNK):
            stream.send(STDIN, stdin[start : start + _CHUNK])
        if stdin:
            stream.finish(STDIN)
        while (frame := stream.receive()) is not None:
            channel, data = frame
            if channel == STDERR:
                said += data
            if channel == ERROR:
                code, message = exit_code(data)
                if code == 0:
                    return
                why = said.decode("utf-8", "replace").strip() or message
                raise EngineError(f"{arguments[0]} in pod {pod['metadata']['name']}: {why}")
    except OSError as error:
        raise EngineError(f"Pod {pod['metadata']['name']} broke off: {error}.") from None
    finally:
        stream.close()
    raise EngineError(f"Pod {pod['metadata']['name']} broke off.")
