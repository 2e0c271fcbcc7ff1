"""The command line: python -m tools.checks lint|test."""

import argparse
import sys

from .runner import run
from .stages import lint, test


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.checks", description="Runs the project's checks and sums them up."
    )
    parser.add_argument("what", choices=("lint", "test"))
    return run(lint() if parser.parse_args().what == "lint" else test())


if __name__ == "__main__":
    sys.exit(main())
