"""A registry that trickles, run inside of a container: `docker save`'s files below /images/<name>, under any tag.

Every blob takes as many seconds as /images/<name>/seconds says, whatever its size. What containerd has by digest is not
asked for, so the configuration gets a label and is always new: each pull waits for it.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import hashlib
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DOCKER = "application/vnd.docker"
MANIFEST, CONFIG = f"{DOCKER}.distribution.manifest.v2+json", f"{DOCKER}.container.image.v1+json"
LAYER = f"{DOCKER}.image.rootfs.diff.tar"
SLICES = 50


class Image:
    """What is served of one image, by digest."""

    def __init__(self, folder: Path) -> None:
        self.seconds = float((folder / "seconds").read_text())
        self.blobs: dict[str, bytes | Path] = {}
        (saved,) = json.loads((folder / "manifest.json").read_text())
        config = json.loads((folder / saved["Config"]).read_text())
        config["config"]["Labels"] = (config["config"].get("Labels") or {}) | {"loaded": os.urandom(16).hex()}
        layers = [self._add(folder / name, LAYER) for name in saved["Layers"]]
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._add(json.dumps(config).encode(), CONFIG),
                "layers": layers,
            }
        ).encode()

    def _add(self, content: bytes | Path, media_type: str) -> dict[str, object]:
        if isinstance(content, Path):
            with content.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                media_type += ".gzip" if file.read(2) == b"\x1f\x8b" else ""
            size = content.stat().st_size
        else:
            digest, size = hashlib.sha256(content).hexdigest(), len(content)
        self.blobs[f"sha256:{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


IMAGES = {folder.name: Image(folder) for folder in Path("/images").iterdir()}


class Handler(BaseHTTPRequestHandler):
    """Manifests at once, blobs slowly."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, _, path = self.path.partition("/v2/")
        name, _, rest = path.partition("/")
        kind, _, reference = rest.partition("/")
        image = IMAGES.get(name)
        if not path:
            self._answer("application/json", b"{}", 0)
        elif image and kind == "manifests":
            self._answer(MANIFEST, image.manifest, 0)
        elif image and kind == "blobs" and reference in image.blobs:
            blob = image.blobs[reference]
            content = blob if isinstance(blob, bytes) else blob.read_bytes()
            self._answer("application/octet-stream", content, image.seconds)
        else:
            self.send_error(404)

    do_HEAD = do_GET  # noqa: N815 - the standard library's names

    def _answer(self, content_type: str, content: bytes, seconds: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        if content_type == MANIFEST:
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(content).hexdigest()}")
        self.end_headers()
        if self.command == "HEAD":
            return
        step = len(content) // SLICES + 1
        for start in range(0, len(content), step):
            self.wfile.write(content[start : start + step])
            self.wfile.flush()
            time.sleep(seconds / SLICES)


print("serving", flush=True)
ThreadingHTTPServer(("", 5000), Handler).serve_forever()
