"""``python -m platform_backup <command>``: one container of a Job. Exit code 1 with a sentence where it fails."""

from __future__ import annotations

import sys
import traceback

from . import backing, listing, restoring
from .errors import BackupError
from .report import fail
from .settings import Settings

COMMANDS = {
    "backup": backing.run,
    "list": listing.run,
    "credentials": listing.show_credentials,
    "prepare": restoring.prepare,
    "restore": restoring.restore,
    "drill": restoring.drill,
}


def main(arguments: list[str]) -> int:
    """Run one command; its exit code."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m platform_backup {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        COMMANDS[arguments[0]](Settings.of_process())
    except BackupError as error:
        fail(error.message, error.remedy)
        return 1
    except Exception as error:  # a fault of ours: where it is belongs into the log, what it is to whoever waits
        traceback.print_exc()
        fail(
            f"{arguments[0]}: {type(error).__name__}: {error}", "Nobody foresaw this; the pod's log says where it was."
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
