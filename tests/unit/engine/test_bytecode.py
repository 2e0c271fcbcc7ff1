"""The engine is imported from bytecode, also by Ansible, whose importer keeps none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[sys.argv[1]])._install()
package = "ansible_collections.multi_agent.platform.plugins.module_utils"
__import__(f"{package}.ansible.bytecode")
__import__(f"{package}.engine.tier")
from importlib.machinery import SourceFileLoader
assert type(sys.modules[f"{package}.ansible.bytecode"].__spec__.loader) is not SourceFileLoader
spec = sys.modules[f"{package}.engine.tier"].__spec__
assert type(spec.loader) is SourceFileLoader, spec
print(spec.cached)
"""


def test_engine_comes_from_bytecode() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "collections")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).suffix == ".pyc"
