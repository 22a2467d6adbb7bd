"""The blocks of an epoch on several threads, in an order that gives the bits of the serial one."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from queue import SimpleQueue
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Bands = tuple[int, int | None]

T = TypeVar("T")


def thread_pool(n_threads: int) -> ThreadPoolExecutor | nullcontext[None]:
    """Return an executor to enter, or what gives None for one thread."""
    return ThreadPoolExecutor(n_threads, "factorate") if n_threads > 1 else nullcontext()


def _predecessors(bands: list[Bands]) -> list[list[int]]:
    """Return, for each task of an epoch, the earlier tasks it has to wait for.

    A task follows the last task of its row band and the last of its column band; what else runs
    beside it cannot touch its rows, so any interleaving gives the bits of the serial order.
    """
    last_of_row: dict[int, int] = {}
    last_of_column: dict[int, int] = {}
    before = []
    for task, bands_of_task in enumerate(bands):
        earlier = []
        for last, band in zip((last_of_row, last_of_column), bands_of_task, strict=True):
            if band is not None:
                if band in last:
                    earlier.append(last[band])
                last[band] = task
        before.append(earlier)
    return before


def run_tasks(
    pool: ThreadPoolExecutor,
    n_threads: int,
    order: list[T],
    bands: list[Bands],
    task: Callable[[T], float],
) -> list[float]:
    """Run the task on everything in order; who finishes one hands out those that waited for it.

    Parameters
    ----------
    pool, n_threads
        The threads.
    order
        On what the task is run; the result is that of this order.
    bands
        Row band and column band that each of them touches; None where it touches no column.
    task
        What is done; it returns a squared error.
    """
    before = _predecessors(bands)
    waiting = [len(earlier) for earlier in before]
    after: list[list[int]] = [[] for _ in order]
    for visit, earlier_visits in enumerate(before):
        for earlier in earlier_visits:
            after[earlier].append(visit)
    results = [0.0] * len(order)
    ready: SimpleQueue[int | None] = SimpleQueue()
    lock = Lock()
    finished = itertools.count(1)

    def stop() -> None:
        for _ in range(n_threads):
            ready.put(None)

    def work() -> None:
        try:
            while not stopped.is_set() and (visit := ready.get()) is not None:
                results[visit] = task(order[visit])
                with lock:
                    for later in after[visit]:
                        waiting[later] -= 1
                        if waiting[later] == 0:
                            ready.put(later)
                    if next(finished) == len(order):
                        stop()
        except BaseException:
            stopped.set()
            stop()
            raise

    stopped = Event()
    for visit, n in enumerate(waiting):
        if n == 0:
            ready.put(visit)
    workers = [pool.submit(work) for _ in range(n_threads)]
    try:
        wait(workers)
    except BaseException:
        stopped.set()
        stop()
        wait(workers)
        raise
    for worker in workers:
        worker.result()
    return results
