"""The cells of the matrix, and the virtual environment of each."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from os import environ
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements.txt"
# ansible-core X.Y -> the pins that replace those of requirements.txt.
# https://docs.ansible.com/ansible/latest/reference_appendices/release_and_maintenance.html
CORES = {
    "2.19": {"ansible": "12.3.0", "ansible-core": "2.19.14"},
    "2.20": {"ansible": "13.8.0", "ansible-core": "2.20.10"},
    "2.21": {"ansible": "14.5.0", "ansible-core": "2.21.5"},
}
# ansible-core 2.20 and later need Python 3.12 on the controller.
PYTHONS = {"2.19": ("3.11", "3.12", "3.13"), "2.20": ("3.12", "3.13"), "2.21": ("3.12", "3.13")}

_PIN = re.compile(r"^([a-zA-Z0-9._-]+)==([^ \\]+)( ; [^\\]*)?", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """One ansible-core with one Python, both as X.Y."""

    core: str
    python: str

    @property
    def name(self) -> str:
        return f"core-{self.core}-python-{self.python}"

    @property
    def venv(self) -> Path:
        return ROOT / ".matrix" / self.name

    def interpreter(self) -> str | None:
        """A Python of this version on PATH or of pyenv, None if there is none."""
        found = shutil.which(f"python{self.python}")
        of_pyenv = Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
        for candidate in ([found] if found else []) + sorted(map(str, of_pyenv.glob(f"{self.python}.*/bin/python"))):
            if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                return candidate
        return None

    def requirements(self) -> str:
        """The pins of requirements.txt, those of Ansible replaced. Without hashes, as these have other files."""
        pins = {name: (version, condition or "") for name, version, condition in _PIN.findall(REQUIREMENTS.read_text())}
        pins |= {name: (version, "") for name, version in CORES[self.core].items()}
        return "".join(f"{name}=={version}{condition}\n" for name, (version, condition) in pins.items())

    def install(self, interpreter: str) -> None:
        """Make the virtual environment, unless it holds these packages already."""
        wanted, installed = self.requirements(), self.venv / "requirements.txt"
        if installed.is_file() and installed.read_text() == wanted:
            return
        print(f"{self.name}: installing", flush=True)
        subprocess.run([interpreter, "-m", "venv", "--clear", self.venv], check=True)
        pending = self.venv / "pending.txt"
        pending.write_text(wanted)
        pip = (str(self.venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([*pip, "--requirement", str(pending)], check=True)
        pending.rename(installed)


CELLS = tuple(Cell(core, python) for core in CORES for python in PYTHONS[core])
