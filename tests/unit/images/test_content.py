"""The content hash: what changes the image changes it, and nothing else does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.images.content import digest, files, holds
from ansible_collections.multi_agent.platform.plugins.module_utils.images.sources import Build

Make = Callable[..., Build]


def test_times_and_places_do_not_matter(build: Make, tmp_path: Path) -> None:
    first = build()
    before = digest(first)
    os.utime(first.context / "app.py", (1, 1))
    (first.context / "app.py").chmod(0o600)
    assert digest(first) == before
    copy = tmp_path / "elsewhere"
    shutil.copytree(first.context, copy)
    assert digest(replace(first, context=copy, dockerfile=copy / "Dockerfile")) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda context: (context / "app.py").write_text("print(1)\n"),
        lambda context: (context / "app.py").rename(context / "main.py"),
        lambda context: (context / "app.py").chmod(0o755),
        lambda context: (context / "app.py").unlink(),
        lambda context: (context / "Dockerfile").write_text("FROM scratch\n"),
        lambda context: (context / "link").symlink_to("app.py"),
        lambda context: (context / ".dockerignore").write_text("app.py\n"),
    ],
    ids=["edit", "rename", "executable", "removal", "Dockerfile", "link", "dockerignore"],
)
def test_what_the_builder_is_sent_matters(build: Make, change: Callable[[Path], object]) -> None:
    made = build()
    before = digest(made)
    change(made.context)
    assert digest(made) != before


def test_what_the_builder_is_told_matters(build: Make) -> None:
    told = [
        build(),
        build(args={"A": "1"}),
        build(args={"A": "2"}),
        build(target="x"),
        build(platforms=("linux/arm64",)),
    ]
    assert len({digest(made) for made in told}) == len(told)


def test_what_is_left_out_or_derived_does_not_matter(build: Make) -> None:
    made = build(derived=("wheels",))
    (made.context / ".dockerignore").write_text("*.log\n")
    before = digest(made)
    (made.context / "wheels").mkdir()
    (made.context / "wheels" / "a.whl").write_text("a")
    (made.context / "debug.log").write_text("a")
    assert digest(made) == before
    assert list(files(made)) == [".dockerignore", "Dockerfile", "app.py"]
    assert not holds(made, "debug.log")
    assert not holds(made, "wheels/a.whl")
    assert holds(made, "app.py")


def test_the_dockerfile_matters_even_where_it_is_left_out(build: Make) -> None:
    made = build()
    (made.context / ".dockerignore").write_text("*\n!app.py\n")
    before = digest(made)
    made.dockerfile.write_text("FROM scratch\n")
    assert digest(made) != before
    assert holds(made, "Dockerfile")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_named(build: Make) -> None:
    made = build()
    (made.context / "app.py").chmod(0)
    with pytest.raises(EngineError, match=r"app\.py cannot be read"):
        digest(made)
