"""Golden manifests: what each case of cases.yml renders to, one file a tier. The playbook that users run makes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
MANIFESTS = GOLDEN / "manifests"
CASES: dict[str, dict[str, Any]] = yaml.safe_load((GOLDEN / "cases.yml").read_text())
# Where every tier is kept: what looks at a platform as a whole looks at these.
WHOLE = [name for name, case in CASES.items() if "tiers" not in case]


def render(name: str) -> dict[str, str]:
    """Tier -> YAML text of a case. Raises RuntimeError with the playbook's output where it fails."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        extra = json.dumps({**case.get("vars", {}), "platform_render_to": folder})
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i", str(ROOT / "inventories" / case["inventory"]),
            str(ROOT / "playbooks" / "render.yml"),
            "-e", f"@{GOLDEN / 'images.yml'}",
            "-e", f"@{GOLDEN / 'credentials.yml'}",
            "-e", extra,
        ]  # fmt: skip
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"{name} does not render:\n{run.stdout[-4000:]}\n{run.stderr[-2000:]}")
        texts = {
            tier: "".join(file.read_text() for file in sorted((Path(folder) / tier).glob("*.yaml")))
            for tier in case.get("tiers") or sorted(path.name for path in Path(folder).iterdir())
        }
        return {tier: text for tier, text in texts.items() if text}  # a tier may have nothing to declare


def render_all(names: list[str]) -> dict[str, dict[str, str]]:
    """Case -> tier -> text, two cases at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(render, names), strict=True))


def stored(name: str) -> dict[str, str]:
    """Tier -> text as it is kept."""
    return {file.stem: file.read_text() for file in sorted((MANIFESTS / name).glob("*.yaml"))}


def load(name: str) -> list[dict[str, Any]]:
    """The objects of a case as they are kept."""
    return [obj for text in stored(name).values() for obj in yaml.safe_load_all(text) if obj]
