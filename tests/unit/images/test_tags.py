"""The tag policies, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.images.sources import Build
from ansible_collections.multi_agent.platform.plugins.module_utils.images.tags import tag

from .support import commit, git

Make = Callable[..., Build]


def test_content_leaves_the_tag_to_each_image(build: Make) -> None:
    assert tag("content", "", [build()]) == ""


def test_commit_is_that_of_the_sources(build: Make, sources: Path) -> None:
    assert tag("commit", "", [build()]) == git(sources, "rev-parse", "--short=12", "HEAD")


def test_commit_refuses_a_dirty_tree_and_names_the_files(build: Make, sources: Path) -> None:
    made = build()
    (made.context / "app.py").write_text("changed")
    (made.context / "new file.py").write_text("new")
    git(sources, "mv", "services/agent/Dockerfile", "services/agent/Containerfile")
    with pytest.raises(EngineError) as refused:
        tag("commit", "", [made])
    said = str(refused.value)
    assert "- services/agent/app.py" in said
    assert "- services/agent/new file.py" in said
    assert "- services/agent/Containerfile" in said
    assert "images_tag_policy: content" in said


def test_commit_does_not_mind_what_is_in_no_image(build: Make, sources: Path) -> None:
    made = build()
    (made.context / ".dockerignore").write_text("*.log\n")
    git(sources, "add", ".")
    expected = commit(sources)
    (made.context / "debug.log").write_text("x")
    (sources / "services" / "tool" / "app.py").write_text("another part")
    (sources / "README.md").write_text("x")
    assert tag("commit", "", [made]) == expected


def test_commit_names_a_few_of_many(build: Make) -> None:
    made = build()
    for number in range(14):
        (made.context / f"{number:02}.py").write_text("x")
    with pytest.raises(EngineError, match="and 4 more"):
        tag("commit", "", [made])


def test_commit_needs_a_commit(build: Make, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(EngineError, match="has no commit for the tag"):
        tag("commit", "", [build(context=tmp_path / "plain", dockerfile=tmp_path / "plain" / "Dockerfile")])


@pytest.mark.parametrize("given", ["1.4.0", "v1_2-rc.1", "a" * 128])
def test_given(build: Make, given: str) -> None:
    assert tag("given", given, [build()]) == given


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "and no tag was"),
        ("latest", "is refused"),
        ("a b", "is no tag"),
        (".x", "is no tag"),
        ("a" * 129, "is no tag"),
    ],
)
def test_given_refuses(build: Make, given: str, why: str) -> None:
    with pytest.raises(EngineError, match=why):
        tag("given", given, [build()])


def test_content_refuses_a_tag_beside_it(build: Make) -> None:
    with pytest.raises(EngineError, match="has no use"):
        tag("content", "1.0", [build()])


def test_no_build_needs_no_commit() -> None:
    assert tag("commit", "", []) == ""
