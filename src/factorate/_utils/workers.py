"""Workers: threads that run tasks with the result of running them in order on one thread.

The calling thread works as well. Where no other can be started, for lack of memory or because the
interpreter is ending, it does all the work.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from factorate._utils.helper_thread import POLL_SECONDS, HelperThread, call_to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Bands = tuple[int, int | None]  # row band and column band that a task changes

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Workers:
    """A number of threads, one of which is the calling one.

    No call returns or raises while a thread still works for it, however often KeyboardInterrupt is
    raised meanwhile.

    Attributes
    ----------
    n_threads : int, default=1
        Maximum number of threads.

    Examples
    --------
    >>> Workers(2).map(abs, [-1, 2, -3])
    [1, 2, 3]
    """

    n_threads: int = 1

    def map(self, function: Callable[[T], R], entries: Iterable[T]) -> list[R]:
        """Call a function on every entry, and return the results in order."""
        tasks = list(entries)
        independent = Dependencies([(number, None) for number in range(len(tasks))])
        return self._run(tasks, independent, function)

    def run_tasks(
        self, tasks: Sequence[T], dependencies: Dependencies, run: Callable[[T], R]
    ) -> list[R]:
        """Run every task; the result is that of running them in order on one thread.

        Parameters
        ----------
        tasks : sequence
            The tasks in their order.
        dependencies : Dependencies
            Which tasks have to wait for which. All others may run at the same time. A thread
            prefers the next task in the row band of its last one, whose parameters are in its
            cache, and else takes the first task that is ready.
        run : callable
            Runs one task.

        Returns
        -------
        list
            What `run` returned for each task, in order.
        """
        return self._run(tasks, dependencies, run)

    def _run(
        self, tasks: Sequence[T], dependencies: Dependencies, run: Callable[[T], R]
    ) -> list[R]:
        n_helpers = min(self.n_threads, len(tasks)) - 1
        if n_helpers < 1:
            return [run(task) for task in tasks]
        queue = _Queue(tasks, dependencies, run)
        helpers = [HelperThread(queue.work) for _ in range(n_helpers)]

        def work() -> None:
            for helper in helpers:
                if not helper.start():
                    break
            queue.work()
            stop_and_wait()

        def stop_and_wait() -> None:
            queue.stop()
            for helper in helpers:
                helper.cancel_or_join()

        call_to_the_end(work, stop_and_wait, (KeyboardInterrupt, MemoryError))
        if queue.error is not None:
            raise queue.error
        return queue.results


@dataclass(frozen=True)
class Dependencies:
    """Which tasks have to wait for which.

    A task starts when the last task before it in its row band and the last in its column band have
    ended. What follows from the bands is computed once, when several threads first need it.

    Attributes
    ----------
    bands : sequence of tuple
        Row band and column band whose parameters each task changes; None for the column band if it
        changes those of no column.

    Examples
    --------
    >>> dependencies = Dependencies([(0, 0), (1, 1), (0, 1)])
    >>> dependencies.successors
    [[2, None, None], [None, 2, None]]
    >>> dependencies.n_predecessors
    [0, 0, 2]
    """

    bands: Sequence[Bands]

    @cached_property
    def successors(self) -> list[list[int | None]]:
        """The next task in the row band of each task, and the next in its column band."""
        return [_successors([pair[side] for pair in self.bands]) for side in range(2)]

    @cached_property
    def n_predecessors(self) -> list[int]:
        """The number of tasks that each task waits for."""
        out = [0] * len(self.bands)
        for successor in itertools.chain(*self.successors):
            if successor is not None:
                out[successor] += 1
        return out


def slices(n: int, size: int) -> list[slice]:
    """Return slices of at most `size` entries, which cover `n` entries.

    Examples
    --------
    >>> slices(5, 3)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def edges_of_chunks(n: int, n_chunks: int) -> list[int]:
    """Return the edges of chunks of `n` entries.

    Examples
    --------
    >>> edges_of_chunks(5, 2)
    [0, 2, 5]
    """
    return [n * chunk // n_chunks for chunk in range(n_chunks + 1)]


def run_to_the_end(function: Callable[[], None], start_seconds: float = 1.0) -> None:
    """Call a function that KeyboardInterrupt cannot stop, and raise the interrupt afterwards.

    Python raises KeyboardInterrupt in the main thread, so the function runs in another if one can
    be started. If none can, the function is called again after an interrupt.

    Parameters
    ----------
    function : callable
        Called without arguments.
    start_seconds : float, default=1.0
        Seconds that the other thread may take to begin.
    """
    if threading.current_thread() is not threading.main_thread():
        function()
        return
    helper = HelperThread(function)

    def run() -> None:
        if helper.start():
            helper.wait_for_begin(start_seconds)
        if helper.cancel_or_join():
            try:
                function()
            except Exception as error:
                helper.error = error

    call_to_the_end(run, run, (KeyboardInterrupt, MemoryError))
    if helper.error is not None:
        raise helper.error


def finish_if_interrupted(run: Callable[[], None], finish: Callable[[], None]) -> None:
    """Call `run`; if KeyboardInterrupt ends it, call `finish` to its end, and raise the interrupt.

    Parameters
    ----------
    run : callable
        Called without arguments.
    finish : callable
        Called without arguments by `run_to_the_end`; called again if there is an interrupt just
        after its end.
    """
    call_to_the_end(run, lambda: run_to_the_end(finish), (KeyboardInterrupt,))


class _Queue(Generic[T, R]):
    """The tasks of one call of `Workers.run_tasks`: those that are ready, running and waiting."""

    def __init__(
        self, tasks: Sequence[T], dependencies: Dependencies, run: Callable[[T], R]
    ) -> None:
        self.results: list[R] = [None] * len(tasks)  # type: ignore[list-item]
        self.error: BaseException | None = None
        self._tasks = tasks
        self._run = run
        self._next_in_row, self._next_in_column = dependencies.successors
        self._n_missing = dependencies.n_predecessors.copy()
        # Tasks without predecessors, in order, which makes the list a heap.
        self._ready = [number for number, n_missing in enumerate(self._n_missing) if n_missing == 0]
        self._tokens: SimpleQueue[None] = SimpleQueue()  # one per ready task, and those of `stop`
        self._stopped = False
        self._lock = threading.Lock()
        self._n_ended = itertools.count(1)
        for _ in self._ready:
            self._tokens.put(None)

    def stop(self) -> None:
        """End the threads after the tasks that they are running."""
        self._stopped = True
        try:
            self._tokens.put(None)
        except MemoryError:
            return  # a thread that waits looks again after a while

    def work(self) -> None:
        """Run tasks that are ready until all have ended."""
        try:
            number: int | None = None
            while not self._stopped:
                if number is None:
                    number = self._take()
                else:
                    self.results[number] = self._run(self._tasks[number])
                    number = self._end(number)
            self.stop()  # wakes the next
        except BaseException as error:
            if not isinstance(self.error, KeyboardInterrupt):
                self.error = error
            self.stop()

    def _take(self) -> int | None:
        """Wait for the first of the tasks that are ready; None if there is none after a while."""
        try:
            self._tokens.get(timeout=POLL_SECONDS)
        except Empty:
            return None
        with self._lock:
            return heappop(self._ready) if self._ready else None

    def _end(self, number: int) -> int | None:
        """Return the next task of the same row band if it is ready."""
        following, other = self._next_in_row[number], self._next_in_column[number]
        with self._lock:
            if other is not None and self._is_ready(other):
                heappush(self._ready, other)
                self._tokens.put(None)
            if following is not None and not self._is_ready(following):
                following = None
            if next(self._n_ended) == len(self.results):
                self.stop()
        return following

    def _is_ready(self, number: int) -> bool:
        """Return whether a task is ready after one more of its predecessors has ended."""
        self._n_missing[number] -= 1
        return self._n_missing[number] == 0


def _successors(bands: Sequence[int | None]) -> list[int | None]:
    """Return, for each task, the next with the same band."""
    following: dict[int | None, int] = {}
    successors: list[int | None] = [None] * len(bands)
    for number in reversed(range(len(bands))):
        successors[number] = following.get(bands[number])
        if bands[number] is not None:
            following[bands[number]] = number
    return successors
