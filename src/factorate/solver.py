"""The training loop: from ratings to factors, epoch by epoch."""

from __future__ import annotations

import itertools
import math
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Lock
from typing import TYPE_CHECKING

import numpy as np

from factorate.exceptions import DivergenceError
from factorate.factors import Factors
from factorate.kernels import PADDING, active, aligned_zeros
from factorate.schedule import Schedule, make_schedule, stream, uniform, visits

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from factorate.ratings import Ratings

    Floats = NDArray[np.floating[Any]]

INITIAL_SPREAD = 0.02  # standard deviation of p_u · q_i at the start, on the scale of training
CHUNK = 1 << 16  # numbers drawn, or standardized, at a time: they stay in the cache
RATINGS_PER_PART = 100_000  # that make another thread worth while when ratings are sorted


@dataclass(frozen=True)
class Settings:
    """How to train; validated by the model."""

    n_factors: int
    n_epochs: int
    learning_rate: float
    regularization: float
    fit_bias: bool
    fit_mean: bool
    seed: int
    n_threads: int


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave."""

    number: int  # from 1
    train_rmse: float  # of the errors before each visit, on the user's scale
    seconds: float  # since training began


@dataclass(frozen=True)
class Trained:
    """What training gave: the factors after the last epoch of `history`."""

    factors: Factors
    history: tuple[Epoch, ...]
    interruption: KeyboardInterrupt | None


@dataclass(frozen=True)
class _State:
    """The arrays that the kernel moves: rows are places, padded to whole vectors."""

    P: Floats
    Q: Floats
    user_bias: Floats
    item_bias: Floats


def padded(n_factors: int) -> int:
    """Return the length of a row of factors in memory."""
    return -(-n_factors // PADDING) * PADDING


def _random_factors(
    n_rows: int, n_factors: int, dtype: np.dtype[Any], bits: np.random.PCG64
) -> Floats:
    """Draw a start for each place.

    Uniform around zero, with the variance at which p·q has a standard deviation of
    `INITIAL_SPREAD`.
    """
    out = aligned_zeros((n_rows, padded(n_factors)), dtype)
    half_width = (3 * INITIAL_SPREAD / math.sqrt(n_factors)) ** 0.5
    rows = max(1, CHUNK // n_factors)
    for first in range(0, n_rows, rows):
        part = out[first : first + rows, :n_factors]
        part[:] = half_width * (2 * uniform(part.size, bits).reshape(part.shape) - 1)
    return out


def _start(schedule: Schedule, settings: Settings, dtype: np.dtype[Any]) -> _State:
    orders = schedule.user_order, schedule.item_order
    P, Q = (
        _random_factors(len(order), settings.n_factors, dtype, stream(settings.seed, 3, side))
        for side, order in enumerate(orders)
    )
    return _State(P, Q, *(np.zeros(len(order), dtype) for order in orders))


def _standardize(schedule: Schedule, fit_mean: bool) -> tuple[float, float]:
    """Centre and scale the ratings of a schedule in place; return both numbers."""
    values = schedule.ratings[: schedule.n_ratings]
    mean = float(np.mean(values, dtype=np.float64))
    deviation = math.sqrt(
        sum(
            float(np.sum(np.square(values[first : first + CHUNK].astype(np.float64) - mean)))
            for first in range(0, len(values), CHUNK)
        )
        / len(values)
    )
    centre = mean if fit_mean else 0.0
    # The spread of equal ratings is rounding, and nothing is gained by blowing it up.
    scale = deviation if deviation > 8 * np.finfo(values.dtype).eps * abs(mean) else 1.0
    for first in range(0, len(values), CHUNK):
        part = values[first : first + CHUNK]
        part[:] = (part.astype(np.float64) - centre) / scale
    return centre, scale


def _copy(state: _State, to: _State | None) -> _State:
    if to is None:
        return _State(*(np.copy(array) for array in vars(state).values()))
    for source, target in zip(vars(state).values(), vars(to).values(), strict=True):
        np.copyto(target, source)
    return to


def _to_factors(
    state: _State, schedule: Schedule, shape: tuple[int, int], n_factors: int, mean: float,
    scale: float,
) -> Factors:  # fmt: skip
    """Copy the state to rows, on the user's scale; rows without ratings are zeros."""
    dtype = state.P.dtype
    arrays = []
    for n, order, rows, bias in (
        (shape[0], schedule.user_order, state.P, state.user_bias),
        (shape[1], schedule.item_order, state.Q, state.item_bias),
    ):
        factors, biases = aligned_zeros((n, n_factors), dtype), np.zeros(n, dtype)
        factors[order] = rows[:, :n_factors] * dtype.type(math.sqrt(scale))
        biases[order] = bias * dtype.type(scale)
        arrays.append((factors, biases))
    (P, user_bias), (Q, item_bias) = arrays
    return Factors(P, Q, user_bias, item_bias, mean, scale)


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


def _pool(n_threads: int) -> ThreadPoolExecutor | nullcontext[None]:
    return ThreadPoolExecutor(n_threads, "factorate") if n_threads > 1 else nullcontext()


def _arrays(factors: Factors) -> tuple[Floats, Floats, Floats, Floats]:
    return factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias


def _diverged(settings: Settings, number: int, what: str) -> DivergenceError:
    return DivergenceError(
        f"training diverged in epoch {number} of {settings.n_epochs}: {what} with "
        f"learning_rate={settings.learning_rate!r} and regularization={settings.regularization!r}; "
        f"try half the learning rate"
    )


def _n_parts(ratings: Ratings, settings: Settings) -> int:
    return min(settings.n_threads, 1 + len(ratings.values) // RATINGS_PER_PART)


def _visitor(schedule: Schedule, state: _State, settings: Settings) -> Callable[[int], float]:
    """Return the function that visits the ratings of one block and returns its squared error."""
    starts = schedule.block_starts.tolist()

    def visit_block(block: int) -> float:
        return active.train(
            schedule.users, schedule.items, schedule.ratings, starts[block], starts[block + 1],
            state.P, state.Q, state.user_bias, state.item_bias,
            settings.learning_rate, settings.regularization, settings.fit_bias,
        )  # fmt: skip

    return visit_block


def _run_parallel(
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


def train(
    ratings: Ratings, settings: Settings, report: Callable[[Epoch], None] | None = None
) -> Trained:
    """Train from a random start.

    Parameters
    ----------
    ratings
        At least one rating.
    settings
        Valid settings.
    report
        Called after each epoch.

    Returns
    -------
    Trained
        If a KeyboardInterrupt came after the first epoch, it is in `interruption`, and the factors
        are those of the last whole epoch.

    Raises
    ------
    DivergenceError
        If the squared error of an epoch is not finite.
    KeyboardInterrupt
        If it came before the end of the first epoch.
    """
    began = time.perf_counter()
    shape = len(ratings.user_index.ids), len(ratings.item_index.ids)
    history: list[Epoch] = []
    interruption = None
    snapshot, snapshot_epoch = None, -1
    try:
        with _pool(settings.n_threads) as pool:
            schedule = make_schedule(
                ratings.users, ratings.items, ratings.values, *shape, padded(settings.n_factors),
                settings.seed, _n_parts(ratings, settings), map if pool is None else pool.map,
            )  # fmt: skip
            mean, scale = _standardize(schedule, settings.fit_mean)
            state = _start(schedule, settings, ratings.values.dtype)
            visit_block = _visitor(schedule, state, settings)
            for number in range(1, settings.n_epochs + 1):
                if history:
                    snapshot = _copy(state, snapshot)
                    snapshot_epoch = len(history)
                order = visits(schedule.n_bands, settings.seed, number)
                if pool is None or min(schedule.n_bands) == 1:
                    errors = [visit_block(block) for block in order]
                else:
                    errors = _run_parallel(
                        pool, settings.n_threads, order, schedule.n_bands[1], visit_block
                    )
                squared = sum(errors)
                if not math.isfinite(squared):
                    raise _diverged(settings, number, f"the squared error is {squared}")
                train_rmse = scale * math.sqrt(squared / schedule.n_ratings)
                history.append(Epoch(number, train_rmse, time.perf_counter() - began))
                if report is not None:
                    report(history[-1])
    except KeyboardInterrupt as error:
        if not history:
            raise
        interruption = error
        # Within an epoch the state is neither here nor there; the snapshot has the last whole one.
        if snapshot is not None and snapshot_epoch == len(history):
            state = snapshot
    factors = _to_factors(state, schedule, shape, settings.n_factors, mean, scale)
    # The error of an epoch is measured before each visit, so its last steps have not been seen.
    if not all(np.isfinite(array).all() for array in _arrays(factors)):
        if interruption is not None:
            raise interruption
        raise _diverged(settings, len(history), "some factors are not finite")
    return Trained(factors, tuple(history), interruption)
