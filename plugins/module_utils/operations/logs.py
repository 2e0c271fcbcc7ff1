"""Logs of many pods in one stream: each line after its pod's name, in the order of time."""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..engine.transport import Disconnected
from .cluster_view import POD
from .duration import seconds
from .pods import container, of_part

Object = dict[str, Any]

# Seconds between two looks for pods that are new, and before a broken stream is taken up again.
_LOOK_SECONDS = 2.0
# A stream without a line for this long is opened anew, so that a connection that died quietly is noticed.
_SILENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Wanted:
    """What of each log: the last ``tail`` lines, not older than ``since`` (such as ``10m``), of the run before."""

    tail: int = 100
    since: str = ""
    previous: bool = False

    def query(self) -> dict[str, Any]:
        """As parameters of the API. Raises EngineError for a duration that is none."""
        query: dict[str, Any] = {"timestamps": "true", "tailLines": self.tail}
        if self.since:
            query["sinceSeconds"] = seconds(self.since)
        if self.previous:
            query["previous"] = "true"
        return query


def read(cluster: Cluster, namespace: str, part: str | None, wanted: Wanted) -> Iterator[str]:
    """The lines that there are. A log that cannot be read is a line that says why."""
    query = wanted.query()
    pods = of_part(cluster, namespace, part)
    with ThreadPoolExecutor(8) as pool:
        logs = list(pool.map(lambda pod: _lines(cluster, namespace, pod, query), pods))
    width = max((len(pod["metadata"]["name"]) for pod in pods), default=0)
    streams = (
        [(stamp, position, pod["metadata"]["name"], text) for stamp, text in lines]
        for position, (pod, lines) in enumerate(zip(pods, logs, strict=True))
    )
    for _, _, name, text in heapq.merge(*streams):
        yield f"{name:{width}} | {text}"


def _lines(cluster: Cluster, namespace: str, pod: Object, query: Mapping[str, Any]) -> list[tuple[str, str]]:
    name = pod["metadata"]["name"]
    parameters = {**query, "container": container(pod)}
    try:
        response = cluster.transport.request("GET", f"{POD.path(namespace, name)}/log", parameters)
    except Disconnected as error:
        return [("", f"(log cannot be read: {error})")]
    if response.status != 200:
        return [("", f"(log cannot be read: {_reason(response.data)})")]
    return [_split(line) for line in response.data.decode("utf-8", "replace").splitlines()]


def _split(line: str) -> tuple[str, str]:
    stamp, _, text = line.partition(" ")
    return stamp, text


def _reason(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode("utf-8", "replace").strip()[:200] or "no reason given"


class Follower:
    """Follows the logs of a part, or of all, for good: pods that come are joined, streams that break are resumed."""

    def __init__(
        self, cluster: Cluster, namespace: str, part: str | None, wanted: Wanted, show: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._part = part
        self._query = {**wanted.query(), "follow": "true"}
        self._show = show
        self._threads: dict[str, threading.Thread] = {}
        self._last: dict[str, str] = {}
        self._stop = threading.Event()

    def run(self, limit: float | None = None) -> None:
        """Until interrupted, or for ``limit`` seconds. Raises EngineError where there is nothing to follow."""
        clock = 0.0
        while not self._stop.is_set():
            self._join(of_part(self._cluster, self._namespace, self._part))
            if limit is not None and clock >= limit:
                self._stop.set()
                return
            self._stop.wait(_LOOK_SECONDS)
            clock += _LOOK_SECONDS

    def _join(self, pods: list[Object]) -> None:
        for pod in pods:
            name = pod["metadata"]["name"]
            thread = self._threads.get(name)
            if (thread is None or not thread.is_alive()) and (pod.get("status") or {}).get("phase") == "Running":
                self._threads[name] = threading.Thread(target=self._follow, args=(pod,), daemon=True)
                self._threads[name].start()

    def _follow(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        query = {**self._query, "container": container(pod)}
        if last := self._last.get(name):
            query = {**query, "sinceTime": last}
            query.pop("tailLines", None)
            query.pop("sinceSeconds", None)
        path = f"{POD.path(self._namespace, name)}/log"
        transport = self._cluster.transport
        try:
            response = transport.request("GET", path, query, stream=True, read_seconds=_SILENCE_SECONDS)
            if response.status != 200:
                if name not in self._last:
                    self._show(f"{name} | (log cannot be read: {_reason(response.read())})")
                    self._last[name] = ""
                return
            for line in transport.lines(response):
                stamp, text = _split(line.decode("utf-8", "replace"))
                if stamp > self._last.get(name, ""):  # sinceTime is exact to the second only
                    self._last[name] = stamp
                    self._show(f"{name} | {text}")
        except (Disconnected, EngineError):
            return  # the next look resumes it
