"""What a run of the inventory would change, asked of the server by dry run. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..engine import snapshot
from ..engine import tier as tiers
from ..engine.applyset import ApplySet
from ..engine.cluster import Cluster
from ..engine.credentials import Credentials, Source
from ..engine.errors import EngineError
from ..engine.interruption import Interrupted
from ..engine.prune import Policy
from ..operations import cluster_view
from . import roles, tags
from .failure import Failure
from .variables import Variables

if TYPE_CHECKING:
    from .operation import Operation

# As in apply, a variable that is left empty means the default.
_SAYS = {
    option: f"platform_{option}"
    for option in ("force_conflicts", "prove", "prune", "prune_data", "prune_keep", "prune_most")
}


@dataclass(frozen=True)
class Case:
    """The inventory as a command wants it rendered."""

    # Variables that have another value than in the inventory.
    variables: Mapping[str, Any] = field(default_factory=dict)
    # Credentials whose values are not taken from the inventory, but from the cluster.
    not_given: frozenset[str] = frozenset()
    # What the Secret of the credentials is taken to hold; None: what it holds.
    secret: Mapping[str, str] | None = None
    # StatefulSets with larger volumes are replaced, not refused.
    grow_volumes: bool = False


def options(variables: Variables, namespace: str) -> tiers.Options:
    """What a run would do by the inventory, as a dry run."""
    said: dict[str, Any] = {}
    variables.fill(said, _SAYS)
    return tiers.Options(
        check=True,
        force_conflicts=bool(said.get("force_conflicts", False)),
        prove=bool(said.get("prove", True)),
        prune=bool(said.get("prune", True)),
        policy=Policy(
            frozenset(said.get("prune_data", [])),
            most=bool(said.get("prune_most", False)),
            namespace=namespace,
            keep=frozenset(said.get("prune_keep", [])),
        ),
    )


def chosen(operation: Operation, every: Iterable[str]) -> list[str]:
    """The tiers that ``--tags`` and ``--skip-tags`` leave. Raises EngineError if none is left."""
    names = list(every)
    left = tags.chosen(names, operation.variables.get)
    if not left:
        raise EngineError("No tier is left by --tags and --skip-tags.", f"There are {', '.join(names)}.")
    return left


def results(
    operation: Operation, cluster: Cluster, namespace: str, names: list[str], case: Case | None = None
) -> dict[str, tiers.Result]:
    """Tier -> what a run would do to it. Raises EngineError, or a Failure that holds no credential."""
    case = case or Case()
    folders = roles.tier_roles()
    variables = roles.with_defaults(operation._templar, operation._loader, folders, case.variables)
    credentials = _credentials(operation, cluster, namespace, case)
    try:
        sets = {name: ApplySet(name, namespace) for name in names}
        with snapshot.Look(cluster, namespace, sets.values()) as look:
            # Every tier is rendered, chosen or not: what moved to another tier is not to be pruned.
            loaded = {
                role.name: roles.Source.of(role, variables).load(credentials.functions, namespace, cluster)
                for role in folders
            }
            seen = look.end({sets[name]: loaded[name].objects for name in names})
        how = replace(options(operation.variables, namespace), grow_volumes=case.grow_volumes)

        def job(name: str) -> Callable[[], tiers.Result]:
            others = {key for other, found in loaded.items() if other != name for key in found.sources}
            listener = tiers.Listener()
            look_up = seen[sets[name]]
            return partial(tiers.apply_tier, cluster, sets[name], loaded[name], how, listener, lambda: others, look_up)

        return cluster_view.at_once({name: job(name) for name in names})
    except Interrupted:
        raise
    except EngineError as error:
        raise Failure(credentials.redact(str(error))) from None


def _credentials(operation: Operation, cluster: Cluster, namespace: str, case: Case) -> Credentials:
    def source() -> Source:
        return Source.of(operation.variables.resolve("__platform_credentials"))

    def given(variable: str) -> dict[str, str]:
        values = operation.variables.given(variable)
        return {name: value for name, value in values.items() if name not in case.not_given}

    made = Credentials(source, given, cluster, namespace, check=True, writes=True)
    return made if case.secret is None else made.holding(case.secret)
