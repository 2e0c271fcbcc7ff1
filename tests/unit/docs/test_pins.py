"""One version of a package, wherever it is named."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def test_the_execution_environment_has_what_requirements_pin() -> None:
    lines = (ROOT / "requirements.in").read_text().splitlines()
    pinned = {line.partition("#")[0].strip() for line in lines}
    dependencies = yaml.safe_load((ROOT / "execution-environment.yml").read_text())["dependencies"]
    assert dependencies["python"]
    assert {*dependencies["python"], dependencies["ansible_runner"]["package_pip"]} <= pinned
    locked = (ROOT / "requirements.txt").read_text()
    assert dependencies["ansible_core"]["package_pip"] in locked
