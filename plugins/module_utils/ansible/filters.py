"""The filters that templates may use: Jinja's own, ansible.builtin's and this collection's by their short names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.plugins.filter.core import FilterModule
from ansible.plugins.loader import filter_loader
from jinja2.filters import FILTERS

COLLECTION = "multi_agent.platform"


class Filters(dict[str, Callable[..., Any]]):
    """Name -> filter. Any other collection's filter is found by its full name, when a template uses it."""

    def __init__(self) -> None:
        super().__init__(FILTERS)
        self.update(FilterModule().filters())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._load(str(name)) is not None

    def __missing__(self, name: str) -> Callable[..., Any]:
        found = self._load(name)
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def _load(self, name: str) -> Callable[..., Any] | None:
        plugin = filter_loader.get(name if "." in name else f"{COLLECTION}.{name}")
        if plugin is None:
            return None
        function: Callable[..., Any] = plugin.j2_function
        self[name] = function
        return function
