"""Helpers of the tests here: git as a user runs it, and parts as the catalogue makes them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any


def git(root: Path, *arguments: str) -> str:
    """The output of git in ``root``."""
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(["git", "-C", str(root), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(root: Path) -> str:
    """Commit everything that is added; the commit as tags have it."""
    git(root, "commit", "--quiet", "--message", "one", "--allow-empty")
    return git(root, "rev-parse", "--short=12", "HEAD")


def part(name: str, **more: Any) -> dict[str, Any]:
    """A part as the catalogue's model has it."""
    tier = "frontend" if name == "frontend" else "services"
    how = {"context": "", "dockerfile": "Dockerfile", "args": {}, "target": "", "platforms": []}
    return {
        "name": name,
        "object": name if tier == "frontend" else f"{name}-service",
        "tier": tier,
        "image_name": more.pop("image", name),
        "build": how | more.pop("build", {}),
        "sync": {},
        **more,
    }
