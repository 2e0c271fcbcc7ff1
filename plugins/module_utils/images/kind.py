"""Images into the nodes of a kind cluster: what `kind load` does, but only where it is lacking, and all nodes at once.

`kind load` asks each node for the image by its id, one image after the other, and saves it to a file before it begins.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from ..engine.errors import EngineError
from .programs import ask, missing

# On the node's image: the id of the engine's image that it came from.
ID_LABEL = "multi-agent.platform/image-id"
_CTR = ("ctr", "--namespace=k8s.io", "images")


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


def load(on: Iterable[str], images: Mapping[str, str]) -> bool:
    """Nodes have the images (reference -> id in the engine). Whether one lacked any. Raises EngineError."""
    with ThreadPoolExecutor(8) as pool:
        return any(list(pool.map(lambda node: _into(node, images), on)))


def _into(node: str, images: Mapping[str, str]) -> bool:
    listed = ask(["docker", "exec", node, *_CTR, "ls"])
    if listed.returncode != 0:
        raise EngineError(f"Node {node} does not answer: {listed.stderr.strip()}.", "docker ps; kind get clusters")
    # One line an image, labels last: reference ... name=value,name=value
    there = {line.split()[0]: line for line in listed.stdout.splitlines() if line.strip()}
    for identity in dict.fromkeys(images.values()):
        wanted = [reference for reference, image in images.items() if image == identity]
        if all(f"{ID_LABEL}={identity}" in there.get(_full(reference), "") for reference in wanted):
            images = {reference: image for reference, image in images.items() if image != identity}
    for identity in dict.fromkeys(images.values()):
        _import(node, identity, [reference for reference, image in images.items() if image == identity])
    return bool(images)


def _import(node: str, identity: str, references: list[str]) -> None:
    """From the engine into the node, without a file between them."""
    command = ["docker", "exec", "--interactive", node, *_CTR, "import", "--all-platforms", "--snapshotter=overlayfs"]
    try:
        with subprocess.Popen(
            ["docker", "save", *references], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as saving:
            done = subprocess.run(
                [*command, f"--label={ID_LABEL}={identity}", "-"], stdin=saving.stdout, capture_output=True, check=False
            )
            fault = saving.stderr.read() if saving.stderr else b""
    except FileNotFoundError:
        raise missing("docker") from None
    if saving.returncode != 0 or done.returncode != 0:
        why = (fault + done.stderr).decode("utf-8", "replace").strip()
        raise EngineError(
            f"{', '.join(references)} could not be loaded into node {node}:\n{why}", "Is there room? docker system df"
        )


def _full(reference: str) -> str:
    """The reference as containerd keeps it: with the registry that Docker means where none is named."""
    first, slash, _ = reference.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    return reference if "." in first or ":" in first or first == "localhost" else f"docker.io/{reference}"
