"""Runs the tools in turns and looks at the cluster after each run, so that nobody wins by doing nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from . import measure
from .cluster import BenchCluster, Identity
from .inventory import ROOT, changed_service
from .manifests import Prepared
from .peers import CHANGE, FRESH, INSTALL, PLAN, READY, Tool
from .results import Cell, Results


class WrongResult(Exception):
    """A run did not do what it was asked for."""


class Rounds:
    """Rounds of one size at one distance. ``prepared``: namespace -> variants of the manifests."""

    def __init__(
        self,
        cluster: BenchCluster,
        environment: Mapping[str, str],
        services: int,
        latency: float,
        prepared: Mapping[str, list[Prepared]],
        results: Results,
        say: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._environment = environment
        self._services = services
        self._latency = latency
        self._prepared = prepared
        self._results = results
        self._say = say
        # The variant (0 or 1) that a namespace holds, and the state after the last run.
        self._current: dict[str, int] = {}
        self._state: dict[str, dict[Identity, str]] = {}

    def run(self, operation: str, tools: list[Tool], repeat: int) -> None:
        """A round to warm up, in which memory is looked at, then ``repeat`` that count, each in another order."""
        cells = {
            tool.name: Cell(
                self._services, self._latency, operation, tool.name, len(self._prepared[tool.namespace][0].objects)
            )
            for tool in tools
        }
        self._results.cells.extend(cells.values())
        if operation not in (FRESH, READY):
            for tool in tools:
                self._install(tool, cells[tool.name])
        for number in range(repeat + 1):
            order = tools[number % len(tools) :] + tools[: number % len(tools)]
            for tool in order:
                cell = cells[tool.name]
                if not cell.error and number <= tool.rounds_at_most:
                    self._one(operation, tool, cell, warm_up=number == 0)
            self._report(operation, number, repeat, list(cells.values()))

    def _install(self, tool: Tool, cell: Cell) -> None:
        """What is compared needs a platform to compare with, and it must be at rest."""
        if tool.namespace in self._current:
            return
        try:
            # What rounds at another distance left, whichever variant it is, is brought to the first.
            command = tool.command(INSTALL, self._prepared[tool.namespace][0])
            done = measure.run(command, self._environment, ROOT)
            if done.status:
                raise WrongResult(f"exit status {done.status}: {_end(done.output)}")
            self._settle(tool, 0)
        except (WrongResult, TimeoutError, RuntimeError) as error:
            cell.error = f"not installed: {error}"
            self._say(f"{tool.name}: {cell.error}")

    def _one(self, operation: str, tool: Tool, cell: Cell, *, warm_up: bool) -> None:
        namespace = tool.namespace
        if operation in (FRESH, READY):
            self._cluster.clear(namespace)
            self._current[namespace], self._state[namespace] = 0, {}
        before = self._current[namespace]
        wanted = 1 - before if operation in (CHANGE, PLAN) else before
        command = tool.command(operation, self._prepared[namespace][wanted])
        load = os.getloadavg()[0]
        done = measure.run(command, self._environment, ROOT, memory=warm_up)
        try:
            if not tool.good(operation, done.status, done.output):
                raise WrongResult(f"exit status {done.status}: {_end(done.output)}")
            self._check(operation, tool, before if operation == PLAN else wanted)
        except (WrongResult, TimeoutError, RuntimeError) as error:
            cell.error = str(error)
            self._say(f"{tool.name}, {operation}: {error}")
            self._current.pop(namespace, None)
            return
        if warm_up:
            cell.memory = done.memory
        else:
            cell.load.append(round(load, 1))
            cell.wall.append(done.wall)
            cell.cpu.append(done.cpu)

    def _check(self, operation: str, tool: Tool, variant: int) -> None:
        """Raises WrongResult where the cluster does not hold what the run should have left, or more was touched."""
        namespace = tool.namespace
        before = self._state[namespace]
        self._settle(tool, variant)
        after = self._state[namespace]
        expected = self._prepared[namespace][variant]
        if len(after) != len(expected.objects):
            raise WrongResult(f"{len(expected.objects) - len(after)} of {len(expected.objects)} objects are not there")
        part = changed_service(self._services)
        live = self._cluster.deployed_variant(namespace, f"{part}-service")
        if live != expected.variant:
            raise WrongResult(f"Deployment {part}-service holds variant {live!r}, not {expected.variant!r}")
        touched = {key[2] for key, digest in after.items() if before and before.get(key) != digest}
        if operation == CHANGE and touched != {f"{part}-service"}:
            raise WrongResult(f"touched {sorted(touched)[:5]}, not {part}-service alone")
        if operation not in (CHANGE, FRESH, READY) and touched:
            raise WrongResult(f"touched {sorted(touched)[:5]}, where nothing was to be written")

    def _settle(self, tool: Tool, variant: int) -> None:
        self._cluster.settle(tool.namespace)
        self._current[tool.namespace] = variant
        self._state[tool.namespace] = self._cluster.fingerprints(
            tool.namespace, self._prepared[tool.namespace][variant].objects
        )

    def _report(self, operation: str, number: int, repeat: int, cells: list[Cell]) -> None:
        what = f"{self._services} services, {self._latency:g} ms, {operation}, "
        what += f"round {number} of {repeat}: " if number else "warm-up: "
        times = [
            f"{cell.tool} {'failed' if cell.error else f'{cell.wall[-1]:.2f} s' if cell.wall else 'ok'}"
            for cell in cells
        ]
        self._say(what + ", ".join(times))


def _end(output: str) -> str:
    """What changed, where the project says it, and how the output ends."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    changes = [line for line in lines if line.endswith((" created", " configured", " pruned"))]
    return " | ".join([*changes[:5], *lines[-4:]])[-800:]
