"""What is checked, by which command."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools import gates

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / ".artifacts"
_BIN = Path(sys.executable).parent
GATES = "tests/unit/manifests/test_gates.py"


@dataclass(frozen=True)
class Stage:
    """One line of the summary.

    `report` is the JUnit file that the command writes, for the numbers of its tests; without one the stage counts as
    one test. `missing` says why the stage cannot run here, and then it counts as skipped.
    """

    name: str
    command: tuple[str, ...]
    report: Path | None = None
    missing: str | None = None


def lint() -> list[Stage]:
    python = ("plugins", "tests", "tools")
    scripts = _shell_scripts()
    return [
        Stage("ruff check", (_tool("ruff"), "check", ".")),
        Stage("ruff format", (_tool("ruff"), "format", "--check", ".")),
        Stage("mypy", (_tool("mypy"), *(folder for folder in python if (ROOT / folder).exists()))),
        Stage("yamllint", (_tool("yamllint"), "--strict", ".")),
        Stage("ansible-lint", (_tool("ansible-lint"),)),
        Stage("shellcheck", (_tool("shellcheck"), *scripts)),
    ]


def test() -> list[Stage]:
    side_by_side = ("--numprocesses=2", "--dist=loadfile")  # they wait more than they work, each with a cluster
    return [
        *lint(),
        _pytest("unit", "--numprocesses=2", f"--ignore={GATES}"),
        *_gates(),
        Stage("cluster programs", (sys.executable, "-m", "tools.cluster", "programs")),
        _pytest("integration", *side_by_side),
        _pytest("faults", *side_by_side),
        *_image("reference-service"),
        *_image("backup"),
        _molecule("default"),
        *_kind(),
    ]


def matrix(*, quick: bool) -> list[Stage]:
    """What `make test-matrix` runs on each ansible-core and Python; ``quick`` leaves out the integration tests."""
    whole = [] if quick else [_pytest("integration", "--numprocesses=2", "--dist=loadfile")]
    programs = Stage("cluster programs", (sys.executable, "-m", "tools.cluster", "programs"))
    return [_pytest("unit", "--numprocesses=2", f"--ignore={GATES}"), programs, *whole, _molecule("default")]


def _kind() -> list[Stage]:
    """Real pods, as far as CI has time for them: `make test-kind` has the rest, or KIND_TESTS=all."""
    missing, report, which = _kind_obstacle(), ARTIFACTS / "kind.xml", os.environ.get("KIND_TESTS", "")
    if which not in {"", "all"}:
        raise SystemExit(f"error: KIND_TESTS is {which!r}: give all, or nothing for those that CI has time for")
    chosen = () if which else ("-m", "not slow")
    command = (sys.executable, "-m", "pytest", "tests/kind", *chosen, "-rP", "--quiet", "--durations=0")
    return [
        _molecule("kind", missing),
        Stage("kind tests", (*command, f"--junitxml={report}"), report, missing),
    ]


def _pytest(folder: str, *arguments: str) -> Stage:
    report = ARTIFACTS / f"{folder}.xml"
    return Stage(
        f"{folder} tests",
        (sys.executable, "-m", "pytest", f"tests/{folder}", "--quiet", f"--junitxml={report}", *arguments),
        report,
    )


def _gates() -> list[Stage]:
    """kube-score, checkov and nats-server over the golden manifests, in the versions that tools/gates pins."""
    report = ARTIFACTS / "gates.xml"
    named = (f"{variable}={path}" for variable, path in gates.programs().items())
    return [
        Stage("gate programs", (sys.executable, "-m", "tools.gates")),
        Stage(
            "manifest gates",
            ("env", "GATES=required", *named, sys.executable, "-m", "pytest", GATES, "-q", f"--junitxml={report}"),
            report,
        ),
    ]


def _image(name: str) -> list[Stage]:
    """Types and tests of images/<name>, with packages of its own; tests skip, and say so, where a server is missing."""
    folder, report = ROOT / "images" / name, ARTIFACTS / f"{name}.xml"
    tests = (str(folder / ".venv" / "bin" / "python"), "-m", "pytest", str(folder / "tests"), "--quiet")
    return [
        Stage(f"{name} types", ("make", "--no-print-directory", "-C", str(folder), "lint")),
        Stage(
            f"{name} tests",
            ("env", f"SCREENSHOTS={ARTIFACTS / 'screenshots'}", *tests, f"--junitxml={report}"),
            report,
        ),
    ]


def _molecule(scenario: str, missing: str | None = None) -> Stage:
    return Stage(f"molecule {scenario}", (_tool("molecule"), "test", "--scenario-name", scenario), missing=missing)


def _kind_obstacle() -> str | None:
    for program in ("docker", "kind"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "no Docker engine answers"
    return None


def _tool(name: str) -> str:
    """The program of .venv: a newer one elsewhere on PATH would judge differently."""
    return str(_BIN / name)


def _shell_scripts() -> list[str]:
    """The tracked files that start as shell scripts do."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and _is_shell(ROOT / name)]


def _is_shell(file: Path) -> bool:
    if not file.is_file() or file.suffix == ".j2":  # a template is no script yet
        return False
    with file.open("rb") as content:
        first = content.readline(80).strip()
    return first.startswith(b"#!") and first.split(b"/")[-1].split(b" ")[-1] in {b"sh", b"bash"}


def environment() -> dict[str, str]:
    """What stages run with: the tools of .venv first on PATH, nothing of the user's that leads to another cluster."""
    foreign = ("K8S_AUTH_", "KUBECONFIG", "ANSIBLE_", "CLUSTER_NAME", "CLUSTER_PROVIDER")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"PATH": f"{_BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
