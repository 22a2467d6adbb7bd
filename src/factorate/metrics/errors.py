"""Metrics of predicted ratings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from factorate._utils.types import Doubles


def rmse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the root mean squared error, ``sqrt(mean((y − ŷ)²))``.

    Parameters
    ----------
    y_true : array-like of shape (n_ratings,)
        True ratings, at least one.
    y_pred : array-like of shape (n_ratings,)
        Predicted ratings.

    Returns
    -------
    float
        The error, in units of the ratings.

    Raises
    ------
    ValueError
        If the arrays are empty, their shapes differ, or the error is too large for float64.

    Examples
    --------
    >>> rmse([1, 2], [1, 4])
    1.4142135623730951
    """
    errors, exponent = _scaled_errors(y_true, y_pred)
    return _unscaled(float(np.sqrt(np.mean(np.square(errors)))), exponent)


def mae(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the mean absolute error, ``mean(|y − ŷ|)``.

    Parameters
    ----------
    y_true : array-like of shape (n_ratings,)
        True ratings, at least one.
    y_pred : array-like of shape (n_ratings,)
        Predicted ratings.

    Returns
    -------
    float
        The error, in units of the ratings.

    Raises
    ------
    ValueError
        If the arrays are empty, their shapes differ, or the error is too large for float64.

    Examples
    --------
    >>> mae([1, 2], [1, 4])
    1.0
    """
    errors, exponent = _scaled_errors(y_true, y_pred)
    return _unscaled(float(np.mean(np.abs(errors))), exponent)


def r2(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the coefficient of determination, R².

    R² = 1 − Σ w (y − ŷ)² / Σ w (y − ȳ)², where ȳ is the weighted mean of y. If all ratings are
    equal, it is 1 for exact predictions and 0 otherwise, as in scikit-learn.

    Parameters
    ----------
    y_true : array-like of shape (n_ratings,)
        True ratings, at least one.
    y_pred : array-like of shape (n_ratings,)
        Predicted ratings.
    sample_weight : array-like of shape (n_ratings,), optional
        Weights w ≥ 0 of the ratings, at least one of them above 0. The default is equal weights.

    Returns
    -------
    float
        At most 1, which is exact prediction. Predicting ȳ for every rating gives 0.

    Raises
    ------
    ValueError
        If the arrays are empty, their shapes differ, a weight is invalid, or R² is too low for
        float64.

    Examples
    --------
    >>> r2([1, 2, 3], [1, 2, 4])
    0.5
    """
    true, predicted = _read(y_true, y_pred)
    weights = _weights(sample_weight, len(true))
    weights = np.ldexp(weights, -_exponent(weights))
    exponent = _exponent(true, predicted)
    true, predicted = np.ldexp(true, -exponent), np.ldexp(predicted, -exponent)
    residual, residual_exponent = _sum_of_squares(true - predicted, weights)
    total, total_exponent = _sum_of_squares(true - np.average(true, weights=weights), weights)
    if total == 0:
        return float(residual == 0)
    try:
        return 1 - math.ldexp(residual / total, residual_exponent - total_exponent)
    except OverflowError:
        raise ValueError(
            "R² is too low for float64: the errors are more than 1e154 times as large as the "
            "deviations of the ratings from their mean"
        ) from None


def _read(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Doubles, Doubles]:
    true, predicted = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(
            f"y_true has shape {true.shape} and y_pred {predicted.shape}; expected (n,) for both"
        )
    if not len(true):
        raise ValueError("there are no ratings; expected at least one")
    return true, predicted


def _scaled_errors(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Doubles, int]:
    """Return errors divided by a power of two, so that no square overflows, and its exponent."""
    true, predicted = _read(y_true, y_pred)
    exponent = _exponent(true, predicted)
    errors = np.ldexp(true, -exponent) - np.ldexp(predicted, -exponent)
    further = _exponent(errors)  # errors far smaller than the ratings
    return np.ldexp(errors, -further), exponent + further


def _sum_of_squares(numbers: Doubles, weights: Doubles) -> tuple[float, int]:
    """Return a weighted sum of squares divided by a power of two, and the exponent of that."""
    exponent = _exponent(numbers)
    return float(np.sum(weights * np.square(np.ldexp(numbers, -exponent)))), 2 * exponent


def _unscaled(error: float, exponent: int) -> float:
    try:
        return math.ldexp(error, exponent)
    except OverflowError:
        raise ValueError(
            f"the error is {error:.3g} × 2**{exponent}, too large for float64; divide the ratings "
            f"and the predictions by a number"
        ) from None


def _exponent(*arrays: Doubles) -> int:
    """Return the exponent of two of the largest number in size; 0 if one is not finite."""
    largest = max(float(np.abs(array).max()) for array in arrays)
    return math.frexp(largest)[1] if math.isfinite(largest) else 0


def _weights(sample_weight: ArrayLike | None, n: int) -> Doubles:
    if sample_weight is None:
        return np.ones(n)
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}; expected ({n},)")
    bad = np.flatnonzero(~((weights >= 0) & (weights < np.inf)))
    if len(bad):
        raise ValueError(f"sample_weight[{bad[0]}] is {weights[bad[0]]}; expected ≥ 0 and finite")
    if not weights.any():
        raise ValueError("all entries of sample_weight are 0; expected at least one above 0")
    return weights
