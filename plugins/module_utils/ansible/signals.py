"""Ctrl-C, an end from outside and a closed pipe, so that each ends a run in order.

ansible-core 2.19 gives a worker no chance: it passes SIGINT and SIGTERM on to its workers, each of which ends at once
(`WorkerProcess._term`), and ends itself. A worker of a parent that was killed goes on for as long as its task takes.
A parent whose standard output is gone waits for ever, as the thread that shows results has died of it. So

- a worker that has a run in hand tells the run to stop, and ends with its report (`heeded`); also when its parent died;
- a worker that has made what must go again leaves by an exception (`terminable`);
- the parent passes the signal on as before, but waits a while for its workers first (`await_workers`). What they say
  meanwhile is shown by the usual way, so it reaches AWX and log files too.

A second signal ends everything at once, as it always did.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ansible import constants
from ansible.utils.display import Display

from ..engine.interruption import Interruption

# How long the parent waits for its workers to say where they were and to give their Leases back.
FAREWELL_SECONDS = 15.0
_PARENT_SECONDS = 1.0
_FORWARDED = (signal.SIGINT, signal.SIGTERM)

display = Display()
Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def heeded(interruption: Interruption) -> Iterator[None]:
    """Within this, SIGINT and SIGTERM, and the death of the parent, tell ``interruption`` to stop the run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def tell(number: int, _frame: FrameType | None) -> None:
        restore()  # a second one ends the worker at once
        interruption.tell(signal.Signals(number).name)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in _FORWARDED:
        before[number] = signal.signal(number, tell)
    done = threading.Event()
    threading.Thread(target=_watch_parent, args=(interruption, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        restore()


@contextmanager
def terminable() -> Iterator[None]:
    """Within this, SIGINT and SIGTERM raise KeyboardInterrupt, so that what was made is removed on the way out.

    Told once: Ansible passes an interrupt on to its workers and then terminates them too, in the middle of the removal.
    """

    def leave(_number: int, _frame: FrameType | None) -> None:
        for number in _FORWARDED:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, leave) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_last(text: str) -> None:
    """Show why a run was stopped. Ansible then ends without looking at results, so this is all that is seen of it."""
    display.display(text, color=constants.config.get_config_value("COLOR_ERROR"), stderr=True)


def _watch_parent(interruption: Interruption, done: threading.Event) -> None:
    """A worker whose parent is gone has nobody to report to: it gives its Lease back and ends."""
    parent = os.getppid()
    while not done.wait(_PARENT_SECONDS):
        if os.getppid() != parent:
            interruption.tell("the end of ansible-playbook")
            done.wait(FAREWELL_SECONDS)
            os._exit(1)


def await_workers() -> None:
    """Let ansible-playbook wait for its workers before a signal ends it. To be called in the parent; else does nothing.

    Called where plugins are loaded: once in the parent, before it forks.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _FORWARDED:
        handler = signal.getsignal(number)
        if callable(handler) and type(getattr(handler, "__self__", None)).__name__ == "TaskQueueManager":
            signal.signal(number, _patient(handler))
            if signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN:
                signal.signal(signal.SIGPIPE, _end_of_output(os.getpid()))


def _patient(handler: Handler) -> Handler:
    """``handler`` of the parent, which ends it, after its workers had their time."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, handler)  # a second one is not waited for
        _farewell(number)
        _drain(handler)
        handler(number, frame)

    return handle


def _farewell(number: int) -> None:
    children = multiprocessing.active_children()
    for child in children:
        with contextlib.suppress(OSError):
            os.kill(child.pid or 0, number)
    deadline = time.monotonic() + FAREWELL_SECONDS
    for child in children:
        child.join(max(0.0, deadline - time.monotonic()))


def _drain(handler: Handler) -> None:
    """What the workers said last is still in Ansible's queue; SIGTERM would end the parent before it is shown."""
    queue = getattr(getattr(handler, "__self__", None), "_final_q", None)
    deadline = time.monotonic() + 1
    while queue is not None and not queue.empty() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)  # the last of it has been taken from the queue, and is being written
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()


def _end_of_output(parent: int) -> Handler:
    """Python ignores SIGPIPE; as it is no longer ignored here, a closed standard output is noticed."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        # Workers inherit this: their pipes and sockets fail with an error of their own, as ever.
        if os.getpid() != parent or not _closed(sys.__stdout__):
            return
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        _farewell(signal.SIGTERM)
        os.kill(parent, signal.SIGPIPE)

    return handle


def _closed(stream: Any) -> bool:
    """Whether nobody reads ``stream`` any more."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return False
