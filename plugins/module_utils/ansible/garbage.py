"""Python's garbage collector in the processes that Ansible forks for tasks."""

from __future__ import annotations

import gc

# Walk the youngest objects after so many more of them, and hardly ever all: manifests and what the server says of them
# are millions of containers, none of them garbage before the task ends. The default (700) costs a tenth of a run.
_THRESHOLDS = (100_000, 20, 1000)


def rarely() -> None:
    """Leave what was inherited from Ansible alone (walking it takes 0.1 s and finds nothing), and look rarely."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
