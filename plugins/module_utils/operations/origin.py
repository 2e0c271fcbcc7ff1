"""Whose platform this is: what a release records of the inventory and the cluster, as annotations of its record.

Annotations, so that a run reads them without the records themselves, which are large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

_PREFIX = "multi-agent.platform/"


@dataclass(frozen=True)
class Origin:
    """Environment, inventory host and inventory of a run, and the UID of its cluster.

    An empty field is not known, and differs from nothing. ``inventory`` is only known of folders of ``inventories/``:
    of another folder its name says nothing (AWX's is ``inventory``, that of a pipeline may be a temporary one).
    """

    environment: str = ""
    host: str = ""
    inventory: str = ""
    cluster_uid: str = ""

    def __str__(self) -> str:
        """``environment staging, host eu, inventory staging``."""
        said = {"environment": self.environment, "host": self.host, "inventory": self.inventory}
        return ", ".join(f"{name} {value}" for name, value in said.items() if value)

    def differs(self, other: Origin) -> bool:
        """Whether both know something that tells their inventories apart."""
        mine, theirs = asdict(self), asdict(other)
        return any(mine[n] and theirs[n] and mine[n] != theirs[n] for n in ("environment", "host", "inventory"))

    def completed(self, before: Origin) -> Origin:
        """With what only ``before`` knows."""
        theirs = asdict(before)
        return Origin(**{name: value or theirs[name] for name, value in asdict(self).items()})

    def annotations(self) -> dict[str, str]:
        """For the record of a release."""
        return {_annotation(name): value for name, value in asdict(self).items() if value}

    @staticmethod
    def of(metadata: Mapping[str, Any]) -> Origin:
        """What the metadata of a release's record says; nothing for one of an older version."""
        found = metadata.get("annotations") or {}
        return Origin(*(str(found.get(_annotation(field.name)) or "") for field in fields(Origin)))


def _annotation(field: str) -> str:
    return _PREFIX + field.replace("_", "-")
