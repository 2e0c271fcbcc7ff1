"""Locks between processes: one at a time, gone with their holder, and no file left behind."""

import multiprocessing
import os
import signal
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from tools.cluster.locks import folder_lock

_PROCESSES = multiprocessing.get_context("spawn")


def _hold(folder: Path, held: Event, seconds: float, remove: bool) -> None:
    with folder_lock(folder):
        held.set()
        time.sleep(seconds)
        if remove:
            folder.rmdir()


def _holder(folder: Path, seconds: float, remove: bool = False) -> multiprocessing.process.BaseProcess:
    held = _PROCESSES.Event()
    process = _PROCESSES.Process(target=_hold, args=(folder, held, seconds, remove))
    process.start()
    assert held.wait(30)
    return process


def test_waits_for_the_holder_and_says_so(tmp_path: Path) -> None:
    waited: list[bool] = []
    process = _holder(tmp_path / "a", 0.5)
    with folder_lock(tmp_path / "a", lambda: waited.append(process.is_alive())):
        process.join(5)
        assert waited == [True]
        assert process.exitcode == 0


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    process = _holder(tmp_path / "a", 600)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    with folder_lock(tmp_path / "a"):
        pass
    process.join(5)
    assert list((tmp_path / "a").iterdir()) == []


def test_whoever_waits_for_a_folder_that_goes_locks_a_new_one(tmp_path: Path) -> None:
    process = _holder(tmp_path / "a", 0.5, remove=True)
    with folder_lock(tmp_path / "a"):
        assert (tmp_path / "a").is_dir()
    process.join(5)
