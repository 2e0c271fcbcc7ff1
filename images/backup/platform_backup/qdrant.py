"""Qdrant's collections: a snapshot of each on every node, uploaded again to the same node at a restore.

https://qdrant.tech/documentation/concepts/snapshots/
Aliases are in no snapshot, so they are kept beside them.
"""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from . import files
from .errors import BackupError, Unreachable, of_volume
from .settings import Settings

_SECONDS = 3600.0  # a snapshot of a large collection takes its time
# At a snapshot during which no point came or went.
_TRIES = 3


class Node:
    """One server of the cluster."""

    def __init__(self, url: str, key: str) -> None:
        self._url = urlsplit(url)
        self._key = key

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The ``result`` of a JSON answer. Raises BackupError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if data else {}
        answer = self._send(method, path, data, headers)
        return json.loads(answer.read())["result"]

    def version(self) -> str:
        """What the server says at its root."""
        return str(json.loads(self._send("GET", "/", None, {}).read()).get("version", ""))

    def download(self, path: str, target: Path) -> None:
        """Write what the path serves into a file."""
        answer = self._send("GET", path, None, {})
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("wb") as file:
                while data := answer.read(files.CHUNK):
                    file.write(data)
        except OSError as error:
            raise of_volume(error, target.name) from error

    def upload(self, path: str, source: Path) -> None:
        """Send a file as the form field ``snapshot``, piece by piece."""
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="snapshot"; filename="{source.name}"\r\n'
            "content-type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + source.stat().st_size + len(tail)),
        }
        self._send("POST", path, _pieces(head, source, tail), headers).read()

    def _send(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        where = f"Qdrant {self._url.netloc}"
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port, timeout=_SECONDS)
        try:
            connection.request(method, path, body, {**headers, "api-key": self._key})
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{where} cannot be reached: {error}.", "Look at it: make status.") from error
        if answer.status >= 400:
            text = answer.read().decode("utf-8", "replace")
            raise BackupError(
                f"{where}: {method} {path}: {answer.status} {_reason(text)}.", "See its log: make logs S=qdrant."
            )
        return answer


def _pieces(head: bytes, source: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with source.open("rb") as file:
        while data := file.read(files.CHUNK):
            yield data
    yield tail


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["status"]["error"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return text.strip()[:200]


class Vectors:
    """All nodes. Collections are asked for at the first: every node knows them all."""

    def __init__(self, settings: Settings) -> None:
        key = settings.secret("QDRANT_API_KEY")
        self.nodes = [Node(url, key) for url in settings.qdrant_nodes]

    def version(self) -> str:
        """The server's version."""
        return self.nodes[0].version()

    def collections(self) -> list[str]:
        return sorted(c["name"] for c in self.nodes[0].ask("GET", "/collections")["collections"])

    def points(self, collection: str) -> int:
        """How many points the whole cluster has, counted exactly."""
        path = f"/collections/{quote(collection, safe='')}/points/count"
        return int(self.nodes[0].ask("POST", path, {"exact": True})["count"])

    def live_points(self) -> dict[str, int]:
        """Points of every collection."""
        return {name: self.points(name) for name in self.collections()}

    def save(self, folder: Path) -> dict[str, Any]:
        """Snapshots of everything into ``folder``/qdrant; what the manifest says of them. None stays on the servers."""
        found: dict[str, Any] = {}
        for name in self.collections():
            # Named by numbers: a collection may be called as no file can be.
            found[name] = self._save(name, folder, f"qdrant/{len(found)}")
        aliases = self.nodes[0].ask("GET", "/aliases")["aliases"]
        return {"version": self.version(), "nodes": len(self.nodes), "collections": found, "aliases": aliases}

    def _save(self, name: str, folder: Path, stem: str) -> dict[str, Any]:
        """``points``, ``points_least`` where services kept writing meanwhile, and ``snapshots``, one of each node."""
        path = f"/collections/{quote(name, safe='')}/snapshots"
        for left in reversed(range(_TRIES)):
            before = self.points(name)
            with self._snapshots(path) as made:
                after = self.points(name)
                if before != after and left:
                    continue
                snapshots = []
                for ordinal, snapshot in enumerate(made):
                    file = f"{stem}-{ordinal}.snapshot"
                    self.nodes[ordinal].download(f"{path}/{quote(snapshot['name'])}", folder / file)
                    claimed = snapshot.get("checksum")
                    if claimed and files.sha256(folder / file) != claimed:
                        raise BackupError(f"Qdrant: the snapshot of {name} arrived damaged.", "Try again.")
                    snapshots.append({"node": ordinal, "file": file})
                break
        least = {} if before == after else {"points_least": min(before, after)}
        return {"points": max(before, after), **least, "snapshots": snapshots}

    @contextmanager
    def _snapshots(self, path: str) -> Iterator[list[dict[str, Any]]]:
        """A snapshot on every node, gone from there at the end."""
        with ExitStack() as end:
            made = []
            for node in self.nodes:
                snapshot = node.ask("POST", f"{path}?wait=true")
                end.callback(node.ask, "DELETE", f"{path}/{quote(snapshot['name'])}?wait=true")
                made.append(snapshot)
            yield made

    def check_nodes(self, saved: dict[str, Any]) -> None:
        """Refuse snapshots of another number of nodes: each belongs to its own. Raises BackupError."""
        if saved["collections"] and saved["nodes"] != len(self.nodes):
            raise BackupError(
                f"The backup is of {saved['nodes']} Qdrant nodes, and this platform has {len(self.nodes)}. "
                "Nothing was written.",
                f"Set platform_stores_overrides.qdrant.replicas to {saved['nodes']}, deploy, restore, then scale.",
            )

    def restore(self, folder: Path, saved: dict[str, Any]) -> list[str]:
        """Bring the collections and aliases back as they were saved; the collections that went, as the backup has none.

        Raises BackupError where one has another number of points afterwards.
        """
        gone = [name for name in self.collections() if name not in saved["collections"]]
        for name in gone:
            self.nodes[0].ask("DELETE", f"/collections/{quote(name, safe='')}")
        for name, collection in saved["collections"].items():
            for snapshot in collection["snapshots"]:
                path = f"/collections/{quote(name, safe='')}/snapshots/upload?priority=snapshot&wait=true"
                self.nodes[snapshot["node"]].upload(path, folder / snapshot["file"])
            found = self.points(name)
            least, most = _bounds(collection)
            if not least <= found <= most:
                raise BackupError(
                    f"Qdrant: collection {name} has {found} points after its restore, and the backup has "
                    f"{most if least == most else f'{least} to {most}'}.",
                    "Restore again; what was there before is in the backup that was made before this restore.",
                )
        # A collection that stays has the aliases of today. One request, so that none is missing in between.
        actions: list[dict[str, Any]] = [
            {"delete_alias": {"alias_name": alias["alias_name"]}}
            for alias in self.nodes[0].ask("GET", "/aliases")["aliases"]
        ]
        actions += [
            {"create_alias": {"collection_name": alias["collection_name"], "alias_name": alias["alias_name"]}}
            for alias in saved["aliases"]
        ]
        if actions:
            self.nodes[0].ask("POST", "/collections/aliases", {"actions": actions})
        return gone


def on_one_node(saved: dict[str, Any]) -> dict[str, Any]:
    """The same for a single node: of a cluster's collection each node's share becomes a collection of its own."""
    if saved["nodes"] == 1:
        return saved
    shares = {
        # Qdrant only estimates how many points a node has itself.
        _share(name, snapshot): {**collection, "points_least": 0, "snapshots": [{**snapshot, "node": 0}]}
        for name, collection in saved["collections"].items()
        for snapshot in collection["snapshots"]
    }
    return {**saved, "nodes": 1, "collections": shares, "aliases": []}


def drilled(found: Mapping[str, int], saved: dict[str, Any]) -> bool:
    """Whether a node that has restored ``on_one_node(saved)`` has the points of the backup, and no other collection.

    The shares of a collection have all of its points together; with replicas, some of them more than once.
    """
    left = dict(found)
    for name, collection in saved["collections"].items():
        shares = [name] if saved["nodes"] == 1 else [_share(name, snapshot) for snapshot in collection["snapshots"]]
        counts = [left.pop(share, -1) for share in shares]
        least, most = _bounds(collection)
        if min(counts) < 0 or max(counts) > most or sum(counts) < least:
            return False
    return not left


def _share(collection: str, snapshot: dict[str, Any]) -> str:
    return f"{collection}-{snapshot['node']}"


def _bounds(collection: dict[str, Any]) -> tuple[int, int]:
    """The least and the most points that its snapshots may have: one number where no point came or went meanwhile."""
    most = int(collection["points"])
    return int(collection.get("points_least", most)), most
