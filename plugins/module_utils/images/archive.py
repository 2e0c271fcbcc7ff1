"""Images of the engine as an archive for containerd that leaves out what a node has.

`docker save` sends every layer, and most of an image that was built again is the base that the node has already. The
archive is an OCI image layout; containerd takes one whose missing blobs it has.
https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_OCI = "application/vnd.oci.image"
_GZIP = b"\x1f\x8b"
# Which containerd names an image by.
_NAME = "io.containerd.image.name"


@dataclass(frozen=True)
class Blob:
    """A part of an image: where it lies in the saved file, or its bytes."""

    descriptor: Mapping[str, Any]
    content: str | bytes

    @property
    def digest(self) -> str:
        """As containerd names it."""
        return str(self.descriptor["digest"])


@dataclass(frozen=True)
class Saved:
    """What `docker save` wrote. ``images``: name in full -> blobs, the manifest last."""

    file: Path
    images: Mapping[str, list[Blob]]

    @property
    def layers(self) -> set[str]:
        """Digests of all layers."""
        return {
            blob.digest
            for blobs in self.images.values()
            for blob in blobs
            if ".layer." in str(blob.descriptor["mediaType"])
        }

    def write(self, to: IO[bytes], without: set[str]) -> None:
        """The archive; layers of ``without`` are left out."""
        index = {
            "schemaVersion": 2,
            "manifests": [
                {**blobs[-1].descriptor, "annotations": {_NAME: name}} for name, blobs in sorted(self.images.items())
            ],
        }
        with tarfile.open(self.file) as saved, tarfile.open(fileobj=to, mode="w|") as archive:
            _add(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
            _add(archive, "index.json", json.dumps(index).encode())
            written = set(without & self.layers)
            for blob in (blob for blobs in self.images.values() for blob in blobs):
                if blob.digest in written:
                    continue
                written.add(blob.digest)
                name = f"blobs/{blob.digest.replace(':', '/')}"
                if isinstance(blob.content, bytes):
                    _add(archive, name, blob.content)
                elif (content := saved.extractfile(blob.content)) is not None:
                    _add(archive, name, content, int(blob.descriptor["size"]))


def read(file: Path, full: Mapping[str, str]) -> Saved:
    """What is in a file of `docker save`. full: reference as the engine has it -> name in full."""
    images: dict[str, list[Blob]] = {}
    with tarfile.open(file) as saved:
        for entry in json.loads(_bytes(saved, "manifest.json")):
            config = _bytes(saved, entry["Config"])
            differences = json.loads(config)["rootfs"]["diff_ids"]
            layers = [_layer(saved, path, diff) for path, diff in zip(entry["Layers"], differences, strict=True)]
            configuration = _blob(config, "config.v1+json")
            manifest = {
                "schemaVersion": 2,
                "mediaType": f"{_OCI}.manifest.v1+json",
                "config": configuration.descriptor,
                "layers": [layer.descriptor for layer in layers],
            }
            blobs = [*layers, configuration, _blob(json.dumps(manifest).encode(), "manifest.v1+json")]
            images |= {full[tag]: blobs for tag in entry["RepoTags"] or () if tag in full}
    return Saved(file, images)


def _layer(saved: tarfile.TarFile, path: str, difference: str) -> Blob:
    """A layer as it was saved: its digest is that of its content where it is not compressed."""
    member = saved.getmember(path)
    while member.issym() or member.islnk():  # an old engine saves a layer that images share once, and links to it
        target = Path(path).parent / member.linkname if member.issym() else Path(member.linkname)
        path = _normal(target)
        member = saved.getmember(path)
    content = saved.extractfile(member)
    if content is None:
        raise KeyError(path)
    start = content.read(len(_GZIP))
    compressed = start == _GZIP
    if compressed:
        whole = hashlib.sha256(start)
        while chunk := content.read(1 << 20):
            whole.update(chunk)
        difference = f"sha256:{whole.hexdigest()}"
    kind = f"{_OCI}.layer.v1.tar{'+gzip' if compressed else ''}"
    return Blob({"mediaType": kind, "digest": difference, "size": member.size}, path)


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _blob(content: bytes, kind: str) -> Blob:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Blob({"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": len(content)}, content)


def _bytes(saved: tarfile.TarFile, path: str) -> bytes:
    content = saved.extractfile(path)
    return content.read() if content is not None else b""


def _add(archive: tarfile.TarFile, name: str, content: bytes | IO[bytes], size: int = 0) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content) if isinstance(content, bytes) else size
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else content)
