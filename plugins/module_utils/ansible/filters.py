"""The filters that templates may use: Jinja's own, ansible.builtin's and this collection's by short and full names."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible.plugins.filter.core import FilterModule
from ansible.plugins.loader import filter_loader
from jinja2.filters import FILTERS

from ..engine import yamltext

COLLECTION = "multi_agent.platform"
_FOLDER = Path(__file__).parents[2] / "filter"


def _own() -> dict[str, Callable[..., Any]]:
    """Imported straight, as Ansible's plugin loader takes 15 ms for the first filter in every task."""
    found: dict[str, Callable[..., Any]] = {}
    for file in sorted(_FOLDER.glob("[!_]*.py")):
        module = import_module(f"ansible_collections.{COLLECTION}.plugins.filter.{file.stem}")
        for name, function in module.FilterModule().filters().items():
            found[name] = found[f"{COLLECTION}.{name}"] = function
    return found


def _of_ansible() -> dict[str, Callable[..., Any]]:
    """ansible.builtin's. Those that write JSON write it as YAML reads it, under their full names too."""
    found: dict[str, Callable[..., Any]] = dict(FilterModule().filters())
    for name in ("to_json", "to_nice_json"):
        found[name] = found[f"ansible.builtin.{name}"] = _for_yaml(found[name])
    return found


def _for_yaml(write: Callable[..., str]) -> Callable[..., str]:
    return lambda *args, **options: yamltext.from_json(write(*args, **options))


_KNOWN: dict[str, Callable[..., Any]] = {**FILTERS, **_of_ansible(), **_own()}


class Filters(dict[str, Callable[..., Any]]):
    """Name -> filter. Any other collection's filter is found by its full name, when a template uses it."""

    def __init__(self) -> None:
        super().__init__(_KNOWN)

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
        plugin = filter_loader.get(name) if "." in name else None
        if plugin is None:
            return None
        function: Callable[..., Any] = plugin.j2_function
        self[name] = function
        return function
