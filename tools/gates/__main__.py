"""Provides the programs that judge manifests and prints a line NAME=path for each: `python -m tools.gates`.

Go programs are built from tools/gates/go.mod, checkov is installed into an environment of its own. Both are kept in the
cache, by the content of what pins them, and made only once.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tools.cluster.locks import folder_lock
from tools.gates import HERE, PACKAGES, folder, programs


def ensure() -> None:
    """Make what is missing. Raises CalledProcessError; what go or pip say of it goes to stderr."""
    if not shutil.which("go"):
        sys.exit("error: the manifest gates are built with Go, which is not installed: install it (https://go.dev/dl)")
    built, installed = folder("go.mod", "go.sum"), folder("requirements.txt")
    _once(built, "building kube-score and nats-server", _build)
    _once(installed, "installing checkov", _install)


def _once(target: Path, what: str, make: Callable[[Path], None]) -> None:
    done = target / ".complete"
    with folder_lock(target):
        if not done.exists():
            print(f"Once: {what}, into {target}", file=sys.stderr)
            make(target)
            done.touch()


def _build(target: Path) -> None:
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    for name, package in PACKAGES.items():
        command = ["go", "build", "-trimpath", "-mod=readonly", "-o", str(target / name), package]
        subprocess.run(command, cwd=HERE, env=environment, check=True)


def _install(target: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    subprocess.run([*pip, "--requirement", str(HERE / "requirements.txt")], stdout=sys.stderr, check=True)


if __name__ == "__main__":
    ensure()
    for variable, path in programs().items():
        print(f"{variable}={path}")
