"""The command line: python -m tools.matrix [CELL ...]"""

import argparse
import subprocess
import sys

from .cells import CELLS, ROOT, Cell


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.matrix",
        description="Runs unit, integration and Molecule tests on each supported ansible-core and Python.",
    )
    names = {cell.name: cell for cell in CELLS}
    parser.add_argument("cells", nargs="*", metavar="CELL", help=f"all by default, of: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="only unit tests and Molecule default")
    options = parser.parse_args()
    if unknown := sorted(set(options.cells) - set(names)):
        parser.error(f"there is no cell {', '.join(unknown)}; choose of {', '.join(names)}")
    outcomes = {name: _run(names[name], options.quick) for name in options.cells or names}
    print("\n".join(f"  {name:26} {outcome}" for name, outcome in outcomes.items()))
    return int("failed" in outcomes.values())


def _run(cell: Cell, quick: bool) -> str:
    interpreter = cell.interpreter()
    if interpreter is None:
        return f"skipped: there is no python{cell.python} on PATH or of pyenv"
    cell.install(interpreter)
    print(f"\n=== {cell.name}", flush=True)
    checks = (str(cell.venv / "bin" / "python"), "-m", "tools.checks", "quick" if quick else "matrix")
    return "failed" if subprocess.run(checks, cwd=ROOT, check=False).returncode else "ok"


if __name__ == "__main__":
    sys.exit(main())
