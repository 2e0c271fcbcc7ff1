"""Runs ansible-playbook and notes every millisecond where each of its processes is: python -m tests.bench.sampler ARGS.

Ansible forks a process a task, which profilers lose; this follows the forks. A sample is a line of JSON in the file
that $BENCH_SAMPLES names: process, seconds since the last sample, and the call stack from the inside out.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from types import FrameType

SAMPLES = "BENCH_SAMPLES"
STARTED = "BENCH_STARTED"
"""When the command was started (Unix time in seconds), so that the interpreter's own start is counted."""

_INTERVAL_SECONDS = 0.001
_DEPTH = 80


class Sampler:
    """A thread that looks at the other threads of its process, and at those of every process forked from it."""

    def __init__(self, file: str) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._task = ""

    def start(self, since: float) -> None:
        # A busy thread gives way only this often; the default of 5 ms would blur the picture.
        sys.setswitchinterval(0.0005)
        self._task = ""
        threading.Thread(target=self._run, args=(since,), name="sampler", daemon=True).start()

    def _run(self, last: float) -> None:
        own = threading.get_ident()
        main = threading.main_thread().ident
        while True:
            now = time.time()
            frames = {thread: frame for thread, frame in sys._current_frames().items() if thread != own}
            stacks = [self._stack(frames.pop(main))] if main in frames else []
            stacks += [self._stack(frame) for frame in frames.values()]
            self._write({"process": os.getpid(), "seconds": now - last, "task": self._task, "stacks": stacks})
            last = now
            time.sleep(_INTERVAL_SECONDS)

    def _stack(self, frame: FrameType | None) -> list[list[str]]:
        stack: list[list[str]] = []
        while frame and len(stack) < _DEPTH:
            code = frame.f_code
            stack.append([code.co_filename, code.co_name])
            if not self._task and code.co_name == "_run" and code.co_filename.endswith("executor/process/worker.py"):
                task = frame.f_locals["self"]._task
                self._task = f"{task.action} ({task._role.get_name() if task._role else 'playbook'})"
            frame = frame.f_back
        return stack

    def _write(self, sample: dict[str, object]) -> None:
        os.write(self._descriptor, (json.dumps(sample) + "\n").encode())


def main() -> None:
    sampler = Sampler(os.environ[SAMPLES])
    sampler.start(float(os.environ[STARTED]))
    os.register_at_fork(after_in_child=lambda: sampler.start(time.time()))
    from ansible.cli.playbook import main as ansible_playbook  # noqa: PLC0415 - its import is what is measured

    ansible_playbook(["ansible-playbook", *sys.argv[1:]])


if __name__ == "__main__":
    main()
