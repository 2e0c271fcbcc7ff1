"""Images into the nodes of a kind cluster, side by side, and of each only the layers that a node lacks."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..engine.errors import EngineError
from . import archive
from .parallel import each
from .programs import ask, started

# Nodes at once.
_AT_ONCE = 8
# On the node's image: the id of the engine's image that it came from.
ID_LABEL = "multi-agent.platform/image-id"
_CTR = ("ctr", "--namespace=k8s.io")
_ROOM = "Is there room? docker system df"


def nodes(cluster: str) -> list[str]:
    """The node containers. Raises EngineError where there is no such cluster."""
    found = ask(["kind", "get", "nodes", "--name", cluster]).stdout.split()
    if not found:
        names = ask(["kind", "get", "clusters"]).stdout.split()
        raise EngineError(
            f"images_kind_cluster = {cluster}: kind has no such cluster. It has: {', '.join(names) or 'none'}.",
            f"make cluster CLUSTER_PROVIDER=kind CLUSTER_NAME={cluster}",
        )
    return found


def load(on: Sequence[str], images: Mapping[str, str]) -> bool:
    """Nodes have the images (reference -> id in the engine). Whether one lacked any. Raises EngineError."""
    listed = each(lambda node: _lacking(node, images), on, _AT_ONCE)
    lacking = {node: future.result() for node, future in zip(on, listed, strict=True)}
    wanted = sorted({reference for references in lacking.values() for reference in references})
    if not wanted:
        return False
    with tempfile.TemporaryDirectory(prefix="multi-agent-images.") as folder:
        file = Path(folder) / "images.tar"
        done = ask(["docker", "save", "--output", str(file), *wanted])
        if done.returncode != 0:
            raise EngineError(f"{', '.join(wanted)} could not be saved: {done.stderr.strip()}", _ROOM)
        saved = archive.read(file, {reference: _full(reference) for reference in wanted})
        in_need = [node for node in lacking if lacking[node]]
        for future in each(lambda node: _into(node, saved, lacking[node]), in_need, _AT_ONCE):
            future.result()
    return True


def _lacking(node: str, images: Mapping[str, str]) -> dict[str, str]:
    """Those of ``images`` that a node does not have, or has from another image of the engine."""
    listed = ask(["docker", "exec", node, *_CTR, "images", "ls"])
    if listed.returncode != 0:
        raise EngineError(f"Node {node} does not answer: {listed.stderr.strip()}.", "docker ps; kind get clusters")
    # One line an image, labels last: reference ... name=value,name=value
    there = {line.split()[0]: line for line in listed.stdout.splitlines() if line.strip()}
    return {
        reference: identity
        for reference, identity in images.items()
        if f"{ID_LABEL}={identity}" not in there.get(_full(reference), "")
    }


def _into(node: str, saved: archive.Saved, images: Mapping[str, str]) -> None:
    has = set(ask(["docker", "exec", node, *_CTR, "content", "ls", "--quiet"]).stdout.split())
    fault = _import(node, saved, has)
    if fault and has:
        fault = _import(node, saved, set())
    if fault:
        raise EngineError(f"{', '.join(sorted(images))} could not be loaded into node {node}:\n{fault}", _ROOM)
    for reference, identity in images.items():
        ask(["docker", "exec", node, *_CTR, "images", "label", _full(reference), f"{ID_LABEL}={identity}"])


def _import(node: str, saved: archive.Saved, without: set[str]) -> str:
    """Why it failed; empty where it did not."""
    command = ["docker", "exec", "--interactive", node, *_CTR, "images", "import", "--all-platforms"]
    with (
        tempfile.TemporaryFile() as said,
        started([*command, "--snapshotter=overlayfs", "-"], stdin=subprocess.PIPE, stdout=said, stderr=said) as running,
    ):
        try:
            if running.stdin is not None:
                saved.write(running.stdin, without)
                running.stdin.close()
        except BrokenPipeError:
            pass  # it has ended, and says why
        if running.wait() == 0:
            return ""
        said.seek(0)
        return said.read().decode("utf-8", "replace").strip() or f"exit code {running.returncode}"


def _full(reference: str) -> str:
    """The reference as containerd keeps it: with the registry that Docker means where none is named."""
    first, slash, _ = reference.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    return reference if "." in first or ":" in first or first == "localhost" else f"docker.io/{reference}"
