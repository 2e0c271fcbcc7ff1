"""Imports of this collection from bytecode; importing this module is enough, and it has to be the first.

ansible-core compiles the source of a collection anew in each process that imports it (get_code of its
``_AnsibleCollectionPkgLoaderBase`` in 2.19). For the engine that is 0.08 s a run. Below ``module_utils`` modules are
found as Python finds any other, so that it keeps bytecode beside them where it may write there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

# The package module_utils, with a dot.
_BELOW = f"{__name__.rpartition('.')[0].rpartition('.')[0]}."


@cache
def _finder(folder: str) -> FileFinder:
    return FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES))


class _Finder:
    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As ``MetaPathFinder`` has it; None for what is not ours."""
        if not path or not name.startswith(_BELOW):
            return None
        found = (_finder(folder).find_spec(name, target) for folder in path)
        return next((spec for spec in found if spec), None)


sys.meta_path.insert(0, _Finder)
