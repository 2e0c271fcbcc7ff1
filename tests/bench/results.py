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
