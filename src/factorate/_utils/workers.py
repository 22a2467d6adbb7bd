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
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

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
        helpers = [_Helper(queue.work) for _ in range(n_helpers)]

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

        _call_to_the_end(work, stop_and_wait, (KeyboardInterrupt, MemoryError))
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


class Ahead:
    """A thread that makes calls before their results are needed, for a block of code.

    A call that the thread has not begun when its result is needed is made by the thread that needs
    it, and so are all calls if no thread can be started.

    Examples
    --------
    >>> with Ahead() as ahead:
    ...     calls = [ahead.submit(lambda number=number: number**2) for number in range(3)]
    ...     [call.result() for call in calls]
    [0, 1, 4]
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._stopped = False
        self._helper = _Helper(self._work)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._helper.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread after the call that it is making."""
        stop = self._stop
        _call_to_the_end(stop, stop, (KeyboardInterrupt, MemoryError))

    def submit(self, function: Callable[[], R]) -> Call[R]:
        """Have a function called."""
        call = Call(function)
        self._calls.put(call)
        return call

    def _work(self) -> None:
        while not self._stopped:
            try:
                call = self._calls.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if call is not None:
                call.run()

    def _stop(self) -> None:
        self._stopped = True
        with suppress(MemoryError):  # the thread looks again after a while
            self._calls.put(None)
        self._helper.cancel_or_join()


class Call(Generic[R]):
    """A call that is made by the first thread that gets to it."""

    def __init__(self, function: Callable[[], R]) -> None:
        self._function: Callable[[], R] | None = function
        self._owner: dict[str, object] = {"reserved": None}  # as that of `_Helper`
        self._result: R | None = None
        self._error: BaseException | None = None
        self._ended = allocate_lock()
        self._ended.acquire()

    def run(self) -> None:
        """Make the call, unless a thread has begun it."""
        token = object()
        if self._owner.setdefault("owner", token) is not token:
            return
        try:
            if self._function is not None:
                self._result = self._function()
        except BaseException as error:
            self._error = error
        finally:
            self._function = None
            self._ended.release()

    def result(self) -> R:
        """Return what the function returns, or raise its error; called once."""
        self.run()
        self._ended.acquire()
        if self._error is not None:
            raise self._error
        return cast("R", self._result)


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
    helper = _Helper(function)

    def run() -> None:
        if helper.start():
            helper.wait_for_begin(start_seconds)
        if helper.cancel_or_join():
            try:
                function()
            except Exception as error:
                helper.error = error

    _call_to_the_end(run, run, (KeyboardInterrupt, MemoryError))
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
    _call_to_the_end(run, lambda: run_to_the_end(finish), (KeyboardInterrupt,))


def _call_to_the_end(
    first: Callable[[], None],
    again: Callable[[], None],
    errors: tuple[type[BaseException], ...],
) -> None:
    """Call `first`; if one of the errors ends it, call `again` until none ends that.

    Afterwards, the error of `first` is raised, or a later KeyboardInterrupt. An error of `again`
    that is not among `errors` is raised at once. A MemoryError of `again` is not raised: other
    threads release memory.
    """
    raised: BaseException | None = None
    call: Callable[[], None] | None = first

    def repeat() -> None:
        nonlocal raised, call
        while call is not None:
            try:
                call()
                call = None
            except errors as error:
                if call is not again or isinstance(error, KeyboardInterrupt):
                    raised = error
                call = again

    try:
        repeat()
    except KeyboardInterrupt as error:  # in `except`, or where the loop jumps back
        raised, call = error, again
        repeat()
    if raised is not None:
        raise raised


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
