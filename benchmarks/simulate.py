"""Predict the time of an epoch on up to 128 threads, from times measured here on one.

The numbers of ratings in the blocks are the expected ones for skewed ratings (see datasets), with
bands as in the rating schedule. A set of more ratings has more blocks, not larger ones, until
`max_bands` limits them, so the time per rating of the blocks is measured on ten million ratings. A
block takes at least as long as its bytes need at an equal part of the memory bandwidth. Threads
take blocks as in `Workers.run_tasks`, and one thread at a time holds the lock of the interpreter.

Run: python -m benchmarks.simulate [--factors 32 64 128] [--bandwidth 100 400] [--block-work 2**20]
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from factorate import datasets
from factorate._input.id_index import range_index
from factorate._input.ratings import Ratings
from factorate._training.block_order import block_order, crossings
from factorate._training.row_constants import CHUNK, make_row_constants, plain_columns
from factorate._training.schedule import count_bands, padded
from factorate._training.settings import check_settings
from factorate._training.sizes import DEFAULT_SIZES
from factorate._training.state import COPIED_BYTES, copy_state
from factorate._training.trainer import Trainer
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from factorate._training.settings import Settings
    from factorate._utils.workers import Dependencies

    Numbers = NDArray[np.float64]

LARGEST = 100_000_000
USERS, ITEMS = 480_189, 17_770  # of the largest; the others have √(n / LARGEST) times as many
MEASURED = 10_000_000  # ratings of the measured blocks
SIMULATED = (10_000_000, 100_000_000, 1_000_000_000)
THREADS = (1, 2, 4, 8, 16, 32, 64, 128)
RATING_BYTES = 5  # two positions and a code
COLUMN_BYTES = 16  # bias, rate and decays of a row
RUNS = 5


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Times measured on this machine, in seconds."""

    rating: Numbers  # per rating, of each measured block
    call: float  # per block, with one thread
    task: float  # per block, in which a thread holds the lock of the interpreter
    plan: float  # per block, on one thread before an epoch
    copied_row: float  # per user or item, to copy the state before an epoch
    row: float  # per user or item, to compute the constants of an epoch
    serial_row: float  # per user or item, on one thread between two epochs
    start: float  # per thread that is started


@dataclass(frozen=True, kw_only=True)
class Case:
    """The blocks of one data set, by row band and column band."""

    counts: Numbers  # ratings
    row_bytes: Numbers  # of the users of a block, read and written
    column_bytes: Numbers  # of its items
    n_rows: int
    n_chunks: int  # of the state, when it is copied


def list_schedule(
    blocks: Sequence[tuple[int, int]], seconds: Numbers, n_threads: int, task: float = 0.0
) -> tuple[float, int]:
    """Simulate threads that run blocks in the order of `Workers.run_tasks`.

    A block is ready when the last before it in its row band and the last in its column band have
    ended. A thread continues in its row band, or else takes the first block that is ready. Blocks
    begin one at a time, `task` seconds apart.

    Returns
    -------
    tuple
        The time of the end, and how often a thread changed its row band.

    Examples
    --------
    >>> list_schedule([(1, 1), (0, 0), (0, 1), (1, 0)], np.ones((2, 2)), n_threads=2)
    (2.0, 2)
    """
    successors: list[list[int]] = [[] for _ in blocks]
    n_missing = [0] * len(blocks)
    last: dict[tuple[int, int], int] = {}
    for number, bands in enumerate(blocks):
        for band in enumerate(bands):
            if band in last:
                successors[last[band]].append(number)
                n_missing[number] += 1
            last[band] = number
    ready = [number for number, n in enumerate(n_missing) if n == 0]
    running: list[tuple[float, int]] = []
    n_idle, now, unlocked, n_changes = n_threads, 0.0, 0.0, 0
    while ready or running:
        while ready and n_idle:
            number = heapq.heappop(ready)
            unlocked = max(now, unlocked) + task
            heapq.heappush(running, (unlocked + float(seconds[blocks[number]]), number))
            n_idle, n_changes = n_idle - 1, n_changes + 1
        now, number = heapq.heappop(running)
        n_idle += 1
        for successor in successors[number]:
            n_missing[successor] -= 1
            if n_missing[successor] == 0 and blocks[successor][0] == blocks[number][0]:
                unlocked = max(now, unlocked) + task
                heapq.heappush(running, (unlocked + float(seconds[blocks[successor]]), successor))
                n_idle -= 1
            elif n_missing[successor] == 0:
                heapq.heappush(ready, successor)
    return now, n_changes


def shape_of(n: int) -> tuple[int, int]:
    """Return the numbers of users and items for a number of ratings."""
    factor = math.sqrt(n / LARGEST)
    return round(USERS * factor), round(ITEMS * factor)


def make_case(n: int, n_bands: tuple[int, int], row_bytes: int) -> Case:
    """Compute the blocks of n skewed ratings."""
    generator = np.random.default_rng(0)
    sums, touched = [], []
    for n_rows, bands, others in zip(shape_of(n), n_bands, n_bands[::-1], strict=True):
        expected = n * np.diff(np.sqrt(np.arange(n_rows + 1) / n_rows))
        expected = generator.permutation(expected)
        total = np.cumsum(expected)
        inner = np.searchsorted(total, total[-1] * np.arange(1, bands) / bands) + 1
        edges = np.concatenate([[0], inner])
        sums.append(np.add.reduceat(expected, edges))
        # Rows with at least one rating in a block, each read and written.
        touched.append(np.add.reduceat(1 - np.exp(-expected / others), edges))
    moved = 2 * (row_bytes + COLUMN_BYTES)
    return Case(
        counts=np.outer(*sums) / n,
        row_bytes=moved * touched[0],
        column_bytes=moved * touched[1],
        n_rows=sum(shape_of(n)),
        n_chunks=sum(shape_of(n)) * row_bytes // COPIED_BYTES,
    )


def predict(case: Case, costs: Costs, n_threads: int, bandwidth: float) -> float:
    """Return the seconds of an epoch, from the end of one to the end of the next."""
    generator = np.random.default_rng(1)
    seconds = case.counts * generator.choice(costs.rating, case.counts.shape)
    n_rows, n_columns = case.counts.shape
    blocks = crossings(list(range(n_rows)), list(range(n_columns)))
    bytes_moved = case.row_bytes[:, None] + case.column_bytes + RATING_BYTES * case.counts
    n_running = min(n_threads, n_rows, n_columns)
    seconds = np.maximum(seconds, bytes_moved * n_running / bandwidth)
    between = case.n_rows * costs.serial_row
    for cost, n_chunks in ((costs.copied_row, case.n_chunks), (costs.row, case.n_rows // CHUNK)):
        n_used = min(n_threads, 1 + n_chunks)
        between += case.n_rows * cost / n_used + costs.start * (n_used - 1)
    if n_threads == 1:
        return between + float(seconds.sum()) + costs.call * len(blocks)
    # Threads start one after another, so the mean thread works from the middle of the starts.
    between += costs.plan * len(blocks) + costs.start * (n_running - 1) / 2
    return float(between + list_schedule(blocks, seconds, n_running, costs.task)[0])


class Timer(Workers):
    """Runs tasks one after another, and keeps their times and what `run_tasks` was called with."""

    def run_tasks(
        self, tasks: Sequence[Any], dependencies: Dependencies, run: Callable[[Any], Any]
    ) -> list[Any]:
        """Run every task."""
        self.given = tasks, dependencies, run
        self.seconds, results = np.empty(len(tasks)), []
        for task in tasks:
            begin = time.perf_counter()
            results.append(run(task))
            self.seconds[task] = time.perf_counter() - begin
        return results


def seconds_of(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the minimum seconds of some calls, without the time of other processes."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - begin)
    return min(times)


def synthetic(n: int) -> Ratings:
    """Return skewed ratings in half-stars."""
    n_users, n_items = shape_of(n)
    users, items, values = datasets.synthetic(n, n_users, n_items)
    return Ratings(
        user_rows=users,
        item_rows=items,
        values=np.clip(np.round(2 * values) / 2, 0.5, 5).astype(np.float32),
        user_index=range_index(n_users),
        item_index=range_index(n_items),
        library=None,
    )


def timed_runner(ratings: Ratings, settings: Settings) -> tuple[Trainer, Any, Timer]:
    """Return a trainer, and its epoch runner with a timer."""
    trainer, timer = Trainer(ratings, settings), Timer()
    runner: Any = trainer._runner
    return trainer, dataclasses.replace(runner, workers=timer), timer


def measure(ratings: Ratings, settings: Settings) -> Costs:
    """Measure the costs on this machine."""
    # Blocks with a rating or two take no time but that of the call.
    tiny = dataclasses.replace(
        settings, sizes=dataclasses.replace(settings.sizes, block_work=1, max_bands=64)
    )
    trainer, runner, timer = timed_runner(synthetic(5_000), tiny)
    runner.run(trainer._state, 1, 1.0)
    n_blocks = len(timer.seconds)
    call = seconds_of(Workers().run_tasks, *timer.given) / n_blocks
    task = seconds_of(Workers(2).run_tasks, *timer.given) / n_blocks
    plan = seconds_of(block_order, trainer.schedule.n_bands, 0, 1)

    trainer, runner, timer = timed_runner(ratings, settings)
    state, schedule = trainer._state, trainer.schedule
    counts = np.diff(schedule.block_starts)
    seconds, outside = np.empty((RUNS, len(counts))), []
    for epoch in range(RUNS):
        begin = time.perf_counter()
        runner.run(state, epoch, 0.1)
        seconds[epoch] = timer.seconds
        outside.append(time.perf_counter() - begin - float(timer.seconds.sum()))
    scales = runner.continuations[0].scales, runner.continuations[1].scales
    constants = seconds_of(make_row_constants, schedule, settings, 1.0, scales)
    for rows, bias in zip(
        make_row_constants(schedule, settings, 1.0, scales),
        (state.user_bias, state.item_bias),
        strict=True,
    ):
        constants += seconds_of(plain_columns, rows, bias)
    copying = seconds_of(copy_state, state, copy_state(state))
    n_rows = len(state.P) + len(state.Q)
    return Costs(
        rating=np.maximum(seconds.min(axis=0) - call, 0) / counts,
        call=call,
        task=task,
        plan=plan / n_blocks,
        copied_row=copying / n_rows,
        row=constants / n_rows,
        serial_row=max(0.0, min(outside) - constants) / n_rows,
        start=seconds_of(Workers(65).map, abs, range(65)) / 64,
    )


def check(ratings: Ratings, settings: Settings, case: Case, costs: Costs) -> None:
    """Print the predicted and the measured speed-up of two threads."""
    predicted = [predict(case, costs, n_threads, math.inf) for n_threads in (1, 2)]
    measured = []
    for n_threads in (1, 2) * RUNS:
        given = dataclasses.replace(settings, n_threads=n_threads)
        history = Trainer(ratings, given).train().history
        measured.append(float(np.diff([epoch.seconds for epoch in history]).min()))
    one, two = min(measured[::2]), min(measured[1::2])
    print(
        f"one thread, predicted {1e3 * predicted[0]:.0f} ms and measured {1e3 * one:.0f}; two "
        f"threads, predicted {1e3 * predicted[1]:.0f} ms and measured {1e3 * two:.0f}; speed-up, "
        f"predicted {predicted[0] / predicted[1]:.2f} and measured {one / two:.2f}",
        flush=True,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--factors", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--bandwidth", type=float, nargs="*", default=[100, 400], help="GB/s")
    parser.add_argument("--block-work", type=int, default=DEFAULT_SIZES.block_work)
    parser.add_argument("--max-bands", type=int, default=DEFAULT_SIZES.max_bands)
    parser.add_argument("--task", type=float, help="microseconds per block in the interpreter")
    arguments = parser.parse_args()
    ratings = synthetic(MEASURED)
    sizes = dataclasses.replace(
        DEFAULT_SIZES, block_work=arguments.block_work, max_bands=arguments.max_bands
    )
    for n_factors in arguments.factors:
        params = ft.MatrixFactorization(n_factors, 6, n_threads=1).get_params()
        settings = dataclasses.replace(check_settings(params, seed=0), sizes=sizes)
        costs = measure(ratings, settings)
        print(
            f"\nK={n_factors}: {1e9 * np.mean(costs.rating):.1f} ns per rating (± "
            f"{np.std(costs.rating) / np.mean(costs.rating):.0%} between blocks); per block "
            f"{1e6 * costs.plan:.1f} µs before an epoch and {1e6 * costs.task:.1f} µs in the "
            f"interpreter ({1e6 * costs.call:.1f} with one thread); per row "
            f"{1e9 * (costs.copied_row + costs.row):.0f} ns on all threads and "
            f"{1e9 * costs.serial_row:.0f} on one; "
            f"{1e6 * costs.start:.0f} µs to start a thread"
        )
        if arguments.task is not None:
            costs = dataclasses.replace(costs, task=1e-6 * arguments.task)
        print("| ratings | bands | GB/s | " + " | ".join(map(str, THREADS)) + " |")
        print("|---:|---:|---:|" + "---:|" * len(THREADS))
        for n in SIMULATED:
            bands, _ = count_bands(n, padded(n_factors), settings)
            case = make_case(n, bands, 4 * padded(n_factors))
            for bandwidth in (*arguments.bandwidth, math.inf):
                seconds = [
                    predict(case, costs, n_threads, 1e9 * bandwidth) for n_threads in THREADS
                ]
                speedups = [seconds[0] / one for one in seconds]
                cells = [
                    f"{speedup:.1f} ({speedup / n_threads:.0%})"
                    for speedup, n_threads in zip(speedups, THREADS, strict=True)
                ]
                row = f"{n // 1_000_000} M", f"{bands[0]} × {bands[1]}", f"{bandwidth:.0f}", *cells
                print("| " + " | ".join(row) + " |", flush=True)
            if n == MEASURED:
                measured = case
        check(ratings, settings, measured, costs)


if __name__ == "__main__":
    main()
