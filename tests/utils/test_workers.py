"""Workers: the result of running tasks in order, and no thread that outlives a call."""

from __future__ import annotations

import _thread
import gc
import itertools
import linecache
import random
import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from training_cases import sigint_raises

from factorate._training.block_order import crossings
from factorate._utils import helper_thread, workers
from factorate._utils.workers import (
    Dependencies,
    Workers,
    finish_if_interrupted,
    run_to_the_end,
)

if TYPE_CHECKING:
    from types import FrameType

needs_pthread_kill = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="the platform cannot send a signal to a thread"
)


def interrupt_main() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_tasks_that_share_a_band_run_in_order(n_threads: int) -> None:
    tasks = crossings(list(range(5)), list(range(4))) * 3
    rows: dict[int, list[int]] = {row: [] for row in range(5)}
    columns: dict[int, list[int]] = {column: [] for column in range(4)}

    def run(number: int) -> float:
        row, column = tasks[number]
        time.sleep(random.random() / 2000)  # noqa: S311
        rows[row].append(number)
        columns[column].append(number)
        return float(number)

    results = Workers(n_threads).run_tasks(range(len(tasks)), Dependencies(tasks), run)
    assert results == list(range(len(tasks)))
    for done in (*rows.values(), *columns.values()):
        assert done == sorted(done)
    assert sum(map(len, rows.values())) == len(tasks)


def test_a_thread_continues_in_a_row_band_and_else_takes_the_first_task_that_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(helper_thread, "start_new_thread", lambda *_: 0)  # helpers never begin
    bands = [(0, 0), (1, 1), (0, 1), (1, 0), (2, None), (0, None), (0, 2)]
    order: list[int] = []
    Workers(2).run_tasks(range(7), Dependencies(bands), order.append)
    assert order == [0, 1, 3, 2, 5, 6, 4]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_no_tasks_have_no_results(n_threads: int) -> None:
    assert Workers(n_threads).run_tasks([], Dependencies([]), lambda _: 0.0) == []


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_task_is_raised(n_threads: int) -> None:
    def run(number: int) -> float:
        if number == 5:
            raise MemoryError("not enough memory")
        return 0.0

    workers, dependencies = (
        Workers(n_threads),
        Dependencies([(number % 7, None) for number in range(20)]),
    )
    with pytest.raises(MemoryError, match="not enough memory"):
        workers.run_tasks(range(20), dependencies, run)


@needs_pthread_kill
@pytest.mark.parametrize("n_threads", [2, 4])
def test_run_tasks_waits_for_all_tasks_after_two_interrupts(n_threads: int) -> None:
    """Regression: no task is running when run_tasks raises, even after a second interrupt."""
    running: set[int] = set()
    begun: list[int] = []

    def run(number: int) -> float:
        running.add(number)
        begun.append(number)
        try:
            if number == 0:
                for _ in range(2):
                    interrupt_main()
                    time.sleep(0.05)
            time.sleep(0.05)
        finally:
            running.remove(number)
        return 0.0

    dependencies = Dependencies([(number, None) for number in range(100)])
    with sigint_raises(), pytest.raises(KeyboardInterrupt):
        Workers(n_threads).run_tasks(range(100), dependencies, run)
    assert not running
    assert len(begun) < 100


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
@pytest.mark.parametrize("n_started", [0, 1])
def test_fewer_threads_run_all_tasks_if_no_more_can_be_started(
    error: Exception, n_started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = itertools.count()

    def start_or_raise(function: Any, arguments: Any) -> int:
        if next(calls) >= n_started:
            raise error
        return _thread.start_new_thread(function, arguments)

    monkeypatch.setattr(helper_thread, "start_new_thread", start_or_raise)
    threads: set[int] = set()

    def run(number: int) -> int:
        threads.add(threading.get_ident())
        return -number

    assert Workers(4).map(run, range(50)) == [-number for number in range(50)]
    assert len(threads) <= 1 + n_started
    ended: list[Any] = []
    run_to_the_end(lambda: ended.append(True))
    assert ended == [True]


def test_a_thread_that_never_begins_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: with little memory, a thread ends before its first line."""
    monkeypatch.setattr(helper_thread, "start_new_thread", lambda *_: 0)
    assert Workers(4).map(abs, [-1, 2, -3]) == [1, 2, 3]
    ended: list[Any] = []
    run_to_the_end(lambda: ended.append(True), start_seconds=0.0)
    assert ended == [True]


def test_a_thread_that_begins_too_late_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[Any] = []
    monkeypatch.setattr(helper_thread, "start_new_thread", lambda f, _: late.append(f))
    called: list[int] = []
    Workers(3).map(called.append, range(5))
    for function in late:
        function()
    assert len(late) == 2
    assert called == list(range(5))


@needs_pthread_kill
def test_run_to_the_end_raises_an_interrupt_after_the_end() -> None:
    ended: list[Any] = []

    def run() -> None:
        for _ in range(2):
            interrupt_main()
            time.sleep(0.05)
        ended.append(True)

    with sigint_raises(), pytest.raises(KeyboardInterrupt):
        run_to_the_end(run)
    assert ended == [True]


def test_run_to_the_end_raises_the_error_of_the_function() -> None:
    with pytest.raises(ZeroDivisionError):
        run_to_the_end(lambda: print(1 / 0))


def interrupt_at_line(number: int) -> list[str]:
    """Raise KeyboardInterrupt before a line of the two modules in this thread, counted from now.

    Returns
    -------
    list of str
        The line, once it was reached.
    """
    reached: list[str] = []
    count = itertools.count()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in (workers.__file__, helper_thread.__file__):
            return None
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        # Python looks for signals at calls and jumps, and so never at `try`.
        if event == "line" and line != "try:" and next(count) == number:
            reached.append(f"line {frame.f_lineno}")
            raise KeyboardInterrupt
        return trace

    caller = sys._getframe(1)
    while caller is not None and caller.f_back is not None:
        caller.f_trace = trace
        caller = caller.f_back
    sys.settrace(trace)
    return reached


def test_a_second_interrupt_before_any_line_does_not_prevent_the_end() -> None:
    """Regression: `fit` lost its epochs if the second interrupt followed within microseconds."""
    before = sys.gettrace()
    for number in itertools.count():
        finished: list[bool] = []
        reached: list[list[str]] = []

        def run(number: int = number, reached: list[list[str]] = reached) -> None:
            reached.append(interrupt_at_line(number))
            raise KeyboardInterrupt

        def finish(finished: list[bool] = finished) -> None:
            finished.append(threading.current_thread() is not threading.main_thread())

        try:
            with pytest.raises(KeyboardInterrupt):
                finish_if_interrupted(run, finish)
        finally:
            sys.settrace(before)
        assert finished, reached
        if not reached[0]:
            break
    assert number > 10


@pytest.mark.parametrize("n_threads", [2, 3])
def test_two_interrupts_before_any_line_leave_no_task_running(n_threads: int) -> None:
    before = sys.gettrace()
    main = threading.main_thread()
    dependencies = Dependencies([(number, None) for number in range(8)])
    for number in itertools.count():
        running: set[int] = set()
        reached: list[list[str]] = []

        def run(
            task: int,
            number: int = number,
            running: set[int] = running,
            reached: list[list[str]] = reached,
        ) -> int:
            running.add(task)
            try:
                if threading.current_thread() is main and not reached:
                    reached.append(interrupt_at_line(number))
                    raise KeyboardInterrupt
                time.sleep(0.002)
            finally:
                running.remove(task)
            return task

        try:
            with pytest.raises(KeyboardInterrupt):
                Workers(n_threads).run_tasks(range(8), dependencies, run)
        finally:
            sys.settrace(before)
        assert not running, reached
        if not reached[0]:
            break
    assert number > 10


def test_a_call_keeps_no_reference_to_its_function() -> None:
    class Task:
        def __call__(self, number: int) -> int:
            return number

    task = Task()
    reference = weakref.ref(task)
    gc.disable()
    try:
        assert Workers(2).map(task, [1, 2, 3]) == [1, 2, 3]
        del task
        assert reference() is None
    finally:
        gc.enable()
