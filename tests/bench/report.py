"""Tables and a plot of the results."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

from tools.cluster.recipe import Versions

from .goals import GOALS, MEBIBYTE, Goal, MemoryGoal
from .inventory import ROOT
from .peers import OPERATIONS, Project
from .results import Cell, Results

Group = tuple[int, float, str]


def machine() -> dict[str, str]:
    """What the numbers depend on beside the tools."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "commit": commit or "unknown",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB",
        "load at the start": load,
        "python": platform.python_version(),
        "kubernetes": Versions.read().kubernetes,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _groups(results: Results) -> Iterator[tuple[Group, list[Cell]]]:
    def key(cell: Cell) -> Group:
        return cell.services, cell.latency, cell.operation

    for group, cells in groupby(results.cells, key):
        yield group, list(cells)


def _title(group: Group, objects: int) -> str:
    services, latency, operation = group
    distance = f"{latency:g} ms of round trip added" if latency else "loopback"
    return f"{services} services ({objects} objects), {distance}: {OPERATIONS[operation]}"


def markdown(results: Results) -> str:
    """Goals first, then a table a group, then where the numbers come from."""
    lines = ["# Benchmark", "", *_goals(results)]
    for group, cells in _groups(results):
        lines += [f"## {_title(group, cells[0].objects)}", ""]
        lines += ["| tool | wall, median | min - max | runs | this project / tool | CPU, median | peak memory |"]
        lines += ["|---|---:|---:|---:|---:|---:|---:|"]
        own = next((cell for cell in cells if cell.tool == Project.name), None)
        lines += [_row(cell, own) for cell in cells]
        loads = [load for cell in cells for load in cell.load]
        if loads:
            lines += ["", f"Load average of the machine meanwhile: {min(loads):.0f} to {max(loads):.0f}."]
        lines.append("")
    lines += ["## Where and what", ""]
    facts = results.machine | results.versions
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines.append(
        f"- each cell: a run to warm up, in which memory is looked at, then {results.options['repeat']} in turns"
    )
    return "\n".join(lines) + "\n"


def _row(cell: Cell, own: Cell | None) -> str:
    if cell.seconds is None:
        return f"| {cell.tool} | {'failed: ' + _cell_text(cell.error) if cell.error else 'not measured'} | | | | |"
    ratio = f"{own.seconds / cell.seconds:.2f}" if own and own.seconds else ""
    cpu = sorted(cell.cpu)[len(cell.cpu) // 2]
    return (
        f"| {cell.tool} | {cell.seconds:.2f} s | {min(cell.wall):.2f} - {max(cell.wall):.2f} s | {len(cell.wall)} "
        f"| {ratio} | {cpu:.2f} s | {cell.memory / MEBIBYTE:.0f} MiB |"
    )


def _cell_text(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")[:300]


def _goals(results: Results) -> list[str]:
    measured = [(goal, value) for goal in GOALS if (value := goal.measured(results)) is not None]
    if not measured:
        return []
    lines = ["## Goals", "", "| goal | measured | |", "|---|---:|---|"]
    return [*lines, *(_goal(goal, value) for goal, value in measured), ""]


def _goal(goal: Goal | MemoryGoal, value: float) -> str:
    shown = f"{value / MEBIBYTE:.0f} MiB" if isinstance(goal, MemoryGoal) else f"{value:.2f} x"
    verdict = "met" if value <= goal.limit else f"missed by {value / goal.limit - 1:.0%}"
    return f"| {goal.text} | {shown} | {verdict} |"


# --- plot -------------------------------------------------------------------------------------------------------------

_WIDTH, _LEFT, _BAR, _GAP = 960, 250, 16, 34


def plot(results: Results) -> str:
    """Bars of the medians as SVG, each group on a scale of its own."""
    parts: list[str] = []
    y = 20
    for group, cells in _groups(results):
        shown = [(cell, cell.seconds) for cell in cells if cell.seconds is not None]
        if not shown:
            continue
        parts.append(f'<text x="10" y="{y + 12}" font-weight="bold">{escape(_title(group, cells[0].objects))}</text>')
        y += 22
        longest = max(seconds for _, seconds in shown)
        for cell, seconds in shown:
            width = max(1.0, seconds / longest * (_WIDTH - _LEFT - 90))
            colour = "#2a6fbb" if cell.tool == Project.name else "#a9b4c0"
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(cell.tool)}</text>')
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 3}" fill="{colour}"/>')
            parts.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y + 12}">{seconds:.2f} s</text>')
            y += _BAR
        y += _GAP - _BAR
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )
