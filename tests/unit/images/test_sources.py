"""From the catalogue and a folder of sources to builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.images.sources import Build, builds

from .support import part

PARTS = [part("agent"), part("tool"), part("frontend")]


def of(parts: list[dict[str, Any]], source_dir: Path | str, **more: Any) -> list[Build]:
    references = more.pop(
        "references", {"agent": "multi-agent/agent-service:1.0.0", "tool": "r.example.org/tool:1.0.0"}
    )
    return builds(parts, references, source_dir=str(source_dir), registry=more.pop("registry", ""), **more)


def test_folders_and_repositories_follow_from_the_catalogue(sources: Path) -> None:
    found = of(PARTS, sources, registry="registry.example.org/team")
    assert [(b.label, b.context.relative_to(sources).as_posix(), b.repository) for b in found] == [
        ("agent", "services/agent", "registry.example.org/team/multi-agent/agent-service"),
        ("frontend", "frontend", "registry.example.org/team/multi-agent/frontend"),
        ("tool", "services/tool", "r.example.org/tool"),
    ]


def test_an_entry_says_how_it_is_built(sources: Path) -> None:
    how = {"context": "services", "dockerfile": "agent/Dockerfile", "args": {"A": "1"}, "target": "run"}
    (made,) = of([part("agent", build=how)], sources, platforms=["linux/amd64"])
    assert (made.context, made.dockerfile) == (sources / "services", sources / "services" / "agent" / "Dockerfile")
    assert (made.args, made.target, made.platforms) == ({"A": "1"}, "run", ("linux/amd64",))


def test_platforms_of_an_entry_win(sources: Path) -> None:
    (made,) = of([part("agent", build={"platforms": ["linux/arm64"]})], sources, platforms=["linux/amd64"])
    assert made.platforms == ("linux/arm64",)


def test_parts_that_share_an_image_share_a_build(sources: Path) -> None:
    (made,) = of([part("agent"), part("worker", image="agent")], sources, chosen=["worker"])
    assert (made.names, made.parts) == (("agent",), ("agent", "worker"))


def test_without_sources_the_reference_service_plays_the_chosen_parts() -> None:
    (made,) = of(PARTS, "", chosen=["agent-service", "frontend"])
    assert (made.names, made.repository) == (("agent", "frontend"), "multi-agent/reference-service")
    assert made.dockerfile.is_file()


def test_images_of_this_project_come_after_the_parts_or_alone(sources: Path) -> None:
    assert [made.label for made in of(PARTS, sources, own=["backup"])] == ["agent", "frontend", "tool", "backup"]
    assert [made.label for made in of(PARTS, sources, own=["backup"], chosen=["tool"])] == ["tool"]
    (made,) = of(PARTS, "", own=["backup"], chosen=["backup"], registry="registry.example.org/team")
    assert (made.names, made.parts) == (("backup",), ())
    assert made.repository == "registry.example.org/team/multi-agent/backup"
    assert made.dockerfile.is_file()


def test_an_unknown_part_is_refused_with_the_nearest(sources: Path) -> None:
    with pytest.raises(EngineError, match='Did you mean "agent"'):
        of(PARTS, sources, chosen=["agnet"])


def test_a_folder_that_there_is_not_is_refused(sources: Path) -> None:
    with pytest.raises(EngineError, match="there is no such folder"):
        of(PARTS, sources / "nowhere")


def test_every_missing_dockerfile_and_folder_is_named(sources: Path) -> None:
    (sources / "services" / "agent" / "Dockerfile").unlink()
    with pytest.raises(EngineError) as refused:
        of([*PARTS, part("memory")], sources)
    assert f"agent: there is no {sources / 'services' / 'agent' / 'Dockerfile'}" in str(refused.value)
    assert f"memory: there is no folder {sources / 'services' / 'memory'}" in str(refused.value)
    assert "images_parts" in str(refused.value)
