"""Jobs that run programs, side by side."""

from __future__ import annotations

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
            end_until(lambda: all(future.done() for future in futures))
            raise
    return futures
