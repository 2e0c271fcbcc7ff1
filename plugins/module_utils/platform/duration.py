"""Durations as the Gateway API writes them: https://gateway-api.sigs.k8s.io/geps/gep-2257/."""

from __future__ import annotations

import re
from typing import Any

FORMAT = "Write one to four numbers with h, m, s or ms, such as 90s or 1h30m"
_DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")
_PIECE = re.compile(r"([0-9]+)(h|ms|m|s)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def milliseconds(value: Any) -> int | None:
    """How long a duration is; None for what is not one."""
    text = str(value)
    if not _DURATION.fullmatch(text):
        return None
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PIECE.findall(text))
