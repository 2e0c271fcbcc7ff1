"""Durations as people write them."""

from __future__ import annotations

import re

from ..engine.errors import EngineError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """``90s``, ``10m``, ``2h``, ``1d`` in seconds. Raises EngineError for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text.strip())
    if not match:
        raise EngineError(f"{text!r} is no duration.", "Write a number and s, m, h or d: 90s, 10m, 2h, 1d.")
    return int(match[1]) * _SECONDS[match[2]]
