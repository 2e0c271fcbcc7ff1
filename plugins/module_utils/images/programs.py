"""Other programs, run with their output at hand: quietly for answers, line by line for long work.

Each leads a session of its own, so that it can be ended with all that it has started: docker is several processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ..engine.errors import EngineError

Say = Callable[[str], None]

# Of a failure the end of its log is shown; of long work a line at most this often.
TAIL_LINES = 25
_SAY_SECONDS = 10.0
# How long a program may take to end in order, before it is killed.
PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.05

_running: set[subprocess.Popen[Any]] = set()


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A program, with ``options`` of Popen; waits for its end. Left by an exception, it is killed.

    Raises EngineError where the program is not installed.
    """
    try:
        running = subprocess.Popen(command, start_new_session=True, **options)
    except FileNotFoundError:
        raise missing(command[0]) from None
    _running.add(running)
    try:
        with running:
            try:
                yield running
            except BaseException:
                _signal(running, signal.SIGKILL)
                raise
    finally:
        _running.discard(running)


def end_until(done: Callable[[], bool]) -> None:
    """End the programs of all threads until ``done``: a thread whose program was ended may begin its next one."""
    told: set[int] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        late = time.monotonic() > deadline
        for running in _running.copy():
            if late or running.pid not in told:  # docker takes a third signal for "at once"
                told.add(running.pid)
                _signal(running, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(_LOOK_SECONDS)


def _signal(running: subprocess.Popen[Any], number: int) -> None:
    if running.returncode is None:  # else its id may be another's
        with suppress(ProcessLookupError):
            os.killpg(running.pid, number)


def ask(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end; the caller looks at the exit code. Raises EngineError where the program is not installed."""
    with started(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as running:
        output, errors = running.communicate()
    return subprocess.CompletedProcess(command, running.returncode, output, errors)


def work(command: Sequence[str], what: str, say: Say, env: Mapping[str, str] | None = None) -> list[str]:
    """Run long work; says now and then how far it is. Its last lines.

    Raises EngineError that ends with them where the program fails.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    begin = said = time.monotonic()
    with started(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as running:
        for line in running.stdout or ():
            if not line.strip():
                continue
            tail.append(line.rstrip())
            now = time.monotonic()
            if now - said >= _SAY_SECONDS:
                said = now
                say(f"{what}: {now - begin:.0f} s, {tail[-1].strip()[:100]}")
    if running.returncode != 0:
        log = "\n".join(f"  | {line}" for line in tail)
        raise EngineError(f"{what} failed (exit code {running.returncode}). The end of its log:\n{log}")
    return list(tail)


def missing(program: str) -> EngineError:
    """The error for a program that is not there."""
    return EngineError(f"{program} is not installed, or not on PATH.", f"Install {program} where Ansible runs.")
