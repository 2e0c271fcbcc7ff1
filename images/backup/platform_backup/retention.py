"""Which backups to keep: the last ones, and the newest of each of the last days, weeks and months that have one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from . import manifest

_PERIOD: dict[str, Callable[[datetime], object]] = {
    "last": lambda moment: moment,
    "daily": lambda moment: moment.date(),
    "weekly": lambda moment: moment.isocalendar()[:2],
    "monthly": lambda moment: (moment.year, moment.month),
}


def to_delete(names: Iterable[str], keep: Mapping[str, int]) -> list[str]:
    """The names that no rule keeps, oldest first. The newest always stays, and so do names that are no times."""
    moments = {name: moment for name in names if (moment := manifest.moment(name))}
    newest_first = sorted(moments, key=lambda name: moments[name], reverse=True)
    kept = set(newest_first[:1])
    for rule, number in keep.items():
        seen: set[object] = set()
        for name in newest_first:
            period = _PERIOD[rule](moments[name])
            if period not in seen and len(seen) < number:
                seen.add(period)
                kept.add(name)
    return sorted(set(moments) - kept)
