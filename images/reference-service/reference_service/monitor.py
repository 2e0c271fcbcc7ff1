"""Keeps watch over what the part needs, so that a probe reads memory and a slow dependency is asked once at a time."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from .metrics import Metrics

log = logging.getLogger(__name__)

INTERVAL = 2.0  # seconds between two checks of something that answers
TIMEOUT = 1.5  # seconds that one check may take
PATIENCE = 2  # failures in a row before something that answered counts as down
FIRST_RETRY = 0.25  # seconds after the first failure, doubled up to INTERVAL
STALE = 10.0  # seconds after which an answer says nothing any more


class Dependency(ABC):
    """Something that the part needs: a store, or another part."""

    kind: str  # "store" or "part"

    def __init__(self, name: str) -> None:
        self.name = name
        self.lost = asyncio.Event()  # set by a dependency that notices its own loss: it is checked at once

    @abstractmethod
    async def check(self) -> None:
        """Connect where not connected yet, ask something cheap, raise where the answer is no."""

    async def close(self) -> None:  # noqa: B027 - most hold nothing
        """Give back what is held."""


@dataclass
class State:
    """What is known of a dependency. Monotonic times; `latency` in seconds."""

    dependency: Dependency
    up: bool = False
    ever_up: bool = False
    error: str = "not asked yet"
    latency: float = 0.0
    failures: int = 0
    checked: float = field(default_factory=time.monotonic)

    @property
    def answers(self) -> bool:
        """Up, by an answer that is recent."""
        return self.up and time.monotonic() - self.checked < STALE

    def report(self) -> dict[str, Any]:
        """What may be shown."""
        report: dict[str, Any] = {"name": self.dependency.name, "kind": self.dependency.kind, "up": self.answers}
        if self.answers:
            report["latency_ms"] = round(self.latency * 1000, 2)
        else:
            report["error"] = self.error or "no recent answer"
        return report


class Monitor:
    """One task for each dependency; nothing waits for another."""

    def __init__(self, dependencies: list[Dependency], metrics: Metrics) -> None:
        self.states = [State(dependency) for dependency in dependencies]
        self.draining = False
        self._metrics = metrics
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin watching."""
        self._tasks = [asyncio.create_task(self._watch(state)) for state in self.states]

    async def stop(self) -> None:
        """End watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def unready(self) -> list[str]:
        """Why no traffic should come, one reason a line; empty when it should.

        A store is needed all the time. Another part has to have answered once: a start waits for what comes before it,
        but a part that is lost later takes nobody else out of service (decision 0402).
        """
        reasons = ["shutting down"] if self.draining else []
        for state in self.states:
            needed = state.answers if state.dependency.kind == "store" else state.ever_up
            if not needed:
                reasons.append(f"{state.dependency.name}: {state.error or 'no recent answer'}")
        return reasons

    async def _watch(self, state: State) -> None:
        while True:
            await self._ask(state)
            delay = INTERVAL if state.failures == 0 else min(INTERVAL, FIRST_RETRY * 2 ** (state.failures - 1))
            state.dependency.lost.clear()
            try:
                # Jitter keeps the replicas of a part from asking all at the same moment.
                await asyncio.wait_for(state.dependency.lost.wait(), delay * random.uniform(0.8, 1.2))  # noqa: S311
            except TimeoutError:
                continue

    async def _ask(self, state: State) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                await state.dependency.check()
        except Exception as error:  # whatever a driver raises, it is down and will be asked again
            state.failures += 1
            state.error = describe(error)
            if state.up and state.failures >= PATIENCE:
                log.warning(
                    "lost %s", state.dependency.name, extra={"dependency": state.dependency.name, "error": state.error}
                )
                state.up = False
            elif not state.ever_up and state.failures in {1, 10, 100}:
                log.info("waiting for %s", state.dependency.name, extra={"error": state.error, "tries": state.failures})
        else:
            state.latency = time.monotonic() - started
            state.failures, state.error = 0, ""
            if not state.up:
                log.info("reached %s", state.dependency.name, extra={"dependency": state.dependency.name})
            state.up = state.ever_up = True
            self._metrics.dependency_latency.labels(state.dependency.name, state.dependency.kind).set(state.latency)
        state.checked = time.monotonic()
        self._metrics.dependency_up.labels(state.dependency.name, state.dependency.kind).set(state.up)


def describe(error: BaseException) -> str:
    """One line for people: what failed, without a stack and without what a driver adds below."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else error.__class__.__name__
