"""Losses: the ratings they accept, the centre and scale they need, and their mean."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from factorate._training.selection import select
from factorate._training.update_rule import MIN_PREDICTED
from factorate._utils.columns import map_chunks
from factorate._utils.fixed_order import dot, exp, log, log1p, total
from factorate._utils.validation import show

if TYPE_CHECKING:
    from factorate._training.update_rule import UpdateRule
    from factorate._utils.types import Column, Doubles, Floats


TWO_VALUED = frozenset({"logistic", "hinge", "squared_hinge"})
# Numbers beyond 2**±300 are rescaled, because their squares may overflow or underflow.
MAX_EXPONENT = 300

logger = logging.getLogger("factorate")


def check(
    values: Floats,
    rule: UpdateRule,
    known: tuple[float, float] | None = None,
    what: str = "ratings",
) -> None:
    """Raise ValueError if the loss is not defined for some of the ratings.

    Parameters
    ----------
    values : ndarray
        Ratings; at least one.
    rule : UpdateRule
        The loss, and whether factors are nonnegative.
    known : tuple of float, default=None
        Minimum and maximum training rating, if `values` are additional or validation ratings.
    what : str, default="ratings"
        Name of the ratings, for errors.
    """
    if rule.nonnegative and rule.loss not in TWO_VALUED:
        bad = np.flatnonzero(values < 0)
        if len(bad):
            raise ValueError(
                f"{what}[{bad[0]}] is {show(values[bad[0]])}; nonnegative=True expects ratings "
                f"≥ 0: shift the ratings, or set nonnegative=False"
            )
        if rule.loss == "kullback_leibler" and known is None and not values.any():
            raise ValueError("all ratings are 0; loss='kullback_leibler' expects some above 0")
    if rule.loss in TWO_VALUED:
        low, high = known or (values.min(), values.max())
        bad = np.flatnonzero((values != low) & (values != high))
        if low == high or len(bad):
            where = int(bad[0]) if len(bad) else 0
            seen = "all are equal" if low == high else f"others are {show(low)} and {show(high)}"
            raise ValueError(
                f"{what}[{where}] is {show(values[where])} and {seen}; loss={rule.loss!r} expects "
                f"ratings of two values: choose another loss, or replace them by two values"
            )


def moments(values: Column, weights: Floats | None = None) -> tuple[float, float]:
    """Return the (weighted) mean and standard deviation, summed in float64.

    Very large and very small numbers are scaled by a power of two, which is exact, so that their
    squares neither overflow nor underflow.
    """
    low, high = _range(values)
    exponent = int(np.frexp(max(high, -low))[1])
    if abs(exponent) <= MAX_EXPONENT:
        exponent = 0
    n = len(values) if weights is None else total(weights)
    mean = squares = 0.0
    for chunk_sum in map_chunks(partial(_sum, exponent=exponent), values, weights):
        mean += chunk_sum
    mean /= n
    of_squares = partial(_sum_of_squares, exponent=exponent, centre=mean)
    for chunk_sum in map_chunks(of_squares, values, weights):
        squares += chunk_sum
    return math.ldexp(mean, exponent), math.ldexp((squares / n) ** 0.5, exponent)


def _sum(values: Floats, weights: Floats | None, exponent: int) -> float:
    """Return the (weighted) sum of values, divided by a power of two."""
    numbers = np.ldexp(values.astype(np.float64), -exponent)
    return float(np.sum(numbers if weights is None else numbers * weights))


def _sum_of_squares(values: Floats, weights: Floats | None, exponent: int, centre: float) -> float:
    """Return the (weighted) sum of the squares of values, divided by a power of two and centred."""
    numbers = np.ldexp(values.astype(np.float64), -exponent)
    numbers -= centre
    return dot(numbers, numbers if weights is None else numbers * weights)


def median(values: Column, weights: Floats | None = None) -> float:
    """Return the (weighted) median; of the numbers in the middle, the mean.

    The values may be in a file, or in other processes, if there are no weights.

    Examples
    --------
    >>> import numpy as np
    >>> median(np.array([1.0, 2.0, 9.0])), median(np.array([1.0, 2.0, 9.0]), np.array([1, 1, 3]))
    (2.0, 9.0)
    """
    if weights is None:
        low, high = (len(values) - 1) // 2, len(values) // 2
        if not isinstance(values, np.ndarray):
            lower = select(values, low)
            return lower if low == high else _midpoint(lower, select(values, high))
        ordered = np.partition(values, (low, high))
        return _midpoint(float(ordered[low]), float(ordered[high]))
    values = values[:]
    order = np.argsort(values, kind="stable")
    totals = np.cumsum(weights[order], dtype=np.float64)
    low, high = (np.searchsorted(totals, totals[-1] / 2, side) for side in ("left", "right"))
    return _midpoint(float(values[order[low]]), float(values[order[high]]))


def centre_and_scale(
    values: Column,
    rule: UpdateRule,
    fit_mean: bool,
    weights: Floats | None = None,
    *,
    log_level: int = logging.WARNING,
) -> tuple[float, float]:
    """Return the centre, which is subtracted from the ratings, and the scale that divides them.

    The centre is the constant prediction with the lowest loss: the mean for the squared loss, the
    median for the absolute loss and Huber's. The scale is the standard deviation, or the size of
    the ratings if all are equal. Two values become −1 and 1. If factors are nonnegative the centre
    is 0, and for Kullback–Leibler the scale is the mean. That ratings differ by little is logged
    at `log_level`.

    Raises
    ------
    ValueError
        If the difference of two ratings can overflow.
    """
    low, high = _range(values)
    largest, numbers = max(high, -low), np.finfo(values.dtype)
    if largest > np.finfo(np.float64).max / 4:
        raise ValueError(
            f"ratings are up to {largest:.3g} in size, too large for differences in float64; "
            f"divide them by a number"
        )
    smallest = float(numbers.smallest_subnormal)
    if rule.loss in TWO_VALUED:
        return (low + high) / 2, max((high - low) / 2, smallest)
    mean, deviation = moments(values, weights)
    if rule.loss == "kullback_leibler":
        return 0.0, max(mean, smallest)
    # The deviation of equal ratings is a rounding error, which must not be scaled up to 1.
    rounding = float(numbers.eps) * abs(mean)
    scale = deviation
    if deviation <= 8 * max(rounding, smallest):
        scale = largest or 1.0
        if fit_mean and not rule.nonnegative:  # only the rounding error is left
            scale = min(scale, max(1.0, 8 * rounding))
    if 8 * rounding < deviation < 1000 * rounding:
        logger.log(
            log_level,
            "ratings differ by %.3g around %.3g, which leaves few digits in %s; subtract a "
            "constant from them, or use another dtype",
            deviation,
            mean,
            values.dtype,
        )
    if not fit_mean or rule.nonnegative:
        return 0.0, scale
    return (mean if rule.loss == "squared" else median(values, weights)), scale


def average(values: Floats, weights: Floats | None = None) -> float:
    """Return the (weighted) mean, summed in float64 in a fixed order."""
    if weights is None:
        return total(values) / len(values)
    return dot(values, weights) / total(weights)


def _range(values: Column) -> tuple[float, float]:
    """Return the minimum and maximum."""
    low, high = math.inf, -math.inf
    for chunk_low, chunk_high in map_chunks(_range_of_chunk, values):
        low, high = min(low, chunk_low), max(high, chunk_high)
    return low, high


def _range_of_chunk(values: Floats, _: None) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _midpoint(low: float, high: float) -> float:
    """Return the mean of two numbers, whose sum may overflow."""
    middle = (low + high) / 2
    return middle if math.isfinite(middle) else low / 2 + high / 2


def mean_loss(
    rule: UpdateRule, ratings: Floats, predicted: Floats, weights: Floats | None = None
) -> float:
    """Return the (weighted) mean loss of predictions, both on the scale of training.

    The losses are ½e², |e|, Huber's (Huber, "Robust Estimation of a Location Parameter", Annals of
    Mathematical Statistics 35(1), 1964), log(1 + exp(−m)), max(0, 1 − m), ½max(0, 1 − m)², with the
    error e = r − r̂ and the margin m = r r̂, and r log(r / r̂) − r + r̂ (Lee and Seung, "Algorithms
    for Non-negative Matrix Factorization", NIPS 2000, eq. 3).

    Examples
    --------
    >>> from factorate._training.update_rule import UpdateRule
    >>> mean_loss(UpdateRule("absolute"), np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    0.25
    """
    with np.errstate(over="ignore", invalid="ignore"):  # not finite if training diverged
        return average(_losses(rule, ratings.astype(np.float64), predicted), weights)


def _losses(rule: UpdateRule, ratings: Doubles, predicted: Floats) -> Floats:
    """Return the loss of each prediction."""
    predicted = predicted.astype(np.float64)
    error, margin = np.abs(ratings - predicted), ratings * predicted
    if rule.loss == "squared":
        losses = error**2 / 2
    elif rule.loss == "absolute":
        losses = error
    elif rule.loss == "huber":
        delta = rule.huber_delta
        losses = np.where(error <= delta, error**2 / 2, delta * (error - delta / 2))
    elif rule.loss == "logistic":
        losses = np.maximum(0, -margin) + log1p(exp(-np.abs(margin)))
    elif rule.loss == "hinge":
        losses = np.maximum(0, 1 - margin)
    elif rule.loss == "squared_hinge":
        losses = np.maximum(0, 1 - margin) ** 2 / 2
    else:
        predicted = np.maximum(predicted, MIN_PREDICTED)
        logs = log(np.where(ratings > 0, ratings, 1) / predicted)
        losses = np.where(ratings > 0, ratings * logs, 0) - ratings + predicted
    return losses
