"""What the pages are made of: documentation as ansible-doc gives it, and the roles' defaults files."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
COLLECTION = "multi_agent.platform"
# The shared role first, then the tiers in the order of site.yml.
ROLES = (
    "platform",
    "namespace",
    "netpol",
    "datastores",
    "nats",
    "backup",
    "services",
    "frontend",
    "ingress",
    "images",
    "dev",
)

_RULE = re.compile(r"# -{20,}")
_KEY = re.compile(r"([a-z][a-z0-9_]*):")


def documentation(kind: str, names: Iterable[str]) -> dict[str, Any]:
    """Short name -> what ``ansible-doc --type kind --json`` says: fragments merged, all options complete."""
    full = [f"{COLLECTION}.{name}" for name in names]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-doc"), "--type", kind, "--json", *full],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"ansible-doc --type {kind} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return {name.rpartition(".")[2]: found[name] for name in full}


@dataclass
class Default:
    """A variable in a role's defaults file: its value, how the file writes it, and the example in its comment."""

    name: str
    value: Any
    text: str
    example: str = ""


@dataclass
class Section:
    """What stands between two banners of a defaults file; the banner's first line is the title, the others a note."""

    title: str
    note: str = ""
    defaults: list[Default] = field(default_factory=list)


def sections(role: str) -> list[Section]:
    """The defaults file of a role as its readers see it."""
    text = (ROOT / "roles" / role / "defaults" / "main.yml").read_text()
    values = yaml.safe_load(text)
    lines = text.splitlines()
    found: list[Section] = []
    comment: list[str] = []
    for number, line in enumerate(lines):
        if _RULE.fullmatch(line):
            if number + 2 < len(lines) and _RULE.fullmatch(lines[number + 2]):
                found.append(Section(lines[number + 1].removeprefix("# ")))
            comment = []
        elif line.startswith("#"):
            comment.append(line[1:].removeprefix(" "))
        elif match := _KEY.match(line):
            name = match[1]
            found[-1].defaults.append(Default(name, values[name], _as_written(lines[number:]), _example(name, comment)))
            comment = []
        elif not line and comment:
            if not found[-1].defaults:
                found[-1].note = " ".join(comment).removeprefix(found[-1].title).strip()
            comment = []
    return found


def _as_written(lines: list[str]) -> str:
    """The first of ``lines`` and what is indented below it."""
    end = next((number for number, line in enumerate(lines) if number and not line.startswith(" ")), len(lines))
    return "\n".join(lines[:end])


def _example(name: str, comment: list[str]) -> str:
    """YAML that sets ``name`` as the comment's example does; empty where the comment has none."""
    for number, line in enumerate(comment):
        if line.startswith("Example:"):
            value = line.removeprefix("Example:").strip()
            below = [part for part in comment[number + 1 :] if part.startswith("  ")]
            return f"{name}: {value}" if value else "\n".join([f"{name}:", *below])
    return ""
