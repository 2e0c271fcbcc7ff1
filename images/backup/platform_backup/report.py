"""What a Job says: lines for people, and one line of JSON for the playbook, the last."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MARK = "RESULT "
_TERMINATION = Path("/dev/termination-log")
_LEAST_UNIT = 1024


def say(text: str) -> None:
    """A line for whoever reads the log."""
    print(text, flush=True)


def result(data: dict[str, Any]) -> None:
    """The outcome, for the playbook that waits for it."""
    print(MARK + json.dumps(data, separators=(",", ":"), sort_keys=True), flush=True)


def fail(message: str, remedy: str) -> None:
    """Why it failed, in the log and in the pod's status."""
    print(f"{message} {remedy}".strip(), file=sys.stderr, flush=True)
    try:
        _TERMINATION.write_text(json.dumps({"message": message, "remedy": remedy}))
    except OSError:
        return  # outside of a pod there is none


def size(number: float) -> str:
    """Bytes in the largest binary unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _LEAST_UNIT:
            return f"{number:.1f} {unit}".replace(".0 ", " ")
        number /= _LEAST_UNIT
    return f"{number:.1f} TiB"
