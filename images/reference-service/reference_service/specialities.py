"""What each part answers to a prompt: small, local and the same every time. Nothing is asked of anyone outside."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from .embedding import SIZE, embed

_STEPS = ("ask the agent", "look up the context", "run the plan")


def _model(prompt: str) -> dict[str, Any]:
    words = re.findall(r"\w+", prompt)
    longest = max(words, key=len, default="nothing")
    return {"text": f"In {len(words)} words you ask about {longest!r}.", "tokens": len(words)}


def _tool(prompt: str) -> dict[str, Any]:
    return {"characters": len(prompt), "sha256": hashlib.sha256(prompt.encode()).hexdigest()[:16]}


def _execution(prompt: str) -> dict[str, Any]:
    number = len(prompt) + 1_000
    steps = 0
    while number != 1:  # the Collatz sequence: a little work with an answer that can be checked
        number = 3 * number + 1 if number % 2 else number // 2
        steps += 1
    return {"steps": steps}


def _vector(prompt: str) -> dict[str, Any]:
    return {"dimensions": SIZE, "first": embed(prompt)[0]}


def _orchestration(_: str) -> dict[str, Any]:
    return {"plan": list(_STEPS)}


_SPECIALITIES: dict[str, Callable[[str], dict[str, Any]]] = {
    "model": _model,
    "tool": _tool,
    "execution": _execution,
    "vector": _vector,
    "orchestration": _orchestration,
}


def answer(part: str, prompt: str) -> dict[str, Any]:
    """What `part` says to `prompt`; a part that is not known here just agrees."""
    speciality = _SPECIALITIES.get(part)
    return speciality(prompt) if speciality else {"heard": len(prompt)}
