"""What a run would change: as text for a terminal, Markdown for a pull request, data for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..engine.applier import Outcome
from ..engine.diff import masked
from ..engine.manifests import describe
from ..engine.tier import Result
from .drift import comparable
from .fields import differences, shown
from .screen import count

Object = dict[str, Any]

_SIGN = {"created": "+", "configured": "~", "recreated": "±", "replaced": "±", "pruned": "-", "kept": "!"}
# Actions that a run would do; an object that is kept stays as it is.
CHANGES = ("created", "configured", "recreated", "replaced", "pruned")


@dataclass(frozen=True)
class Item:
    """One object that is not left alone: what would happen to it, and which fields would change."""

    action: str
    obj: Object
    details: list[str]


@dataclass(frozen=True)
class Plan:
    """What a run would do to one cluster: tier -> its result, in the order of the run."""

    cluster: str
    server: str
    namespace: str
    tiers: dict[str, Result]

    def counts(self) -> dict[str, int]:
        """Action -> number of objects, over all tiers."""
        total: dict[str, int] = {}
        for result in self.tiers.values():
            for action, number in result.counts().items():
                total[action] = total.get(action, 0) + number
            if result.replaced:
                total["replaced"] = total.get("replaced", 0) + len(result.replaced)
        return total

    @property
    def changed(self) -> bool:
        return any(self.counts().get(action) for action in CHANGES)

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "cluster": self.cluster,
            "server": self.server,
            "namespace": self.namespace,
            "changes": self.changed,
            "counts": self.counts(),
            "objects": [
                {
                    "tier": tier,
                    "action": item.action,
                    "kind": item.obj["kind"],
                    "name": item.obj["metadata"]["name"],
                    "details": item.details,
                }
                for tier, result in self.tiers.items()
                for item in items(result)
            ],
        }

    def summary(self) -> str:
        """``1 created, 2 configured; 55 unchanged``."""
        counts = self.counts()
        parts = [f"{counts[action]} {action}" for action in (*CHANGES, "kept") if counts.get(action)]
        unchanged = f"{counts.get('unchanged', 0)} unchanged"
        return f"{', '.join(parts)}; {unchanged}" if parts else f"nothing to change, {unchanged}"

    def text(self) -> list[str]:
        """For a terminal."""
        lines = [f"Plan for cluster {self.cluster} ({self.server}), namespace {self.namespace}"]
        for tier, result in self.tiers.items():
            found = list(items(result))
            if found:
                lines += ["", f"{tier}:"]
            for item in found:
                lines.append(f"  {_SIGN[item.action]} {describe(item.obj)} ({item.action})")
                lines += [f"      {detail}" for detail in item.details]
        return [*lines, "", f"Would be: {self.summary()}." if self.changed else f"Plan: {self.summary()}."]

    def markdown(self) -> str:
        """For a pull request: the counts, a table of objects, the fields folded away."""
        lines = [f"### Plan for `{self.cluster}`, namespace `{self.namespace}`", "", f"{self.summary()}.", ""]
        rows = [(tier, item) for tier, result in self.tiers.items() for item in items(result)]
        if rows:
            lines += ["| | tier | object | what |", "|---|---|---|---|"]
            lines += [f"| {_SIGN[i.action]} | {tier} | `{describe(i.obj)}` | {i.action} |" for tier, i in rows]
        detailed = [(tier, item) for tier, item in rows if item.details]
        if detailed:
            lines += ["", f"<details><summary>{count(len(detailed), 'object')} in detail</summary>", "", "```text"]
            for tier, item in detailed:
                lines += [f"{tier}: {describe(item.obj)}", *(f"    {_no_fence(d)}" for d in item.details)]
            lines += ["```", "", "</details>"]
        return "\n".join(lines) + "\n"


def items(result: Result) -> Iterator[Item]:
    """The objects of a tier that would not be left alone."""
    for outcome in result.outcomes:
        if outcome.changed:
            details = list(_details(outcome))
            if outcome.action == "configured" and not details:
                details = ["the record of what is declared, nothing else"]
            yield Item(outcome.action, outcome.desired, details)
    for pod, reason in result.replaced:
        yield Item("replaced", pod, [f"is of an earlier revision and cannot start ({reason}); its volume stays"])
    for obj in result.pruned:
        yield Item("pruned", obj, [])
    for obj, reason in result.kept:
        yield Item("kept", obj, [f"is no longer declared, but {reason}"])


def _details(outcome: Outcome) -> Iterable[str]:
    if outcome.before is None or outcome.after is None:
        return
    before, after = masked(comparable(outcome.before), comparable(outcome.after))
    for field in differences(before, after):
        if field.wanted is None:
            yield f"{field.path}: + {shown(field.found)}"
        elif field.found is None:
            yield f"{field.path}: - {shown(field.wanted)}"
        else:
            yield f"{field.path}: {shown(field.wanted)} -> {shown(field.found)}"


def _no_fence(text: str) -> str:
    """Text that cannot end the block of code that it stands in."""
    return text.replace("```", "'''")
