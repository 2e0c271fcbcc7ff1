"""python -m reference_service.reload: the service, started anew whenever one of its files changes. For `make dev`.

A version that cannot start leaves this process up: the next change is the way out, not a new container.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

FOLDER = Path(__file__).parent
LOOK_SECONDS = 0.3
SERVICE = (sys.executable, "-m", "reference_service")


def snapshot() -> dict[Path, tuple[int, int]]:
    """Time and size of every file of the package."""
    found = {}
    for file in FOLDER.rglob("*"):
        if "__pycache__" not in file.parts and file.is_file():
            state = file.stat()
            found[file] = (state.st_mtime_ns, state.st_size)
    return found


def main() -> int:
    """Until SIGTERM or SIGINT, which the service gets too; its exit code then."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    signal.signal(signal.SIGINT, lambda *_: ending.set())
    # Nobody waits for the old version here: preStop alone keeps the pod serving while endpoints forget it.
    environment = {**os.environ, "DRAIN_SECONDS": "0"}
    files = snapshot()
    service = subprocess.Popen(SERVICE, env=environment)
    while not ending.wait(LOOK_SECONDS):
        if (now := snapshot()) != files:
            files = now
            service.terminate()
            service.wait()
            service = subprocess.Popen(SERVICE, env=environment)
    service.terminate()
    return service.wait()


if __name__ == "__main__":
    sys.exit(main())
