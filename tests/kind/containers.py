"""Containers beside the nodes of a kind cluster, in their network."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .platform import Platform

ENGINE = os.environ.get("KIND_EXPERIMENTAL_PROVIDER", "docker")


def engine(*arguments: str, stdin: str = "") -> str:
    """The output of a command of the container engine. Raises where it fails."""
    return subprocess.run([ENGINE, *arguments], input=stdin, capture_output=True, text=True, check=True).stdout


def nodes(platform: Platform) -> list[str]:
    """The nodes' containers."""
    return [node["metadata"]["name"] for node in platform.get("nodes")["items"]]


@contextmanager
def beside(platform: Platform, name: str, image: str, script: str, *options: str) -> Iterator[str]:
    """Run ``script``, a file of this folder, with the Python of ``image``; gives the container's address."""
    container, file = f"{platform.name}-{name}", Path(__file__).with_name(script)
    engine("rm", "--force", "--volumes", container)
    engine(
        "run", "--detach", "--name", container, "--network", "kind", "--user", "0", "--entrypoint", "python3",
        "--volume", f"{file}:/script.py:ro", *options, image, "/script.py",
    )  # fmt: skip
    try:
        yield engine("inspect", "--format={{.NetworkSettings.Networks.kind.IPAddress}}", container).strip()
    except BaseException:
        print(engine("logs", container))
        raise
    finally:
        engine("rm", "--force", "--volumes", container)
