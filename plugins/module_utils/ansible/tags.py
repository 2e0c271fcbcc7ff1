"""Which tiers ``--tags`` and ``--skip-tags`` leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def chosen(every: Iterable[str], variable: Callable[[str], Any]) -> list[str]:
    """Of the tiers ``every`` those that are meant, in their order. ``variable`` gives Ansible's by name, or None."""
    names = list(every)
    tags, skipped = ({str(word) for word in variable(f"ansible_{which}_tags") or ()} for which in ("run", "skip"))
    return [name for name in [name for name in names if name in tags] or names if name not in skipped]
