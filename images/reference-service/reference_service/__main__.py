"""python -m reference_service: plays the part that the environment names; with `migrate`, migrates its schema."""

from __future__ import annotations

import asyncio
import sys

from . import logs
from .lifecycle import serve
from .migrate import migrate
from .settings import Settings, SettingsError


def main() -> int:
    """The exit code: 0 after an orderly stop, 1 for a migration that failed, 2 for what makes no sense."""
    verb = sys.argv[1:]
    if verb not in ([], ["migrate"]):
        print(
            f"reference-service: {' '.join(verb)!r} is no command: give migrate, or nothing to serve", file=sys.stderr
        )
        return 2
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(f"reference-service: {error}", file=sys.stderr)
        return 2
    logs.configure(settings)
    if verb:
        return migrate(settings)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
