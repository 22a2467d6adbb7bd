"""The blocks of an epoch on several threads, in an order that gives the bits of the serial one."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from queue import SimpleQueue
from threading import Event, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def thread_pool(n_threads: int) -> ThreadPoolExecutor | nullcontext[None]:
    """Return an executor to enter, or what gives None for one thread."""
    return ThreadPoolExecutor(n_threads, "factorate") if n_threads > 1 else nullcontext()


def _predecessors(order: list[int], n_columns: int) -> list[list[int]]:
    """Return, for each visit of an epoch, the earlier visits it has to wait for.

    A block follows the last block of its row band and the last of its column band; what else runs
    beside it cannot touch its rows, so any interleaving gives the bits of the serial order.
    """
    last_of_row: dict[int, int] = {}
    last_of_column: dict[int, int] = {}
    before = []
    for visit, block in enumerate(order):
        row, column = divmod(block, n_columns)
        before.append([last[key] for last, key in ((last_of_row, row), (last_of_column, column))
                       if key in last])  # fmt: skip
        last_of_row[row] = last_of_column[column] = visit
    return before


def run_blocks(
    pool: ThreadPoolExecutor,
    n_threads: int,
    order: list[int],
    n_columns: int,
    task: Callable[[int], float],
) -> list[float]:
    """Run the task on every block; whoever finishes one hands out those that waited for it."""
    before = _predecessors(order, n_columns)
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
