"""The command line: python -m tools.docs [--check]."""

import argparse
import sys

from .pages import pages
from .sources import DOCS


def main() -> int:
    """Write what differs, or with --check only name it; 1 where a page was stale."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description="Writes what is made of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is stale")
    check = parser.parse_args().check
    wanted = pages()
    stale = [name for name, text in wanted.items() if not _holds(name, text)]
    made = (file.relative_to(DOCS).as_posix() for file in (DOCS / "reference").glob("*.md"))
    left_over = sorted(set(made) - set(wanted))
    for name in [*stale, *left_over]:
        print(f"docs/{name} {'is stale' if check else 'is renewed' if name in wanted else 'is removed'}")
    if check:
        return 1 if stale or left_over else 0
    for name in stale:
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(wanted[name])
    for name in left_over:
        (DOCS / name).unlink()
    return 0


def _holds(name: str, text: str) -> bool:
    file = DOCS / name
    return file.is_file() and file.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
