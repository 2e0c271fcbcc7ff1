"""Other programs, run with their output at hand: quietly for answers, line by line for long work."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from ..engine.errors import EngineError

Say = Callable[[str], None]

# Of a failure the end of its log is shown; of long work a line at most this often.
TAIL_LINES = 25
_SAY_SECONDS = 10.0


def ask(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end; the caller looks at the exit code. Raises EngineError where the program is not installed."""
    try:
        return subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise missing(command[0]) from None


def work(command: Sequence[str], what: str, say: Say, env: Mapping[str, str] | None = None) -> list[str]:
    """Run long work; says now and then how far it is. Its last lines.

    Raises EngineError that ends with them where the program fails.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    begin = said = time.monotonic()
    try:
        running = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise missing(command[0]) from None
    with running:
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
