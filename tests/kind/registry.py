"""A registry beside the nodes from which images load slowly."""

from __future__ import annotations

import secrets
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .containers import beside, engine, nodes
from .platform import Platform

PORT = 5000


@contextmanager
def slow_registry(platform: Platform, images: Mapping[str, tuple[str, float]], python: str) -> Iterator[dict[str, str]]:
    """References by name of images that this machine's engine has: ``images`` is {name: (image, seconds to load it)}.

    ``python`` is an image with Python 3.11 or newer, for the registry itself.
    """
    with TemporaryDirectory(prefix="registry-") as folder:
        for name, (image, seconds) in images.items():
            _save(image, Path(folder) / name)
            (Path(folder) / name / "seconds").write_text(str(seconds))
        volume = ("--volume", f"{folder}:/images:ro")
        with beside(platform, "registry", python, "registry_server.py", *volume) as address:
            registry = f"{address}:{PORT}"
            for node in nodes(platform):
                _trust(node, registry)
            _until_it_answers(nodes(platform)[0], registry)
            tag = secrets.token_hex(4)  # any will do: nodes keep what they had of an earlier one
            yield {name: f"{registry}/{name}:{tag}" for name in images}


def _until_it_answers(node: str, registry: str) -> None:
    """It reads all images before it listens. Asked from a node: the nodes' network may be out of reach from here."""
    door = registry.replace(":", "/")
    command = f"until (: < /dev/tcp/{door}) 2> /dev/null; do sleep 0.5; done"
    engine("exec", node, "timeout", "90", "bash", "-c", command)


def _save(image: str, folder: Path) -> None:
    archive = folder.with_suffix(".tar")
    engine("save", "--output", str(archive), image)
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    archive.unlink()


def _trust(node: str, registry: str) -> None:
    """Let a node's containerd talk plain HTTP to a registry."""
    folder = f"/etc/containerd/certs.d/{registry}"
    host = f'server = "http://{registry}"\n\n[host."http://{registry}"]\n  capabilities = ["pull", "resolve"]\n'
    engine("exec", node, "mkdir", "-p", folder)
    engine("exec", "--interactive", node, "cp", "/dev/stdin", f"{folder}/hosts.toml", stdin=host)
