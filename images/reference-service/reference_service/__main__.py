"""python -m reference_service: plays the part that the environment names."""

from __future__ import annotations

import asyncio
import sys

from . import logs
from .lifecycle import serve
from .settings import Settings, SettingsError


def main() -> int:
    """The exit code: 0 after an orderly stop, 2 for an environment that makes no sense."""
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(f"reference-service: {error}", file=sys.stderr)
        return 2
    logs.configure(settings)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
