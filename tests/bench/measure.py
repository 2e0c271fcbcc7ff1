"""One command, measured: wall time, CPU time and, where it is asked for, the memory of its whole process tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """Times in seconds, memory in bytes (0 where it was not looked at). ``output``: both streams together."""

    wall: float
    cpu: float
    memory: int
    status: int
    output: str


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path, *, memory: bool = False) -> Measured:
    """Run ``command`` in ``folder`` to its end.

    Memory is asked for in runs that are not timed, as looking costs time: the peak of the tree's proportional set size
    (Linux; pages that processes share count once), elsewhere the largest process alone.
    """
    with tempfile.TemporaryFile() as output:
        watch = _Memory()
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        if memory:
            watch.start(process.pid)
        _, state, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        # Popen must not wait for it again.
        process.returncode = os.waitstatus_to_exitcode(state)
        peak = max(watch.stop(), _bytes(usage.ru_maxrss)) if memory else 0
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Measured(wall, usage.ru_utime + usage.ru_stime, peak, process.returncode, text)


def _bytes(maxrss: int) -> int:
    return maxrss if sys.platform == "darwin" else maxrss * 1024


class _Memory:
    """Looks at a process tree from time to time."""

    def __init__(self) -> None:
        self._peak = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, pid: int) -> None:
        if Path("/proc/self/smaps_rollup").exists():
            self._thread = threading.Thread(target=self._watch, args=(pid,), daemon=True)
            self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        if self._thread:
            self._thread.join()
        return self._peak

    def _watch(self, pid: int) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._peak = max(self._peak, sum(_proportional(member) for member in _tree(pid)))


def _tree(root: int) -> list[int]:
    """``root`` and all that descend from it."""
    members = [root]
    for pid in members:
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
            for thread in threads:
                members.extend(int(child) for child in (thread / "children").read_text().split())
        except OSError:
            continue  # gone meanwhile
    return members


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
