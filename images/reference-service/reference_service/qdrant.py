"""Vectors in Qdrant over its REST API: five calls need no client library.

https://api.qdrant.tech/api-reference
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp

from .embedding import SIZE, embed
from .monitor import Dependency
from .settings import Settings

COLLECTION = "platform"


class QdrantError(RuntimeError):
    """Qdrant answered, but not what was asked for."""


class Qdrant(Dependency):
    """The collection `platform`, made where it is missing."""

    kind = "store"

    def __init__(self, settings: Settings, session: Callable[[], aiohttp.ClientSession]) -> None:
        super().__init__("qdrant")
        self._settings = settings
        self._session = session

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, *, allow: int = 0) -> Any:
        """The `result` of an answer, or None for a status that the caller allows. Raises QdrantError."""
        key = self._settings.credentials.get("QDRANT_API_KEY")
        url = f"{self._settings.qdrant_url}/collections/{COLLECTION}{path}"
        headers = {"api-key": key} if key else {}
        async with self._session().request(
            method, url, json=body, headers=headers, timeout=aiohttp.ClientTimeout(total=5)
        ) as response:
            if response.status == allow:
                return None
            if response.status in {401, 403}:
                raise QdrantError(f"refused the key (HTTP {response.status}): QDRANT_API_KEY must be the server's")
            if response.status >= 400:
                raise QdrantError(f"HTTP {response.status} on {method} /collections/{COLLECTION}{path}")
            return (await response.json())["result"]

    async def check(self) -> None:
        """Answers under the key, and holds the collection."""
        if await self._ask("GET", "", allow=404) is None:
            # 409: another replica was faster.
            await self._ask("PUT", "", {"vectors": {"size": SIZE, "distance": "Cosine"}}, allow=409)

    async def record(self, run_id: str, text: str) -> str:
        """Store the vector of a run and search with it. Returns what was touched, for people."""
        payload = {"run_id": run_id, "text": text[:200]}
        await self._ask(
            "PUT", "/points?wait=true", {"points": [{"id": run_id, "vector": embed(run_id), "payload": payload}]}
        )
        if not await self.find(run_id):
            raise QdrantError(f"the search does not find the vector just stored ({run_id})")
        return f"vector in {COLLECTION}, found by search"

    async def find(self, run_id: str) -> int:
        """1 where the vector of a run is the nearest to itself, as it is once stored, else 0."""
        result = await self._ask("POST", "/points/query", {"query": embed(run_id), "limit": 1})
        return sum(1 for point in result["points"] if point["id"] == run_id)

    async def forget(self, run_id: str) -> int:
        """Delete the vector of a run; returns how many there were. Raises QdrantError where it is still there."""
        count = await self.find(run_id)
        if count:
            await self._ask("POST", "/points/delete?wait=true", {"points": [run_id]})
        return count
