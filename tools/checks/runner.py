"""Runs stages one after another; one that fails does not hide the others."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .stages import ARTIFACTS, ROOT, Stage, environment


@dataclass(frozen=True)
class Result:
    stage: Stage
    seconds: float
    passed: int
    failed: int
    skipped: int

    def line(self) -> str:
        word = "FAILED" if self.failed else "skipped" if self.stage.missing else "ok"
        counts = f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped" if self.stage.report else ""
        return f"  {self.stage.name:<18} {word:<8} {self.seconds:7.1f} s  {self.stage.missing or counts}".rstrip()


def run(stages: list[Stage]) -> int:
    """Run all, print a summary whose last line has the totals; returns the exit code."""
    ARTIFACTS.mkdir(exist_ok=True)
    results = [_run(stage) for stage in stages]
    print("\nSummary")
    for result in results:
        print(result.line())
    passed, failed, skipped = (
        sum(getattr(result, name) for result in results) for name in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


def _run(stage: Stage) -> Result:
    print(f"\n==> {stage.name}", flush=True)
    if stage.missing:
        print(f"skipped: {stage.missing}")
        return Result(stage, 0.0, 0, 0, 1)
    if stage.report:
        stage.report.unlink(missing_ok=True)
    started = time.monotonic()
    code = _execute(stage)
    seconds = time.monotonic() - started
    if stage.report and stage.report.exists():
        return _from_report(stage, stage.report, seconds, code)
    return Result(stage, seconds, int(code == 0), int(code != 0), 0)


def _execute(stage: Stage) -> int:
    try:
        return subprocess.run(stage.command, cwd=ROOT, env=environment(), check=False).returncode
    except FileNotFoundError:
        print(f"{Path(stage.command[0]).name} is missing: run `make setup`")
        return 127


def _from_report(stage: Stage, report: Path, seconds: float, code: int) -> Result:
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314  # our own pytest wrote it
    tests = failed = skipped = 0
    for suite in suites:
        tests += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    passed = max(tests - failed - skipped, 0)
    return Result(stage, seconds, passed, failed or int(code != 0), skipped)
