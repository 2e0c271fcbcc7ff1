"""The state of the platform as far down as the policies let a part see: each asks those it calls, and adds itself."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from .callees import CallError, Deadline
from .part import Part

FRESH = 1.0  # seconds that an answer serves everyone who asks
BUDGET = 2.5  # seconds for the whole answer at the top
Report = dict[str, Any]


class Status:
    """One question at a time goes down the graph, however many ask."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._task: asyncio.Task[Report] | None = None
        self._made = 0.0

    async def below(self, budget: float = BUDGET) -> Report:
        """`parts`: name to report; `edges`: who calls whom, and whether it works."""
        if self._task is None or (self._task.done() and time.monotonic() - self._made > FRESH):
            self._task = asyncio.create_task(self._gather(Deadline(min(budget, BUDGET))))
        return await asyncio.shield(self._task)

    async def _gather(self, deadline: Deadline) -> Report:
        part = self._part
        name = part.settings.name
        parts: dict[str, Report] = {name: part.report()}
        edges: list[Report] = []

        async def ask(callee: str) -> None:
            started = time.monotonic()
            edge: Report = {"from": name, "to": callee, "up": False}
            try:
                reply = await part.callees.call(callee, "GET", "/internal/status", deadline, tries=2)
                if reply.status != 200:
                    raise CallError(name, callee, f"HTTP {reply.status}")
                edge |= {"up": True, "latency_ms": round((time.monotonic() - started) * 1000, 2)}
                for other, report in reply.body["parts"].items():
                    if parts.get(other, {}).get("state", "down") == "down":
                        parts[other] = report
                edges.extend(reply.body["edges"])
            except CallError as error:
                edge["error"] = error.reason
                parts.setdefault(callee, {"part": callee, "state": "down", "reasons": [error.reason]})
            edges.append(edge)

        await asyncio.gather(*(ask(callee) for callee in part.settings.calls))
        self._made = time.monotonic()
        return {"parts": parts, "edges": edges}


class Overview:
    """The gateway's view: it remembers what it has seen, so that a part cut off is shown as unknown instead of gone."""

    def __init__(self, part: Part, status: Status) -> None:
        self._part = part
        self._status = status
        self._seen: dict[str, tuple[float, Report]] = {}
        self._edges: dict[tuple[str, str], Report] = {}

    async def now(self) -> Report:
        """What the page shows. Times in milliseconds or seconds as the names say."""
        settings = self._part.settings
        seen = await self._status.below()
        now = time.monotonic()
        parts: dict[str, Report] = dict(seen["parts"])
        edges = {(edge["from"], edge["to"]): edge for edge in seen["edges"]}
        for name, report in parts.items():
            if report["state"] != "down":
                self._seen[name] = (now, report)
        for name in {*settings.service_urls, *self._seen} - set(parts):
            last = self._seen.get(name)
            report = {"part": name, "state": "unknown", "reasons": ["nobody who calls it can be asked"]}
            parts[name] = report | ({"last_seen_s": round(now - last[0])} if last else {})
        for name, report in parts.items():
            if "calls" not in report and name in self._seen:
                last_report = self._seen[name][1]
                report |= {key: last_report[key] for key in ("calls", "uses", "version", "pod", "node")}
        self._edges |= edges
        for key, edge in self._edges.items():
            if key not in edges:
                edges[key] = {"from": edge["from"], "to": edge["to"], "up": None}
        return {
            "environment": settings.environment,
            "namespace": settings.namespace,
            "gateway": self._part.identity(),
            "parts": dict(sorted(parts.items())),
            "edges": sorted(edges.values(), key=lambda edge: (edge["from"], edge["to"])),
            "stores": self._stores(parts),
        }

    @staticmethod
    def _stores(parts: dict[str, Report]) -> dict[str, Report]:
        stores: dict[str, Report] = {}
        for name, report in sorted(parts.items()):
            for store in report.get("stores", []):
                entry = stores.setdefault(store["name"], {"up": [], "down": {}, "latency_ms": None})
                if store["up"]:
                    entry["up"].append(name)
                    entry["latency_ms"] = max(store["latency_ms"], entry["latency_ms"] or 0)
                else:
                    entry["down"][name] = store["error"]
        return stores
