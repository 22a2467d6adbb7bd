"""RowConstants: the learning rates and penalties of each row, from its number of ratings.

A row with n ratings has the learning rate η / √(1 + n / n₀) and the total penalty λ n + c, where c,
its shrinkage, is the same for all rows: the penalty of a Gaussian prior of fixed strength. Each of
the n updates of an epoch applies one n-th of it, λ + c / n.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from factorate._utils.workers import Workers, slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._utils.types import Doubles, Floats

T = TypeVar("T")

CHUNK = 1 << 15  # rows computed at a time, in far more time than it takes to start a thread


class RowConstants(NamedTuple):
    """The constants of each position, as the general kernel takes them.

    Columns are the learning rate and penalty of the factors, and those of the bias: the enum in
    _kernels/rule.pxd.
    """

    users: Floats
    items: Floats


def make_row_constants(
    schedule: Schedule,
    settings: Settings,
    factor: float,
    scales: tuple[Doubles, Doubles],
    workers: Workers | None = None,
) -> RowConstants:
    """Return the constants of an epoch, computed by the threads given.

    The learning rates are multiplied by `factor`, and by the `scales` of users and items.
    """
    counts, dtype = (schedule.user_counts, schedule.item_counts), schedule.ratings.dtype
    highest = [factor * float(of_side.max()) for of_side in scales]
    out = RowConstants(*(np.empty((len(of_side), 4), dtype) for of_side in counts))

    def fill(task: tuple[int, slice]) -> None:
        side, rows = task
        factors = factor * scales[side][rows]
        constants = side_constants(side, counts[side][rows], settings, factors, highest[side])
        with np.errstate(over="ignore"):
            out[side][rows] = constants

    tasks = [(side, rows) for side in range(2) for rows in slices(len(counts[side]), CHUNK)]
    _run_chunks(fill, tasks, workers)
    return out


def side_constants(
    side: int, counts: Doubles, settings: Settings, factors: Doubles | float, highest: float
) -> Doubles:
    """Return the constants of some users (side 0) or items (side 1).

    AdaGrad accumulates the squared gradients of all K factors of a row and divides by the root of
    the sum, which begins with K, so the rate of factors is multiplied by √K.

    Parameters
    ----------
    side : int
        0 or 1.
    counts : ndarray of float64
        Number of ratings of each row.
    settings : Settings
        Learning rates and penalties.
    factors : ndarray of float64 or float
        Factors of the learning rates.
    highest : float
        Maximum factor of all rows of the side.

    Returns
    -------
    ndarray of float64, shape (n, 4)
        See `RowConstants`.
    """
    columns = np.empty((len(counts), 4))
    with np.errstate(divide="ignore", over="ignore"):
        roots = _roots(counts, settings.count_scale)
        for column, kind in ((0, side), (2, side + 2)):
            rate = settings.rates[kind]
            rates = columns[:, column] = factors * (rate / roots)
            given = settings.l2[kind], settings.shrinkage[kind], counts, rates
            columns[:, column + 1] = _penalties(*given, highest * rate)
        if settings.rule.adagrad:
            columns[:, 0] *= math.sqrt(max(1, settings.n_factors))
    return columns


def plain_columns(constants: Floats, bias: Floats, workers: Workers | None = None) -> Floats:
    """Return the columns of one side that the plain kernel takes: the enum in plain.pyx.

    They are the bias, the learning rate and the decay, 1 − ηλ, of the factors, and the decay of the
    bias, computed by the threads given.
    """
    out = np.empty_like(constants)

    def fill(rows: slice) -> None:
        rate, l2, bias_rate, bias_l2 = constants[rows].T
        out[rows, 0], out[rows, 1] = bias[rows], rate
        with np.errstate(over="ignore", invalid="ignore"):
            out[rows, 2] = 1 - rate * l2
            out[rows, 3] = 1 - bias_rate * bias_l2

    _run_chunks(fill, slices(len(out), CHUNK), workers)
    return out


def svdpp_decay(
    constants: RowConstants, schedule: Schedule, settings: Settings, factor: Doubles
) -> tuple[Doubles, Doubles]:
    """Return the factors, from 0 to 1, by which each rating multiplies p_u and y_j.

    The rates and penalties of y are those of user factors, with the counts of the items, whose
    learning rates are multiplied by `factor`.
    """
    counts, dtype = schedule.item_counts, schedule.ratings.dtype
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        rates = factor * row_rates(settings.rates[0], counts, settings.count_scale)
        l2 = row_penalties(settings.l2[0], settings.shrinkage[0], counts, rates)
        user_shrinkage = constants.users[:, 0] * constants.users[:, 1]
        item_shrinkage = rates.astype(dtype) * l2.astype(dtype)
    return _decay(user_shrinkage), _decay(item_shrinkage)


def row_rates(rate: float, counts: Doubles, count_scale: float) -> Doubles:
    """Return the learning rate η / √(1 + n / n₀) of each row.

    Examples
    --------
    >>> row_rates(0.1, np.array([0.0, 300.0]), count_scale=100.0)
    array([0.1 , 0.05])
    """
    rates: Doubles = rate / _roots(counts, count_scale)
    return rates


def row_penalties(l2: float, shrinkage: float, counts: Doubles, rates: Doubles) -> Doubles:
    """Return the penalty λ + c / n of each row, for one of its n ratings.

    c is limited to 1 / η − λ, so that no update moves a parameter beyond 0.

    Examples
    --------
    >>> row_penalties(0.1, 2.0, np.array([1.0, 20.0]), np.array([0.5, 0.25]))
    array([2. , 0.2])
    """
    with np.errstate(divide="ignore", over="ignore"):
        return _penalties(l2, shrinkage, counts, rates, float(rates.max()))


def _run_chunks(fill: Callable[[T], None], tasks: list[T], workers: Workers | None) -> None:
    """Compute chunks of rows, with less than one thread per chunk because most are small."""
    n_threads = 1 if workers is None else min(workers.n_threads, max(1, len(tasks) - 1))
    Workers(n_threads).map(fill, tasks)


def _roots(counts: Doubles, count_scale: float) -> Doubles:
    """Return the divisors √(1 + n / n₀) of the learning rates."""
    roots: Doubles = np.sqrt(1 + counts / count_scale)
    return roots


def _penalties(
    l2: float, shrinkage: float, counts: Doubles, rates: Doubles, highest: float
) -> Doubles:
    """Return the penalties of rows whose learning rates are at most `highest`."""
    if highest > 0 and shrinkage > 1 / highest - l2:  # the limit may apply
        return l2 + np.minimum(shrinkage, np.maximum(1 / rates - l2, 0.0)) / counts
    penalties: Doubles = l2 + shrinkage / counts
    return penalties


def _decay(shrinkage: Floats) -> Doubles:
    return np.maximum(1 - shrinkage.astype(np.float64), 0.0)
