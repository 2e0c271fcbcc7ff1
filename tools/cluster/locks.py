"""Locks between processes that vanish with the process that holds them."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_lock(folder: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the exclusive lock of a folder, made if it is missing; `on_wait` is called when somebody else holds it.

    The kernel drops the lock when its holder ends, however it ends. The folder itself is the lock, so no file stays
    behind. The holder may remove the folder: whoever waited for it then locks a new one.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # removed between the two calls
        try:
            _lock(handle, on_wait)
            if _is_still(folder, handle):
                yield
                return
        finally:
            os.close(handle)


def _lock(handle: int, on_wait: Callable[[], None]) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait()
        fcntl.flock(handle, fcntl.LOCK_EX)


def _is_still(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(folder), os.fstat(handle))
    except FileNotFoundError:
        return False
