"""Changes in the inventory that are not a command's own: the command would apply them too, so it refuses first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..engine.errors import EngineError
from ..engine.manifests import Identity, describe, identity
from ..engine.tier import Result
from .plan import CHANGES, Item, items

# Objects that are listed one by one, and lines of each.
_OBJECTS = 20
_LINES = 8


def find(cases: Iterable[Callable[[], Mapping[str, Result]]]) -> list[tuple[str, Item]]:
    """The objects, with their tiers, that a run would change in each of ``cases``; as the first case shows them.

    A case is the dry run of one state of a command's own change: as if it had not begun, as if it were done. An object
    that one of them leaves alone is changed by the command only. Cases are asked until nothing is left.
    """
    found: dict[tuple[str, Identity], tuple[str, Item]] | None = None
    for case in cases:
        changed = {
            (tier, identity(item.obj)): (tier, item)
            for tier, result in case().items()
            for item in items(result)
            if item.action in CHANGES
        }
        found = changed if found is None else {key: item for key, item in found.items() if key in changed}
        if not found:
            break
    return list((found or {}).values())


def refuse(found: Iterable[tuple[str, Item]], command: str, remedy: str = "") -> None:
    """Raise EngineError that names ``found``, if there is anything. ``command``: as an operator runs it.

    ``remedy``: instead of applying them first, for a command without which they cannot be applied.
    """
    every = list(found)
    if not every:
        return
    lines = []
    for tier, item in every[:_OBJECTS]:
        lines.append(f"- {tier}: {describe(item.obj)} ({item.action})")
        lines += [f"    {detail}" for detail in item.details[:_LINES]]
        if len(item.details) > _LINES:
            lines.append(f"    and {len(item.details) - _LINES} more fields")
    if len(every) > _OBJECTS:
        lines.append(f"and {len(every) - _OBJECTS} more objects")
    head = f"Nothing was changed: the inventory holds other changes, which {command} would apply too."
    raise EngineError(
        "\n".join([head, *lines]),
        remedy or f"Apply them first (`make plan`, then `make deploy`) or take them back, then run {command} again.",
    )
