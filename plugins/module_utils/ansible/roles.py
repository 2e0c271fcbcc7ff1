"""The collection's roles seen from outside of them: their templates, and variables with their defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine import tier as tiers
from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..engine.render import Renderer
from .filters import Filters
from .variables import ROLES, SHARED_ROLE, Variables

SHARED_TEMPLATES = SHARED_ROLE / "templates"


def templates(role: Path) -> list[str]:
    """Names of the templates that make a role's tier."""
    return sorted(path.name for path in (role / "templates").glob("*.yaml.j2"))


def tier_roles(roles: Path = ROLES) -> list[Path]:
    """The roles in a folder that make a tier."""
    return [role for role in sorted(roles.iterdir()) if templates(role)]


def named(tiers: Sequence[str]) -> list[Path]:
    """The collection's roles of these tiers. Raises EngineError for a name that none has."""
    known = {role.name: role for role in tier_roles()}
    for name in tiers:
        if name not in known:
            raise EngineError(f"tiers: {name} is none of the collection's.", f"It has {', '.join(sorted(known))}.")
    return [known[name] for name in tiers]


def with_defaults(
    templar: Any, loader: Any, roles: Iterable[Path], instead: Mapping[str, Any] | None = None
) -> Variables:
    """The play's variables, and below them the defaults and vars of ``roles``, cast as their specs say.

    ``instead``: values that replace those of the play.
    """
    known: dict[str, Any] = {}
    specs = [SHARED_ROLE, *roles]
    for role in specs[1:]:
        for part in ("defaults", "vars"):
            file = role / part / "main.yml"
            if file.is_file():
                known.update(loader.load_from_file(str(file), trusted_as_template=True) or {})
    names = {**known, **templar.available_variables, **(instead or {})}
    return Variables(templar.copy_with_new_env(available_variables=names), names, specs)


@dataclass(frozen=True)
class Source:
    """Where the manifests of a tier come from: templates of a folder, what they name, and objects given as data."""

    tier: str
    folder: Path
    names: Sequence[str]
    variables: Variables
    definition: Sequence[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def of(role: Path, variables: Variables) -> Source:
        """The tier of one of the collection's roles."""
        return Source(role.name, role / "templates", templates(role), variables)

    @property
    def ours(self) -> bool:
        """Whether the templates are this collection's: of those it is known which values are secret."""
        return ROLES.resolve() in self.folder.resolve().parents

    def load(
        self, functions: Mapping[str, Callable[..., str]], namespace: str, cluster: Cluster | None
    ) -> tiers.Manifests:
        """Render, parse and complete the objects. ``functions``: those of credentials. Raises InvalidManifest."""
        return tiers.load(
            Renderer([self.folder, SHARED_TEMPLATES], Filters(), functions),
            self.names,
            self.variables.resolve,
            self.variables.defined,
            self.definition,
            namespace,
            tiers.namespaced_by(cluster),
        )
