"""RowConstants: the learning rates and penalties of each row, from its number of ratings.

A row with n ratings has the learning rate η / √(1 + n / n₀) and the total penalty λ n + c, where c,
its shrinkage, is the same for all rows: the penalty of a Gaussian prior of fixed strength. Each of
the n updates of an epoch applies one n-th of it, λ + c / n.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._utils.types import Doubles, Floats


class RowConstants(NamedTuple):
    """The constants of each position, as the general kernel takes them.

    Columns are the learning rate and penalty of the factors, and those of the bias: the enum in
    _kernels/rule.pxd.
    """

    users: Floats
    items: Floats


def make_row_constants(
    schedule: Schedule, settings: Settings, factor: float, scales: tuple[Doubles, Doubles]
) -> RowConstants:
    """Return the constants of an epoch.

    The learning rates are multiplied by `factor`, and by the `scales` of users and items. AdaGrad
    accumulates the squared gradients of all K factors of a row and divides by the root of the sum,
    which begins with K, so the rate of factors is multiplied by √K.
    """
    root = math.sqrt(max(1, settings.n_factors)) if settings.rule.adagrad else 1.0
    dtype = schedule.ratings.dtype

    def of_side(counts: Doubles, factor: Doubles, factors: int, bias: int) -> Floats:
        out = np.empty((len(counts), 4))
        roots, highest = _roots(counts, settings.count_scale), float(factor.max())
        for column, kind in ((0, factors), (2, bias)):
            rate = settings.rates[kind]
            rates = out[:, column] = factor * (rate / roots)
            given = settings.l2[kind], settings.shrinkage[kind], counts, rates
            out[:, column + 1] = _penalties(*given, highest * rate)
        if root != 1:
            out[:, 0] *= root
        return np.ascontiguousarray(out, dtype)

    with np.errstate(divide="ignore", over="ignore"):
        return RowConstants(
            users=of_side(schedule.user_counts, factor * scales[0], 0, 2),
            items=of_side(schedule.item_counts, factor * scales[1], 1, 3),
        )


def plain_columns(constants: Floats, bias: Floats) -> Floats:
    """Return the columns of one side that the plain kernel takes: the enum in plain.pyx.

    They are the bias, the learning rate and the decay, 1 − ηλ, of the factors, and the decay of the
    bias.
    """
    rate, l2, bias_rate, bias_l2 = constants.T
    out = np.empty_like(constants)
    out[:, 0], out[:, 1] = bias, rate
    with np.errstate(over="ignore", invalid="ignore"):
        out[:, 2] = 1 - rate * l2
        out[:, 3] = 1 - bias_rate * bias_l2
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
