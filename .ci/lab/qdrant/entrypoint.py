"""Starts the lab's stand-in for Qdrant with what the platform's configuration files say.

Adds to its REST calls what the platform needs, deleted points, uploaded snapshots and aliases, as
https://api.qdrant.tech describes them.
"""

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path("/qdrant/config")
SETTINGS = {
    "production.yaml": {
        "storage_path": "QDRANT__STORAGE__STORAGE_PATH",
        "snapshots_path": "QDRANT__STORAGE__SNAPSHOTS_PATH",
        "http_port": "QDRANT__SERVICE__HTTP_PORT",
    },
    "local.yaml": {"api_key": "QDRANT__SERVICE__API_KEY", "alt_api_key": "QDRANT__SERVICE__ALT_API_KEY"},
}

for name, keys in SETTINGS.items():
    text = (FOLDER / name).read_text()
    for key, variable in keys.items():
        if match := re.search(rf"^\s*{key}:\s*\"?([^\"\n]+)\"?\s*$", text, re.MULTILINE):
            os.environ[variable] = match[1]

sys.path.insert(0, "/")
import qdrant  # noqa: E402 - it reads its environment when it is imported

ALIASES = qdrant.STORE / "aliases.list"
Stub: Any = qdrant.Handler


class Handler(Stub):
    """The stand-in's handler, and four calls more."""

    def route(self) -> None:
        path = self.path.split("?")[0]
        # Two keys that count alike (https://github.com/qdrant/qdrant/pull/7835).
        if self.headers.get("api-key") and self.headers["api-key"] == os.environ.get("QDRANT__SERVICE__ALT_API_KEY"):
            self.headers.replace_header("api-key", qdrant.KEY)
        allowed = not qdrant.KEY or self.headers.get("api-key") == qdrant.KEY
        upload = re.fullmatch(r"/collections/([A-Za-z0-9_-]+)/snapshots/upload", path)
        removal = re.fullmatch(r"/collections/([A-Za-z0-9_-]+)/points/delete", path)
        if allowed and upload and self.command == "POST":
            self._upload(upload[1])
        elif allowed and removal and self.command == "POST":
            self._delete(removal[1], self.body()["points"])
        elif allowed and path == "/aliases":
            self.ok({"aliases": self._aliases()})
        elif allowed and path == "/collections/aliases" and self.command == "POST":
            self._change_aliases(self.body()["actions"])
        else:
            super().route()

    do_GET = do_PUT = do_POST = do_DELETE = route  # noqa: N815 - the standard library's names

    def answer(self, status: int, body: Any, kind: str = "application/json") -> None:
        """As the real server does, say the checksum of a new snapshot."""
        if self.command == "POST" and self.path.split("?")[0].endswith("/snapshots") and status == 200:
            name = self.path.split("/")[2]
            file = qdrant.SNAPSHOTS / name / body["result"]["name"]
            body["result"]["checksum"] = hashlib.sha256(file.read_bytes()).hexdigest()
        super().answer(status, body, kind)

    def _upload(self, name: str) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        boundary = b"--" + self.headers["content-type"].partition("boundary=")[2].encode()
        part = raw.split(boundary)[1]
        data = part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        try:
            collection = json.loads(data)
        except ValueError:
            self.error(400, "Wrong input: the snapshot cannot be read")
            return
        with qdrant.LOCK:
            qdrant.COLLECTIONS[name] = collection
            qdrant.save(name)
        self.ok(True)

    def _delete(self, name: str, points: list[str | int]) -> None:
        with qdrant.LOCK:
            for point in points:
                qdrant.COLLECTIONS[name]["points"].pop(str(point), None)
            qdrant.save(name)
        self.ok({"status": "completed"})

    def _aliases(self) -> list[dict[str, str]]:
        return json.loads(ALIASES.read_text()) if ALIASES.is_file() else []

    def _change_aliases(self, actions: list[dict[str, dict[str, str]]]) -> None:
        found = {alias["alias_name"]: alias for alias in self._aliases()}
        for action in actions:
            for verb, about in action.items():
                if verb == "create_alias":
                    found[about["alias_name"]] = about
                else:
                    found.pop(about["alias_name"], None)
        ALIASES.write_text(json.dumps(list(found.values())))
        self.ok(True)


qdrant.Handler = Handler
sys.exit(qdrant.main())
