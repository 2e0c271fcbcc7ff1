"""What one change does, over a builder and playbooks that do as they are told."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.images.builder import Request, Result
from ansible_collections.multi_agent.platform.plugins.module_utils.images.sources import Build
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import pods

from tools.dev import loop, sync
from tools.dev.playbooks import PlaybookFailed
from tools.dev.screen import Screen

PART: dict[str, Any] = {
    "name": "agent",
    "object": "agent-service",
    "tier": "services",
    "sync": {"paths": {"src": "/app"}},
}


class Playbooks:
    """Those of a project with one part; ``fails`` are the next ends of site.yml."""

    def __init__(self) -> None:
        self.fails: list[bool] = []
        self.deployed = 0

    def describe(self) -> dict[str, Any]:
        request = {
            "parts": [PART],
            "references": {},
            "overridden": [],
            "others": [],
            "source_dir": "",
            "map": "",
            "environment": "local",
        }
        return {"request": request, "namespace": "ns", "connection": {}, "ports": []}

    def site(self, tags: list[str], _say: Any) -> None:
        assert tags == ["services"]
        if self.fails and self.fails.pop(0):
            raise PlaybookFailed(2)
        self.deployed += 1


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[bool]:
    """Whether each of the next builds makes another image."""
    changed: list[bool] = []
    build = Build("agent", ("agent",), ("agent",), tmp_path, tmp_path / "Dockerfile", "agent")

    class Builder:
        def __init__(self, *_: Any) -> None:
            pass

        def run(self) -> Result:
            return Result([], {}, changed=changed.pop(0), seconds={"build": 1.0, "load": 2.0})

    monkeypatch.setattr(loop, "Builder", Builder)
    monkeypatch.setattr(Request, "builds", lambda _self: [build])
    return changed


def test_what_was_built_and_not_deployed_is_deployed_by_the_next_change(builds: list[bool], tmp_path: Path) -> None:
    """The API is away when site.yml runs, and the file is saved again as it is."""
    playbooks: Any = Playbooks()
    playbooks.fails = [True, True]
    stream = io.StringIO()
    running = loop.Loop(playbooks, Screen(stream))
    cluster: Any = None  # no file of the change is copied

    def save(name: str, changed: bool) -> str:
        builds.append(changed)
        before = len(stream.getvalue())
        running._take_up(cluster, [tmp_path / name], 0.0)
        assert builds == []
        return stream.getvalue()[before:]

    assert "not running" in save("Dockerfile", True)
    assert "not running" in save("Dockerfile", False)
    assert playbooks.deployed == 0
    # The pods lack what was built: a copy into them would not be all.
    assert "running after" in save("src/main.py", False)
    assert playbooks.deployed == 1
    assert "the image is the same" in save("Dockerfile", False)
    assert "(build 1.0, load 2.0, deploy " in save("Dockerfile", True)
    assert playbooks.deployed == 2


def test_a_pod_that_came_a_moment_ago_gets_what_was_copied_before(
    builds: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop looks for new pods every second: a change may come first."""
    running = loop.Loop(cast("Any", Playbooks()), Screen(io.StringIO()))
    there = ["old"]
    given: dict[str, list[str]] = {}

    def of_part(*_: Any) -> list[dict[str, Any]]:
        return [{"metadata": {"name": name, "uid": name}, "status": {"phase": "Running"}} for name in there]

    def copy(_cluster: Any, _namespace: str, pod: dict[str, Any], _context: Path, files: dict[str, str]) -> None:
        given.setdefault(pod["metadata"]["uid"], []).extend(sorted(files))

    monkeypatch.setattr(pods, "of_part", of_part)
    monkeypatch.setattr(sync, "copy", copy)
    cluster: Any = None
    running._take_up(cluster, [tmp_path / "src/a.py"], 0.0)
    there.append("new")
    running._take_up(cluster, [tmp_path / "src/b.py"], 0.0)
    running._fill(cluster, running._watched[0], PART)
    assert given == {"old": ["src/a.py", "src/b.py"], "new": ["src/a.py", "src/b.py"]}
    # And one that came before the change, and that only the look for new pods finds.
    there.append("newest")
    running._fill(cluster, running._watched[0], PART)
    assert given["newest"] == ["src/a.py", "src/b.py"]
    assert builds == []
