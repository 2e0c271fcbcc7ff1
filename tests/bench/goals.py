"""The project's goals: ratios of medians of whole-process wall time, measured in one run."""

from __future__ import annotations

from dataclasses import dataclass

from .peers import CHANGE, NOOP, OPERATIONS, PLAN, READY, Helm, Kubectl, KubectlDiff, Project
from .results import Results

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Goal:
    """``limit`` of this project's median over that of ``peer`` in the same operation (or in ``against``)."""

    services: int
    operation: str
    peer: str
    limit: float
    latency: float = 0.0
    against: str = ""

    @property
    def text(self) -> str:
        distance = f", {self.latency:g} ms round trip" if self.latency else ""
        versus = f"own run with {OPERATIONS[self.against]}" if self.against else self.peer
        return f"{OPERATIONS[self.operation]}, {self.services} services{distance}: at most {self.limit:g} x {versus}"

    def measured(self, results: Results) -> float | None:
        """The ratio; None where a side was not measured."""
        own = results.find(self.services, self.latency, self.operation, Project.name)
        other = results.find(self.services, self.latency, self.against or self.operation, self.peer)
        if own is None or other is None or own.seconds is None or other.seconds is None:
            return None
        return own.seconds / other.seconds


@dataclass(frozen=True)
class MemoryGoal:
    """``limit`` of this project's peak memory in bytes."""

    services: int
    operation: str
    limit: int

    @property
    def text(self) -> str:
        return (
            f"{OPERATIONS[self.operation]}, {self.services} services: peak memory at most {self.limit // MEBIBYTE} MiB"
        )

    def measured(self, results: Results) -> float | None:
        cell = results.find(self.services, 0.0, self.operation, Project.name)
        return cell.memory if cell and cell.memory and not cell.error else None


GOALS: tuple[Goal | MemoryGoal, ...] = (
    Goal(8, NOOP, Helm.name, 0.95),
    Goal(8, NOOP, Kubectl.name, 2.0),
    Goal(100, NOOP, Kubectl.name, 0.4),
    Goal(100, NOOP, Helm.name, 0.2),
    Goal(700, NOOP, Kubectl.name, 0.25),
    MemoryGoal(700, NOOP, 400 * MEBIBYTE),
    Goal(100, CHANGE, Project.name, 1.1, against=NOOP),
    Goal(100, READY, Kubectl.name, 1.0),
    Goal(8, NOOP, Kubectl.name, 0.5, latency=20.0),
    Goal(100, PLAN, KubectlDiff.name, 0.15),
)
