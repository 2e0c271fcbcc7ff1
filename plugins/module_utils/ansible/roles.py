"""The collection's roles seen from outside of them: their templates, and variables with their defaults."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .variables import Variables


def templates(role: Path) -> list[str]:
    """Names of the templates that make a role's tier."""
    return sorted(path.name for path in (role / "templates").glob("*.yaml.j2"))


def tier_roles(roles: Path) -> list[Path]:
    """The roles in a folder that make a tier."""
    return [role for role in sorted(roles.iterdir()) if templates(role)]


def with_defaults(templar: Any, loader: Any, roles: Iterable[Path]) -> Any:
    """A templar that knows the defaults and vars of ``roles`` too, below what the play says."""
    known: dict[str, Any] = {}
    for role in roles:
        for part in ("defaults", "vars"):
            file = role / part / "main.yml"
            if file.is_file():
                known.update(loader.load_from_file(str(file), trusted_as_template=True) or {})
    return templar.copy_with_new_env(available_variables={**known, **templar.available_variables})


def variables_of(templar: Any, role: Path, shared: Path) -> Variables:
    """The variables that templates of ``role`` see, cast as its specs and the shared role's say."""
    return Variables(templar, templar.available_variables, [role, shared])
