"""What was measured, and how it compares."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass
class Cell:
    """Runs of one tool: an operation at a size and a distance. Times in seconds, memory in bytes, latency in ms."""

    services: int
    latency: float
    operation: str
    tool: str
    objects: int
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: int = 0
    # The machine's load average (of a minute) when each run began: who else wanted its cores.
    load: list[float] = field(default_factory=list)
    # Why it has no result.
    error: str = ""

    @property
    def seconds(self) -> float | None:
        return median(self.wall) if self.wall and not self.error else None


@dataclass
class Results:
    """All cells of a run of the benchmark, and where they come from."""

    machine: dict[str, str]
    versions: dict[str, str]
    options: dict[str, Any]
    cells: list[Cell] = field(default_factory=list)

    def find(self, services: int, latency: float, operation: str, tool: str) -> Cell | None:
        wanted = (services, latency, operation, tool)
        return next((c for c in self.cells if (c.services, c.latency, c.operation, c.tool) == wanted), None)

    def failed(self, tool: str) -> bool:
        return any(cell.error for cell in self.cells if cell.tool == tool)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def joined(parts: list[dict[str, Any]]) -> Results:
        """The cells of several runs on one machine, as ``as_dict`` made them; of those measured twice the later."""
        last = parts[-1]
        cells: dict[tuple[int, float, str, str], Cell] = {}
        for part in parts:
            for one in part["cells"]:
                cell = Cell(**one)
                cells[cell.services, cell.latency, cell.operation, cell.tool] = cell
        versions = {name: version for part in parts for name, version in part["versions"].items()}
        operations = list(dict.fromkeys(cell.operation for cell in cells.values()))
        ordered = sorted(
            cells.values(), key=lambda cell: (cell.services, cell.latency, operations.index(cell.operation))
        )
        return Results(last["machine"], versions, last["options"], ordered)
