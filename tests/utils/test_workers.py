"""Workers: the result of running tasks in order, and no thread that outlives a call."""

from __future__ import annotations

import random
import signal
import threading
import time
from typing import Any

import pytest
from training_cases import sigint_raises

from factorate._training.schedule import strata
from factorate._utils.workers import Workers, run_to_the_end

needs_pthread_kill = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="the platform cannot send a signal to a thread"
)


def interrupt_main() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_tasks_that_share_a_band_run_in_order(n_threads: int) -> None:
    tasks = strata(list(range(5)), list(range(4))) * 3
    rows: dict[int, list[int]] = {row: [] for row in range(5)}
    columns: dict[int, list[int]] = {column: [] for column in range(4)}

    def run(number: int) -> float:
        row, column = tasks[number]
        time.sleep(random.random() / 2000)  # noqa: S311
        rows[row].append(number)
        columns[column].append(number)
        return float(number)

    results = Workers(n_threads).run_tasks(range(len(tasks)), tasks, run)
    assert results == list(range(len(tasks)))
    for done in (*rows.values(), *columns.values()):
        assert done == sorted(done)
    assert sum(map(len, rows.values())) == len(tasks)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_no_tasks_have_no_results(n_threads: int) -> None:
    assert Workers(n_threads).run_tasks([], [], lambda _: 0.0) == []


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_task_is_raised(n_threads: int) -> None:
    def run(number: int) -> float:
        if number == 5:
            raise MemoryError("not enough memory")
        return 0.0

    workers = Workers(n_threads)
    with pytest.raises(MemoryError, match="not enough memory"):
        workers.run_tasks(range(20), [(number % 7, None) for number in range(20)], run)


@needs_pthread_kill
@pytest.mark.parametrize("n_threads", [2, 4])
def test_run_tasks_waits_for_all_tasks_after_two_interrupts(n_threads: int) -> None:
    """Regression: no task is running when run_tasks raises, even after a second interrupt."""
    events: list[str] = []

    def run(number: int) -> float:
        events.append("begin")
        if number == 0:
            for _ in range(2):
                interrupt_main()
                time.sleep(0.05)
        time.sleep(0.05)
        events.append("end")
        return 0.0

    def run_all() -> None:
        workers = Workers(n_threads)
        try:
            workers.run_tasks(range(100), [(number, None) for number in range(100)], run)
        finally:
            running.append(events.count("begin") - events.count("end") - interrupted.count(True))

    with sigint_raises(), pytest.raises(KeyboardInterrupt):
        run_all()
    assert events.count("begin") < 100
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("factorate")]


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
