"""Variables that were renamed. The former name works for one release, with a warning."""

from __future__ import annotations

from collections.abc import Iterable

RENAMED = {"ingress_api_timeout": "ingress_request_timeout"}


def warnings(defined: Iterable[str]) -> list[str]:
    """A sentence for each former name that is set."""
    names = set(defined)
    return [
        f"{former} is now called {name}; the next release refuses the former name. Rename it in the inventory."
        for former, name in RENAMED.items()
        if former in names
    ]
