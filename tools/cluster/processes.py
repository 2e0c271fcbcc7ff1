"""Finds and ends the processes of a cluster, by the path of the program that they run."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    pid: int
    command: str


def processes_below(folder: Path) -> list[Process]:
    """The running processes that were started as a program below `folder`.

    A cluster starts each of its programs under a path of its own, so this neither misses a process whose pid nobody
    wrote down nor takes for ours a stranger that got an old pid.
    """
    return _started_as(f"{folder}/")


def end_processes_below(folder: Path) -> None:
    """End them at once and wait until they are gone: etcd, the only one that keeps data, is made to survive that."""
    _end(f"{folder}/")


def end_processes_of(program: Path) -> None:
    """The same for the processes of one program."""
    _end(f"{program} ")


def _started_as(prefix: str) -> list[Process]:
    return [process for process in _running() if process.command.startswith(prefix)]


def _end(prefix: str) -> None:
    while processes := _started_as(prefix):
        for process in processes:
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.05)


def _running() -> list[Process]:
    if Path("/proc/self/cmdline").exists():
        return [process for entry in Path("/proc").iterdir() if entry.name.isdigit() and (process := _from_proc(entry))]
    table = subprocess.run(["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    rows = (line.strip().partition(" ") for line in table.splitlines())
    return [Process(int(pid), command.strip()) for pid, _, command in rows]


def _from_proc(entry: Path) -> Process | None:
    try:
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None  # it ended while we looked
    return Process(int(entry.name), command) if command else None  # a zombie or a kernel thread has no command
