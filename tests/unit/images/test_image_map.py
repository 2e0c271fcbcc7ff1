"""The map that a build writes and an inventory reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.images import image_map

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def test_it_is_a_file_of_variables_and_is_written_only_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "group_vars" / "all" / "images.yml"
    references = {"tool": f"r.example.org/t:1@{ONE}", "agent": "multi-agent/agent:1"}
    assert image_map.write(file, references)
    assert yaml.safe_load(file.read_text()) == {"platform_images_built": references}
    assert image_map.read(file) == references
    assert not image_map.write(file, references)
    assert list(file.parent.iterdir()) == [file]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "images.yml"
    file.write_text("platform_images_built: {agent: mine:1}\n")
    with pytest.raises(EngineError, match="was not written by a build"):
        image_map.read(file)


def test_a_broken_file_is_said(tmp_path: Path) -> None:
    file = tmp_path / "images.yml"
    image_map.write(file, {"agent": "a:1"})
    file.write_text(file.read_text().replace("platform_images_built", "other"))
    with pytest.raises(EngineError, match="does not read as platform_images_built"):
        image_map.read(file)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"images_map = .* cannot be used"):
        image_map.write(tmp_path / "file" / "images.yml", {"agent": "a:1"})


def test_parts_that_were_not_built_stay_and_those_that_are_gone_go() -> None:
    old = {"agent": "a:1", "tool": "t:1", "gone": "g:1"}
    assert image_map.merged(old, {"agent": "a:2"}, ["agent", "tool", "new"]) == {"agent": "a:2", "tool": "t:1"}


def test_a_new_tag_of_the_same_image_restarts_nobody() -> None:
    old = {"agent": f"r.example.org:5000/a:1@{ONE}", "tool": f"r.example.org/t:1@{ONE}"}
    new = {"agent": f"r.example.org:5000/a:2@{ONE}", "tool": f"r.example.org/t:2@{TWO}"}
    merged = image_map.merged(old, new, ["agent", "tool"])
    assert merged == {"agent": old["agent"], "tool": new["tool"]}


def test_the_same_image_in_another_registry_is_another() -> None:
    old, new = {"agent": f"one.example.org/a:1@{ONE}"}, {"agent": f"two.example.org/a:1@{ONE}"}
    assert image_map.merged(old, new, ["agent"]) == new
