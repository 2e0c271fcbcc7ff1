"""Archives for containerd without the layers that a node has."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.images import archive

BASE, OWN = b"base" * 1000, b"own"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def saved(folder: Path, tags: dict[str, list[bytes]], link: bool = False) -> Path:
    """A file as `docker save` writes it: ``tags`` are layers by reference; old engines link to layers that repeat."""
    file = folder / "saved.tar"
    written: dict[bytes, str] = {}
    with tarfile.open(file, "w") as out:

        def add(name: str, content: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))

        entries: list[dict[str, Any]] = []
        for number, (tag, layers) in enumerate(tags.items()):
            paths = []
            for position, layer in enumerate(layers):
                path = f"{number}-{position}/layer.tar"
                paths.append(path)
                if link and layer in written:
                    member = tarfile.TarInfo(path)
                    member.type, member.linkname = tarfile.SYMTYPE, f"../{written[layer]}"
                    out.addfile(member)
                else:
                    written[layer] = path
                    add(path, layer)
            plain = [gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer for layer in layers]
            config = json.dumps({"rootfs": {"diff_ids": [digest(layer) for layer in plain]}}).encode()
            add(f"{number}.json", config)
            entries.append({"Config": f"{number}.json", "RepoTags": [tag], "Layers": paths})
        add("manifest.json", json.dumps(entries).encode())
    return file


def written(image: archive.Saved, without: set[str]) -> dict[str, bytes]:
    out = io.BytesIO()
    image.write(out, without)
    out.seek(0)
    with tarfile.open(fileobj=out) as content:
        return {member.name: content.extractfile(member).read() for member in content}  # type: ignore[union-attr]


@pytest.mark.parametrize("link", [False, True])
def test_it_is_a_whole_image_layout_but_for_what_the_node_has(tmp_path: Path, link: bool) -> None:
    file = saved(tmp_path, {"a:1": [BASE, OWN], "b:1": [BASE]}, link)
    image = archive.read(file, {"a:1": "docker.io/library/a:1", "b:1": "docker.io/library/b:1"})
    assert image.layers == {digest(BASE), digest(OWN)}
    content = written(image, {digest(BASE), "sha256:something else"})
    blobs = {name for name in content if name.startswith("blobs/")}
    assert f"blobs/{digest(OWN).replace(':', '/')}" in blobs
    assert f"blobs/{digest(BASE).replace(':', '/')}" not in blobs
    assert all(f"sha256:{name.rpartition('/')[2]}" == digest(content[name]) for name in blobs)
    index = json.loads(content["index.json"])
    names = {entry["annotations"]["io.containerd.image.name"]: entry["digest"] for entry in index["manifests"]}
    assert set(names) == {"docker.io/library/a:1", "docker.io/library/b:1"}
    manifest = json.loads(content[f"blobs/{names['docker.io/library/a:1'].replace(':', '/')}"])
    assert [layer["digest"] for layer in manifest["layers"]] == [digest(BASE), digest(OWN)]
    assert [layer["size"] for layer in manifest["layers"]] == [len(BASE), len(OWN)]
    assert f"blobs/{manifest['config']['digest'].replace(':', '/')}" in blobs


def test_a_compressed_layer_has_the_digest_of_what_is_sent(tmp_path: Path) -> None:
    packed = gzip.compress(BASE)
    image = archive.read(saved(tmp_path, {"a:1": [packed]}), {"a:1": "docker.io/library/a:1"})
    assert image.layers == {digest(packed)}
    assert packed in written(image, set()).values()
