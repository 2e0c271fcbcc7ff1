"""The policy matrix: who must reach whom, from the catalogue alone, and what the probes saw.

A source is a pod with the labels that policies select by; a target is an address where somebody listens. The rows are
every part, every store, the job that keeps the database's roles, a pod that is nobody's, and one in another namespace;
the columns are every port of every part and store, a listener in the other namespace, the cloud's metadata address, a
public address and the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .checks import Check, failed, passed, skipped

GROUP = "policies"
STRANGER = "(no part)"
OUTSIDE = "(other namespace)"
ROLES_JOB = "postgres-roles"
LISTENER_PORT = 8080
# Columns that the platform does not own, by their names in the table.
LISTENER, METADATA, INTERNET, NAMES = "outside", "metadata", "internet", "names"
_CORNER = "from \\ to"
# Ports that only answer where a store has members to talk to.
_CLUSTER_PORTS = frozenset({"p2p", "cluster"})
# Of the forbidden connections, how many are taken where nobody enforces: all but those where nobody listens.
_NOTHING_ENFORCED = 0.9


@dataclass(frozen=True)
class Door:
    """One column: where it leads. ``host`` is None while nobody answers there, so that nothing can be told."""

    name: str
    host: str | None
    port: int


@dataclass(frozen=True)
class Cell:
    """What must be, and what was seen: None where it could not be told, ``why`` then says so."""

    source: str
    door: Door
    expected: bool
    seen: bool | None = None
    why: str = ""
    seconds: float = 0.0

    @property
    def mark(self) -> str:
        if self.seen is None:
            return "?"
        if self.seen == self.expected:
            return "open" if self.seen else "."
        return "OPEN!" if self.seen else "SHUT!"


@dataclass(frozen=True)
class Edges:
    """Who may open which port, from the catalogue: (source, target, port)."""

    allowed: frozenset[tuple[str, str, int]]
    internet: frozenset[str]
    sources: tuple[str, ...]

    @classmethod
    def read(cls, catalogue: Mapping[str, Any]) -> Edges:
        """From the derived model (see the filter ``catalogue``)."""
        parts, stores = catalogue["parts"], catalogue["stores"]
        postgres = stores["postgres"]
        allowed = {(part["object"], peer["object"], int(peer["port"])) for part in parts for peer in part["egress"]} | {
            (ROLES_JOB, postgres["object"], int(postgres["ports"]["postgres"]))
        }
        for store in stores.values():
            if store["replicas"] > 1:
                allowed |= {
                    (store["object"], store["object"], int(port))
                    for name, port in store["ports"].items()
                    if name in _CLUSTER_PORTS
                }
        return cls(
            allowed=frozenset(allowed),
            internet=frozenset(part["object"] for part in parts if part["internet"]),
            sources=(
                *(part["object"] for part in parts),
                *(store["object"] for store in stores.values()),
                ROLES_JOB,
                STRANGER,
            ),
        )


def doors(catalogue: Mapping[str, Any], addresses: Mapping[str, str]) -> list[Door]:
    """The ports of every part and store; ``addresses`` gives one ready pod's address by object."""
    found = [Door(part["object"], addresses.get(part["object"]), int(part["port"])) for part in catalogue["parts"]]
    for store in catalogue["stores"].values():
        found += [
            Door(f"{store['object']}:{port}", addresses.get(store["object"]), int(port))
            for name, port in store["ports"].items()
            if store["replicas"] > 1 or name not in _CLUSTER_PORTS
        ]
    return found


def expected(source: str, door: Door, edges: Edges) -> bool:
    """Whether ``source`` must get through ``door``."""
    if door.name == NAMES:
        return True
    if source == OUTSIDE:
        return door.name in {
            METADATA,
            INTERNET,
            LISTENER,
        }  # nothing keeps it from there: it is what others compare with
    if door.name == INTERNET:
        return source in edges.internet
    return (source, door.name.partition(":")[0], door.port) in edges.allowed


def judge(made: Matrix) -> list[Check]:
    """A check for each pair and each probe that told nothing; one finding for all pairs where nobody enforces."""
    name = "the network plugin enforces policies"
    closed = [cell for cell in made.cells if not cell.expected and cell.seen is not None]
    taken = [cell for cell in closed if cell.seen]
    share = f"{len(taken)} of {len(closed)} connections that the policies forbid were taken"
    checks, folded = [failed(GROUP, f"probe of {source}", why) for source, why in made.troubles.items()], []
    if closed and len(taken) >= _NOTHING_ENFORCED * len(closed):
        folded = taken
        why = (
            "no policy is left (site.yml --tags netpol restores them), or this cluster's network plugin does not"
            " enforce NetworkPolicy. Then install one that does, such as Calico or Cilium"
        )
        checks.append(failed(GROUP, name, f"{share}: {why}"))
    elif closed:
        checks.append(passed(GROUP, name, share))
    return checks + [_check(cell) for cell in made.cells if not _is_control(cell) and cell not in folded]


def _is_control(cell: Cell) -> bool:
    """What the pod outside reaches anyway says something of the others, not of the platform."""
    return cell.source == OUTSIDE and cell.door.name in {METADATA, INTERNET, LISTENER, NAMES}


def _check(cell: Cell) -> Check:
    name = f"{cell.source} to {cell.door.name}"
    if cell.seen is None:
        return skipped(GROUP, name, cell.why)
    if cell.seen == cell.expected:
        return passed(GROUP, name, "open" if cell.seen else "closed", cell.seconds)
    if cell.seen:
        return failed(GROUP, name, "is open and must be closed: a policy is missing or not enforced", cell.seconds)
    return failed(
        GROUP, name, f"is closed and must be open ({cell.why}): a policy is missing or too narrow", cell.seconds
    )


def unreachable_by_control(cells: Iterable[Cell]) -> set[str]:
    """Foreign columns that the pod outside does not reach either, so that nobody's failure says anything."""
    return {c.door.name for c in cells if c.source == OUTSIDE and c.door.name in {METADATA, INTERNET} and not c.seen}


def table(cells: Sequence[Cell]) -> list[str]:
    """Lines for people: sources down, doors across."""
    columns = list(dict.fromkeys(cell.door.name for cell in cells))
    rows = list(dict.fromkeys(cell.source for cell in cells))
    marks = {(cell.source, cell.door.name): cell.mark for cell in cells}
    first = max(len(_CORNER), *(len(row) for row in rows))
    short = [column.removesuffix("-service") for column in columns]
    widths = [max(5, len(name)) for name in short]
    lines = ["  ".join([f"{_CORNER:<{first}}", *(f"{n:<{w}}" for n, w in zip(short, widths, strict=True))]).rstrip()]
    for row in rows:
        line = [f"{marks.get((row, c), ''):<{w}}" for c, w in zip(columns, widths, strict=True)]
        lines.append("  ".join([f"{row:<{first}}", *line]).rstrip())
    lines.append(
        "open and . are as the catalogue says; OPEN! must be closed, SHUT! must be open, ? cannot be told here"
    )
    return lines


@dataclass
class Matrix:
    """Cells in the order of the table, filled in as probes report."""

    edges: Edges
    columns: list[Door]
    cells: list[Cell] = field(default_factory=list)
    # Source -> why its probe told nothing.
    troubles: dict[str, str] = field(default_factory=dict)
    # (object, port) of doors that a CIDR opens to the pod outside, with which: a pod's address is among them.
    covered: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def order(self, source: str) -> list[dict[str, Any]]:
        """What the probe of ``source`` has to try."""
        return [
            {"id": number, "host": door.host, "port": door.port, "open": expected(source, door, self.edges)}
            for number, door in enumerate(self.columns)
            if door.host is not None
        ]

    def report(self, source: str, seen: Sequence[Mapping[str, Any]] | None, trouble: str) -> None:
        """What the probe of ``source`` saw; ``trouble`` where it saw nothing."""
        if seen is None:
            self.troubles[source] = trouble
        by_id = {int(door["id"]): door for door in seen or ()}
        for number, door in enumerate(self.columns):
            if source == OUTSIDE and door.name == LISTENER:
                continue  # itself
            wanted, answer = expected(source, door, self.edges), by_id.get(number)
            if answer is None:
                why = trouble or f"no pod of {door.name} is ready"
                self.cells.append(Cell(source, door, wanted, None, why))
            else:
                self.cells.append(
                    Cell(source, door, wanted, bool(answer["open"]), str(answer["why"]), float(answer["seconds"]))
                )

    def conclude(self) -> None:
        """Take back what says nothing: foreign addresses that answer nobody, doors that a CIDR opens to pods too."""
        dead = unreachable_by_control(self.cells)
        told = any(cell.source == OUTSIDE for cell in self.cells)
        self.cells = [
            Cell(cell.source, cell.door, cell.expected, None, f"{cell.door.host} answers nobody in this cluster")
            if not cell.seen and (cell.door.name in dead or (not told and cell.door.name in {METADATA, INTERNET}))
            else self._unless_covered(cell)
            for cell in self.cells
        ]

    def _unless_covered(self, cell: Cell) -> Cell:
        """Whether a CIDR of a policy counts for pods differs between network plugins."""
        why = self.covered.get((cell.door.name.partition(":")[0], cell.door.port))
        if why is None or cell.source != OUTSIDE or not cell.seen:
            return cell
        why = f"{why}, which holds the address of a pod; name only the networks of load balancers"
        return Cell(cell.source, cell.door, cell.expected, None, why)
