"""Ends the processes that a process has started, and those that they have."""

import os
import signal
import subprocess
import time
from collections import defaultdict
from contextlib import suppress

# How long a program may take to end in order, before it is killed.
PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.05


def descendants(of: int) -> list[int]:
    """Their pids, parents first. Whatever session or group they are in."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    children = defaultdict(list)
    for line in table.splitlines():
        row = line.split()
        if not row[2].startswith("Z"):  # a zombie has ended
            children[int(row[1])].append(int(row[0]))
    found = [of]
    for pid in found:
        found += children[pid]
    return found[1:]


def end_children(of: int) -> None:
    """Returns when none of them is left. Each may end in order, the slow ones are killed."""
    known = _alive(descendants(of))
    _signal(known, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (known := _alive(known)) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    _signal(known, signal.SIGKILL)
    while _alive(known):
        time.sleep(_LOOK_SECONDS)


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(pid, number)


def _alive(pids: list[int]) -> list[int]:
    """Those that still run; a parent that ends leaves its children to another, so pids are what counts."""
    if not pids:
        return []
    query = ["ps", "-o", "pid=,stat=,comm=", "-p", ",".join(map(str, pids))]
    table = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    rows = (line.split() for line in table.splitlines())
    return [int(row[0]) for row in rows if not row[1].startswith("Z") and row[2] != "ps"]
