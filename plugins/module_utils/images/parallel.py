"""Jobs that run programs, side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from .programs import end_until

Item = TypeVar("Item")
T = TypeVar("T")


def each(job: Callable[[Item], T], items: Iterable[Item], at_once: int) -> list[Future[T]]:
    """What became of the job of each item, in their order, when all have ended.

    Interrupted, no further job begins, and the programs of those that run are ended.
    """
    futures: list[Future[T]] = []
    with ThreadPoolExecutor(max(1, at_once)) as pool:
        try:
            futures += [pool.submit(job, item) for item in items]
            wait(futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # Interrupted while jobs were handed over, `futures` does not have those that run: the pool knows them.
            ending = threading.Thread(target=pool.shutdown)
            ending.start()
            end_until(lambda: not ending.is_alive())
            raise
    return futures
