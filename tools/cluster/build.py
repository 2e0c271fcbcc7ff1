"""Builds the programs from the Go modules that tools/go.mod and go.sum pin."""

import os
import subprocess
from pathlib import Path

from .errors import ClusterError
from .paths import TOOLS
from .progress import Progress
from .recipe import PROGRAMS, Program, Versions


def go_version(go: str = "go") -> str | None:
    """What Go would build here, e.g. `go1.26.8`; None without a Go that suits go.mod."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"], cwd=TOOLS, capture_output=True, text=True, timeout=300, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def build(destination: Path, progress: Progress, tools: Path = TOOLS) -> None:
    """Build what is missing in `destination`. Each program appears whole or not at all, so that
    a killed build goes on where it was.

    Raises ClusterError with the end of the compiler's output.
    """
    destination.mkdir(parents=True, exist_ok=True)
    flags = Versions.read(tools).link_flags()
    for number, program in enumerate(PROGRAMS, start=1):
        if not (destination / program.name).exists():
            with progress.step(number, len(PROGRAMS), f"building {program.name}"):
                _build_one(program, destination, flags, tools)


def _build_one(program: Program, destination: Path, flags: str, tools: Path) -> None:
    unfinished = destination / f".{program.name}.unfinished"
    log = destination / f".{program.name}.log"
    command = [
        "go",
        "build",
        "-trimpath",
        "-mod=readonly",
        "-buildvcs=false",
        "-ldflags",
        flags,
        "-o",
        str(unfinished),
        program.package,
    ]
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    with log.open("w") as output:
        done = subprocess.run(command, cwd=tools, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        end = "\n".join(log.read_text().splitlines()[-15:])
        raise ClusterError(
            f"go could not build {program.name} ({program.package}):\n{end}\n"
            "Does `go env GOPROXY` name a proxy that answers, and is the disk full? "
            "Running the command again goes on with this program."
        )
    unfinished.replace(destination / program.name)
    log.unlink()
