"""Finds and ends the processes of a cluster, by the path of the program that they run."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_TERMINATE_SECONDS = 5.0


@dataclass(frozen=True)
class Process:
    pid: int
    command: str


def processes_below(folder: Path) -> list[Process]:
    """The running processes that were started as a program below `folder`.

    A cluster starts each of its programs under a path of its own, so this neither misses a process whose pid nobody wrote down
    nor takes for ours a stranger that got an old pid.
    """
    prefix = f"{folder}/"
    return [process for process in _running() if process.command.startswith(prefix)]


def end_processes_below(folder: Path) -> None:
    """End them politely (etcd closes its files), and with force what is still there after some seconds."""
    for number, patience in ((signal.SIGTERM, _TERMINATE_SECONDS), (signal.SIGKILL, _TERMINATE_SECONDS)):
        for process in processes_below(folder):
            _signal(process.pid, number)
        deadline = time.monotonic() + patience
        while processes_below(folder):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself meanwhile


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
