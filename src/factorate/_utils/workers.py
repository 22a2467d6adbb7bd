"""Workers: threads that run tasks with the result of running them in order on one thread.

With little memory, a thread may end before its first line, and `threading.Thread.start` would then
wait for it forever. These threads are therefore started with `_thread`, and the calling thread
works as well and waits only for those that have begun. Where no thread can be started, for lack of
memory or because the interpreter is ending, the calling thread does all the work.
"""

from __future__ import annotations

import itertools
import threading
from _thread import allocate_lock, start_new_thread
from dataclasses import dataclass
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Bands = tuple[int, int | None]  # row band and column band that a task changes

T = TypeVar("T")
R = TypeVar("R")

POLL_SECONDS = 0.1  # between looks at whether the other threads have stopped


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
        return self._run(tasks, [(number, None) for number in range(len(tasks))], function)

    def run_tasks(
        self, tasks: Sequence[T], bands: Sequence[Bands], run: Callable[[T], R]
    ) -> list[R]:
        """Run every task; the result is that of running them in order on one thread.

        Parameters
        ----------
        tasks : sequence
            The tasks in their order.
        bands : sequence of tuple
            Row band and column band whose parameters each task changes; None for the column band
            if it changes those of no column. A task starts when the last task before it in its row
            band and the last in its column band have ended. All others change other parameters, so
            they may run at the same time.
        run : callable
            Runs one task.

        Returns
        -------
        list
            What `run` returned for each task, in order.
        """
        return self._run(tasks, bands, run)

    def _run(self, tasks: Sequence[T], bands: Sequence[Bands], run: Callable[[T], R]) -> list[R]:
        n_helpers = min(self.n_threads, len(tasks)) - 1
        if n_helpers < 1:
            return [run(task) for task in tasks]
        queue = _Queue(tasks, bands, run)
        helpers = [_Helper(queue.work) for _ in range(n_helpers)]

        def stop_and_wait() -> None:
            queue.stop()
            for helper in helpers:
                helper.cancel_or_join()

        try:
            for helper in helpers:
                if not helper.start():
                    break
            queue.work()
        finally:
            _wait_to_the_end(stop_and_wait)
        if queue.error is not None:
            raise queue.error
        return queue.results


def slices(n: int, size: int) -> list[slice]:
    """Return slices of at most `size` entries, which cover `n` entries.

    Examples
    --------
    >>> slices(5, 3)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


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
    helper = _Helper(function)

    def run() -> None:
        if helper.start():
            helper.wait_for_begin(start_seconds)
        if helper.cancel_or_join():
            try:
                function()
            except Exception as error:
                helper.error = error

    _wait_to_the_end(run)
    if helper.error is not None:
        raise helper.error


def _wait_to_the_end(call: Callable[[], object]) -> None:
    """Call a function until no KeyboardInterrupt ends it, and raise it afterwards."""
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            call()
            break
        except KeyboardInterrupt as error:
            interrupt = error
        except MemoryError:  # until other threads release memory
            continue
    if interrupt is not None:
        raise interrupt


class _Helper:
    """A thread that calls a function, unless it is cancelled before it begins.

    Every method may be interrupted at any point and called again. Waiting allocates no memory.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._function = function
        # The first to set "owner" decides. The dict has memory for that key already. It holds no
        # reference to the helper, which would keep the function alive until garbage collection.
        self._owner: dict[str, object] = {"reserved": None}
        self._caller = object()
        self._has_begun, self._has_ended = False, False
        self._begun, self._ended = allocate_lock(), allocate_lock()
        self._begun.acquire()
        self._ended.acquire()

    def start(self) -> bool:
        """Start the thread, and return whether that was possible."""
        try:
            start_new_thread(self._run, ())
        except (RuntimeError, MemoryError):
            return False
        return True

    def wait_for_begin(self, seconds: float) -> None:
        """Wait until the thread begins, at most the given seconds."""
        if not self._has_begun:
            self._begun.acquire(timeout=seconds)

    def cancel_or_join(self) -> bool:
        """Cancel the call if it has not begun, else wait for its end; return whether cancelled."""
        if self._owner.setdefault("owner", self._caller) is self._caller:
            self._function = _do_nothing
            return True
        while not self._has_ended:
            self._ended.acquire()
        return False

    def _run(self) -> None:
        token = object()
        if self._owner.setdefault("owner", token) is not token:
            return
        try:
            self._has_begun = True
            self._begun.release()
            self._function()
        except BaseException as error:
            self.error = error
        finally:
            self._function = _do_nothing  # the thread keeps this object a little longer
            self._has_ended = True
            self._ended.release()


def _do_nothing() -> None:
    """Replace a function that is no longer needed, so that it is freed."""


class _Queue(Generic[T, R]):
    """The tasks of one call of `Workers.run_tasks`: those that are ready, running and waiting."""

    def __init__(self, tasks: Sequence[T], bands: Sequence[Bands], run: Callable[[T], R]) -> None:
        self.results: list[R] = [None] * len(tasks)  # type: ignore[list-item]
        self.error: BaseException | None = None
        self._tasks = tasks
        self._bands = bands
        self._run = run
        predecessors = _predecessors(bands)
        self._n_missing = [len(earlier) for earlier in predecessors]
        self._successors: list[list[int]] = [[] for _ in tasks]
        for number, earlier in enumerate(predecessors):
            for predecessor in earlier:
                self._successors[predecessor].append(number)
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
        """Return the next task of the same row band if it is ready: its parameters are cached."""
        following = None
        with self._lock:
            for successor in self._successors[number]:
                self._n_missing[successor] -= 1
                if self._n_missing[successor] == 0:
                    if self._bands[successor][0] == self._bands[number][0]:
                        following = successor
                    else:
                        heappush(self._ready, successor)
                        self._tokens.put(None)
            if next(self._n_ended) == len(self.results):
                self.stop()
        return following


def _predecessors(bands: Sequence[Bands]) -> list[list[int]]:
    """Return, for each task, the last task before it in its row band and in its column band."""
    last_in_row: dict[int, int] = {}
    last_in_column: dict[int, int] = {}
    predecessors = []
    for number, task_bands in enumerate(bands):
        earlier = []
        for last, band in zip((last_in_row, last_in_column), task_bands, strict=True):
            if band is not None:
                if band in last:
                    earlier.append(last[band])
                last[band] = number
        predecessors.append(earlier)
    return predecessors
