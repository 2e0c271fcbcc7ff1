"""The report: a table for people, a JUnit file for machines."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from ..engine.errors import EngineError
from .checks import Check, Outcome

_MARK = {Outcome.PASSED: "ok", Outcome.FAILED: "FAILED", Outcome.SKIPPED: "skipped"}


def table(checks: Sequence[Check], matrix: Sequence[str], matrix_group: str) -> list[str]:
    """Lines for people: each group; in the place of ``matrix_group``'s many lines its own table and its findings."""
    lines: list[str] = []
    for group, found in groupby(checks, key=lambda check: check.group):
        members = list(found)
        lines += ["", group.upper()]
        if group == matrix_group:
            lines += [f"  {line}" for line in matrix]
            members = [check for check in members if check.outcome is Outcome.FAILED]
        width = max((len(check.name) for check in members), default=0)
        lines += [f"  {check.name:<{width}}  {_MARK[check.outcome]:<7}  {check.message}".rstrip() for check in members]
    return lines


def summary(checks: Sequence[Check], seconds: float) -> str:
    count = {outcome: sum(check.outcome is outcome for check in checks) for outcome in Outcome}
    return (
        f"{count[Outcome.PASSED]} passed, {count[Outcome.FAILED]} failed, {count[Outcome.SKIPPED]} skipped "
        f"in {seconds:.0f} s"
    )


def refuse_unwritable(file: Path) -> None:
    """Before the work whose report it is to hold. Raises EngineError; leaves nothing but the folder."""
    with _written(file):
        there = file.exists()
        file.open("ab").close()
        if not there:
            file.unlink()


@contextmanager
def _written(file: Path) -> Iterator[None]:
    """Its folder is there."""
    try:
        if not file.parent.exists():  # else a file in its place would be said to exist
            file.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise EngineError(
            f"verify_junit = {file} cannot be written: {error.strerror}.",
            "Name a file in a folder that this user may write, or leave it empty for none.",
        ) from None


def write_junit(file: Path, suite: str, checks: Sequence[Check], seconds: float) -> None:
    """One testsuite; classname is the group. https://github.com/testmoapp/junitxml Raises EngineError."""
    suites = ET.Element("testsuites")
    root = ET.SubElement(
        suites,
        "testsuite",
        name=suite,
        tests=str(len(checks)),
        failures=str(sum(check.outcome is Outcome.FAILED for check in checks)),
        skipped=str(sum(check.outcome is Outcome.SKIPPED for check in checks)),
        errors="0",
        time=f"{seconds:.2f}",
    )
    for check in checks:
        case = ET.SubElement(
            root, "testcase", classname=f"{suite}.{check.group}", name=check.name, time=f"{check.seconds:.2f}"
        )
        if check.outcome is Outcome.FAILED:
            ET.SubElement(case, "failure", message=check.message)
        elif check.outcome is Outcome.SKIPPED:
            ET.SubElement(case, "skipped", message=check.message)
        elif check.message:
            ET.SubElement(case, "system-out").text = check.message
    tree = ET.ElementTree(suites)
    ET.indent(tree)
    with _written(file):
        tree.write(file, encoding="utf-8", xml_declaration=True)
