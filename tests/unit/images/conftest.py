"""A folder of sources as users have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .support import commit, git

if TYPE_CHECKING:
    from ansible_collections.multi_agent.platform.plugins.module_utils.images.sources import Build


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Two services and a frontend, in a git repository with one commit."""
    root = tmp_path / "sources"
    for folder in ("services/agent", "services/tool", "frontend"):
        (root / folder).mkdir(parents=True)
        (root / folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        (root / folder / "app.py").write_text(f"print({folder!r})\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    commit(root)
    return root


@pytest.fixture
def build(sources: Path) -> Callable[..., Build]:
    """Makes the build of the agent; options as of Build."""
    # Not above: a conftest is read before Ansible has set its collections up.
    from ansible_collections.multi_agent.platform.plugins.module_utils.images.sources import Build  # noqa: PLC0415

    def make(**more: Any) -> Build:
        context = sources / "services" / "agent"
        fixed: dict[str, Any] = {
            "label": "agent",
            "names": ("agent",),
            "parts": ("agent",),
            "context": context,
            "dockerfile": context / "Dockerfile",
            "repository": "multi-agent/agent-service",
        }
        return Build(**fixed | more)

    return make
