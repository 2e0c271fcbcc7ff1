"""Vectors without a model: the same text gives the same direction, texts that share words point alike."""

from __future__ import annotations

import hashlib
import math
import re

SIZE = 32


def embed(text: str) -> list[float]:
    """A unit vector of SIZE numbers: each word adds a fixed pseudo-random direction (feature hashing)."""
    vector = [0.0] * SIZE
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        for index in range(SIZE):
            vector[index] += digest[index] / 127.5 - 1
    length = math.sqrt(sum(number * number for number in vector))
    return [round(number / length, 6) for number in vector]
