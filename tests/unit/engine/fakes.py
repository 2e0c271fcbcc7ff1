"""An API server in a dictionary, for what needs no real one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from .imports import errors, interruption, kinds

Object = dict[str, Any]


def make(api_version: str, kind: str, name: str, /, **fields: Any) -> Object:
    metadata = {"name": name, "namespace": "ns", **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


class FakeCluster:
    """Holds objects; ``streams`` says what each watch yields, one entry a watch (an exception is raised)."""

    def __init__(self, *objects: Object) -> None:
        self.kinds = kinds.Registry(None)
        self.interruption = interruption.Interruption()
        self.objects = list(objects)
        self.streams: list[Callable[[], Iterator[tuple[str, Object]]]] = []
        self.lists: list[str] = []
        self.watches: list[str] = []
        self.logs: dict[str, str] = {}
        self.failing: Exception | None = None
        self.transport = SimpleNamespace(request=self._request)

    def find(self, kind: kinds.Kind, namespace: str | None, name: str) -> Object | None:
        return next((o for o in self.objects if (o["kind"], o["metadata"]["name"]) == (kind.kind, name)), None)

    def list(self, kind: kinds.Kind, namespace: str | None = None, **_: str) -> tuple[list[Object], str]:
        self.lists.append(kind.kind)
        if self.failing:
            raise self.failing
        return [copy.deepcopy(o) for o in self.objects if o["kind"] == kind.kind], "100"

    def watch(self, kind: kinds.Kind, namespace: str | None, version: str, **_: Any) -> Iterator[tuple[str, Object]]:
        self.watches.append(version)
        if self.streams:
            yield from self.streams.pop(0)()

    def _request(self, method: str, path: str, query: dict[str, Any] | None = None) -> Any:
        if isinstance(self.failing, Exception):
            raise self.failing
        text = self.logs.get(f"{(query or {}).get('container')}/{(query or {}).get('previous')}", "")
        return SimpleNamespace(status=200 if text else 400, data=text.encode())


class WritableCluster(FakeCluster):
    """One whose objects can be deleted and patched, with everything that was written on record."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        # (kind, name, preconditions) of every delete, and (kind, name, body) of every patch.
        self.deletes: list[tuple[str, str, dict[str, str]]] = []
        self.patches: list[tuple[str, str, Object]] = []
        # What the next delete or patch raises.
        self.refusal: Exception | None = None

    def delete(self, kind: kinds.Kind, namespace: str | None, name: str, **preconditions: str) -> bool:
        if self.refusal:
            raise self.refusal
        self.deletes.append((kind.kind, name, preconditions))
        there = self.find(kind, namespace, name)
        if there:
            self.objects.remove(there)
        return there is not None

    def patch(self, kind: kinds.Kind, namespace: str | None, name: str, body: Object, writer: str) -> Object:
        if self.refusal:
            raise self.refusal
        if (there := self.find(kind, namespace, name)) is None:
            raise status_error(404)
        self.patches.append((kind.kind, name, body))
        return there


def status_error(code: int, message: str = "x") -> errors.ApiError:
    return errors.ApiError(code, json.loads(json.dumps({"message": message})))
