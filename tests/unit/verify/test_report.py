"""The table and the JUnit file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.checks import failed, passed, skipped
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.report import (
    refuse_unwritable,
    summary,
    table,
    write_junit,
)

CHECKS = [
    passed("workloads", "Deployment web", "2 ready"),
    passed("policies", "web to brain", "open"),
    failed("policies", "brain to web", "is <open> & must be closed"),
    skipped("edge", "example.org", "no controller"),
]


def test_the_table_shows_the_matrix_and_of_its_pairs_only_findings() -> None:
    lines = table(CHECKS, ["from \\ to  web"], "policies")
    text = "\n".join(lines)
    assert [line for line in lines if line.isupper()] == ["WORKLOADS", "POLICIES", "EDGE"]
    assert "from \\ to" in text
    assert "brain to web  FAILED" in text
    assert "web to brain" not in text


def test_the_junit_file_counts_and_escapes(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "verify.xml"
    write_junit(file, "prod", CHECKS, 12.3)
    (suite,) = ET.parse(file).getroot()  # noqa: S314 - our own file
    assert {key: suite.attrib[key] for key in ("tests", "failures", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "skipped": "1",
    }
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"] == "is <open> & must be closed"
    assert summary(CHECKS, 12.3) == "2 passed, 1 failed, 1 skipped in 12 s"


def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "verify.xml"
    refuse_unwritable(file)
    assert not file.exists()
    write_junit(file, "prod", CHECKS, 12.3)
    before = file.read_bytes()
    refuse_unwritable(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("path", ["file/verify.xml", "file/deep/verify.xml", "folder"])
def test_one_that_cannot_is_a_sentence_with_the_remedy(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    says = rf"verify_junit = .*/{path} cannot be written: .*\.\nName a file"
    with pytest.raises(EngineError, match=says):
        refuse_unwritable(tmp_path / path)
    with pytest.raises(EngineError, match=says):
        write_junit(tmp_path / path, "prod", CHECKS, 12.3)
