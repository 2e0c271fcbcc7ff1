"""Objects of the cluster that an inventory names and the platform does not make: whether they are there and will do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..engine.errors import ApiError
from ..engine.manifests import secret_values
from . import credential_references
from .credential_references import Reference
from .problems import Problems, suggest

Get = Callable[[str], dict[str, Any]]
Check = Callable[[Get, str, Problems], None]

_WITHOUT_CREDENTIALS = frozenset({"netpol", "ingress"})
_RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"


@dataclass(frozen=True)
class Named:
    """runtime_classes: (variable, name) of each that is named. references: credentials that Secrets of users hold."""

    runtime_classes: tuple[tuple[str, str], ...] = ()
    references: tuple[Reference, ...] = ()


def checks(named: Named, tiers: Iterable[str]) -> list[Check]:
    """What to ask for the tiers of a run; each takes a GET of the cluster, the namespace and the problems."""
    tiers = set(tiers)
    found: list[Check] = []
    if named.runtime_classes and tiers & {"services", "frontend"}:
        found.append(partial(_check_runtime_classes, named.runtime_classes))
    if tiers - _WITHOUT_CREDENTIALS:
        by_secret: dict[str, list[Reference]] = {}
        for reference in named.references:
            by_secret.setdefault(reference.secret, []).append(reference)
        found += [partial(_check_secret, name, references) for name, references in sorted(by_secret.items())]
    return found


def _check_runtime_classes(wanted: Iterable[tuple[str, str]], get: Get, _namespace: str, problems: Problems) -> None:
    try:
        have = {item["metadata"]["name"] for item in get(_RUNTIMES).get("items") or []}
    except ApiError as error:
        if error.status != 403:
            raise
        names = ", ".join(sorted({name for _, name in wanted}))
        problems.notes.append(f"This user may not list RuntimeClasses, so whether {names} exists was not checked.")
        return
    for variable, name in wanted:
        if name not in have:
            remedy = suggest(name, have) if have else "The cluster has none: install one, or remove runtime_class"
            problems.add(variable, name, "is not a RuntimeClass of the cluster", remedy)


def _check_secret(name: str, references: Iterable[Reference], get: Get, namespace: str, problems: Problems) -> None:
    try:
        data = secret_values(get(f"/api/v1/namespaces/{namespace}/secrets/{name}"))
    except ApiError as error:
        if error.status == 403:
            problems.add_secret(
                ", ".join(reference.path for reference in references),
                f"names Secret {name} in namespace {namespace}, which this user may not read",
                "Grant get on secrets there",
            )
            return
        if error.status != 404:
            raise
        data = None
    for reference in references:
        credential_references.check_live(reference, data, namespace, problems)
