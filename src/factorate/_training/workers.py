"""Workers: threads that run tasks with the result of running them in order on one thread."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor, wait
from queue import SimpleQueue
from threading import Event, Lock, Thread, current_thread
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    Bands = tuple[int, int | None]  # row band and column band that a task changes

T = TypeVar("T")


class Workers:
    """Threads that run tasks inside a ``with`` statement.

    No thread outlives the statement, and no call returns or raises while one of its tasks is
    running, however often KeyboardInterrupt is raised meanwhile. With one thread, or outside the
    statement, tasks run on the calling thread.

    Parameters
    ----------
    n_threads : int, default=1
        Number of threads.

    Examples
    --------
    >>> with Workers(2) as workers:
    ...     workers.map(abs, [-1, 2, -3])
    [1, 2, 3]
    """

    def __init__(self, n_threads: int = 1) -> None:
        self.n_threads = n_threads
        self._pool: _Pool | None = None

    def __enter__(self) -> Self:
        """Start the threads."""
        if self.n_threads > 1:
            self._pool = _Pool(self.n_threads)
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until the threads have ended."""
        pool, self._pool = self._pool, None
        if pool is not None:
            _wait_to_the_end(pool.end)

    def map(self, function: Callable[[T], object], entries: Iterable[T]) -> list[object]:
        """Return the results of a function for all entries, computed on the threads."""
        if self._pool is None:
            return [function(entry) for entry in entries]
        futures: list[Future[object]] = []
        try:
            for entry in entries:
                futures.append(self._pool.submit(function, entry))  # noqa: PERF401
        finally:
            _wait_to_the_end(lambda: wait(futures))
        return [future.result() for future in futures]

    def run_tasks(
        self, tasks: Sequence[T], bands: Sequence[Bands], run: Callable[[T], float]
    ) -> list[float]:
        """Run tasks, with the result of running them in order on one thread.

        Parameters
        ----------
        tasks : sequence
            The tasks in their order.
        bands : sequence of tuple
            Row band and column band whose parameters each task changes; the column band is None if
            it changes no item parameters. A task starts when the previous task of its row band and
            that of its column band have ended. Tasks without a common band may run at the same
            time.
        run : callable
            Runs one task and returns its squared error.

        Returns
        -------
        list of float
            The result of `run` for each task, in order.
        """
        if self._pool is None or not tasks:
            return [run(task) for task in tasks]
        queue = _Queue(tasks, bands, run, self.n_threads)
        futures: list[Future[None]] = []

        def stop_and_wait() -> None:
            queue.stop()
            wait(futures)

        try:
            # No task is ready until all workers are submitted: a worker whose submission is
            # interrupted is not among the futures, and must not run any task.
            for _ in range(self.n_threads):
                futures.append(self._pool.submit(queue.work))  # noqa: PERF401
            queue.start()
            wait(futures)
        finally:
            _wait_to_the_end(stop_and_wait)
        for future in futures:
            future.result()
        return queue.results


def run_to_the_end(function: Callable[[], None]) -> None:
    """Run a function to its end despite KeyboardInterrupt, which is raised afterwards.

    Python raises KeyboardInterrupt in the main thread, so the function runs in another.
    """
    pool, lock = _Pool(1), Lock()
    outcomes: list[BaseException | None] = []

    def run_once() -> None:
        with lock:
            if outcomes:  # submitted again, because the submission was interrupted
                return
            try:
                function()
                outcomes.append(None)
            except BaseException as error:
                outcomes.append(error)

    try:
        _wait_to_the_end(lambda: wait([pool.submit(run_once)]))
    finally:
        _wait_to_the_end(pool.end)
    if outcomes[0] is not None:
        raise outcomes[0]


def _wait_to_the_end(call: Callable[[], object]) -> None:
    """Call a function again until no KeyboardInterrupt ends it, then raise the interrupt."""
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            call()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


class _Pool(ThreadPoolExecutor):
    """A thread pool that joins all its threads, even one whose start was interrupted."""

    def __init__(self, n_threads: int) -> None:
        self._started: list[Thread] = []
        register = self._started.append
        super().__init__(n_threads, "factorate", initializer=lambda: register(current_thread()))

    def end(self) -> None:
        """Wait until all threads have ended."""
        self.shutdown()
        for thread in self._started:
            thread.join()


class _Queue(Generic[T]):
    """The tasks of one call of `Workers.run_tasks`, and which of them are ready to run."""

    def __init__(
        self,
        tasks: Sequence[T],
        bands: Sequence[Bands],
        run: Callable[[T], float],
        n_threads: int,
    ) -> None:
        self.results = [0.0] * len(tasks)
        self._tasks = tasks
        self._run = run
        self._n_threads = n_threads
        predecessors = _predecessors(bands)
        self._n_missing = [len(earlier) for earlier in predecessors]
        self._successors: list[list[int]] = [[] for _ in tasks]
        for number, earlier in enumerate(predecessors):
            for predecessor in earlier:
                self._successors[predecessor].append(number)
        self._ready: SimpleQueue[int | None] = SimpleQueue()  # None ends a worker
        self._stopped = Event()
        self._lock = Lock()
        self._n_ended = itertools.count(1)

    def start(self) -> None:
        """Make all tasks without predecessors ready."""
        for number, n_missing in enumerate(self._n_missing):
            if n_missing == 0:
                self._ready.put(number)

    def stop(self) -> None:
        """End the workers after the tasks that they are running."""
        self._stopped.set()
        for _ in range(self._n_threads):
            self._ready.put(None)

    def work(self) -> None:
        """Run ready tasks until all tasks have ended or the queue is stopped."""
        try:
            while not self._stopped.is_set() and (number := self._ready.get()) is not None:
                self.results[number] = self._run(self._tasks[number])
                self._end(number)
        except BaseException:
            self.stop()
            raise

    def _end(self, number: int) -> None:
        with self._lock:
            for successor in self._successors[number]:
                self._n_missing[successor] -= 1
                if self._n_missing[successor] == 0:
                    self._ready.put(successor)
            if next(self._n_ended) == len(self.results):
                self.stop()


def _predecessors(bands: Sequence[Bands]) -> list[list[int]]:
    """Return, for each task, the previous task of its row band and of its column band."""
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
