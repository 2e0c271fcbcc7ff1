"""What a round trip left behind, part by part: looked up, or removed."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from .callees import CallError, Deadline
from .monitor import describe
from .part import Part

Method = Literal["GET", "DELETE"]


async def left(part: Part, method: Method, run_id: str, deadline: Deadline) -> dict[str, Any]:
    """For this part and all below it: `parts[name][store]` = how much was found (GET) or removed (DELETE).

    `errors` has a line for whatever did not answer; a part that is called by two others is counted once.
    """
    stores = {"postgres": part.postgres, "nats": part.messaging, "qdrant": part.qdrant}
    own: dict[str, int] = {}
    errors: list[str] = []

    async def look(name: str) -> None:
        store = stores[name]
        if store is None:
            return
        try:
            async with asyncio.timeout(deadline.for_callee()):
                own[name] = await (store.find(run_id) if method == "GET" else store.forget(run_id))
        except Exception as error:  # a driver's error ends here, as a line of the report
            errors.append(f"{part.settings.name}: {name}: {describe(error)}")

    async def below(callee: str) -> dict[str, Any]:
        try:
            reply = await part.callees.call(callee, method, f"/internal/run/{run_id}", deadline)
        except CallError as error:
            return {"parts": {}, "errors": [str(error)]}
        if reply.status != 200:
            return {"parts": {}, "errors": [f"{part.settings.name} > {callee}: HTTP {reply.status}"]}
        return dict(reply.body)

    _, answers = await asyncio.gather(
        asyncio.gather(*(look(name) for name in stores)),
        asyncio.gather(*(below(callee) for callee in part.settings.calls)),
    )
    parts: dict[str, dict[str, int]] = {part.settings.name: own}
    for answer in answers:
        errors += answer["errors"]
        for name, counts in answer["parts"].items():
            known = parts.setdefault(name, {})
            for store, count in counts.items():
                known[store] = max(count, known.get(store, 0))
    return {"parts": parts, "errors": sorted(set(errors))}
