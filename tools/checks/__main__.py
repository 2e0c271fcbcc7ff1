"""The command line: python -m tools.checks lint|test|matrix|quick."""

import argparse
import sys
from collections.abc import Callable

from .runner import run
from .stages import Stage, lint, matrix, test


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.checks", description="Runs the project's checks and sums them up."
    )
    stages: dict[str, Callable[[], list[Stage]]] = {
        "lint": lint,
        "test": test,
        "matrix": lambda: matrix(quick=False),
        "quick": lambda: matrix(quick=True),
    }
    parser.add_argument("what", choices=tuple(stages))
    return run(stages[parser.parse_args().what]())


if __name__ == "__main__":
    sys.exit(main())
