"""Errors of predicted ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def _errors(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.floating[Any]]:
    true, predicted = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(
            f"y_true has shape {true.shape} and y_pred {predicted.shape}; expected (n,) for both"
        )
    if not len(true):
        raise ValueError("there are no ratings; at least one is needed")
    return true - predicted


def _weights(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64]:
    if sample_weight is None:
        return np.ones(n)
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}; expected ({n},)")
    bad = np.flatnonzero(~((weights >= 0) & (weights < np.inf)))
    if len(bad):
        raise ValueError(f"sample_weight[{bad[0]}] is {weights[bad[0]]}; expected ≥ 0 and finite")
    if not weights.any():
        raise ValueError("all entries of sample_weight are 0; at least one above 0 is needed")
    return weights


def rmse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the root of the mean squared error.

    Parameters
    ----------
    y_true, y_pred
        Ratings and predictions, shape (n,), n ≥ 1.

    Raises
    ------
    ValueError
        If the shapes differ or are empty.

    Examples
    --------
    >>> rmse([1, 2], [1, 4])
    1.4142135623730951
    """
    return float(np.sqrt(np.mean(np.square(_errors(y_true, y_pred)))))


def mae(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the mean absolute error.

    Parameters
    ----------
    y_true, y_pred
        Ratings and predictions, shape (n,), n ≥ 1.

    Raises
    ------
    ValueError
        If the shapes differ or are empty.

    Examples
    --------
    >>> mae([1, 2], [1, 4])
    1.0
    """
    return float(np.mean(np.abs(_errors(y_true, y_pred))))


def r2(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the coefficient of determination, 1 − Σ w (y − ŷ)² / Σ w (y − ȳ)².

    Equal ratings have no variance to explain: then it is 1 for exact predictions, else 0, as in
    scikit-learn.

    Parameters
    ----------
    y_true, y_pred
        Ratings and predictions, shape (n,), n ≥ 1.
    sample_weight
        Weight w of each rating, ≥ 0 and some above, shape (n,); None for equal ones. ȳ is weighted
        too.

    Raises
    ------
    ValueError
        If the shapes differ or are empty, or weights are not what they should be.

    Examples
    --------
    >>> r2([1, 2, 3], [1, 2, 4])
    0.5
    """
    errors, true = _errors(y_true, y_pred), np.asarray(y_true, np.float64)
    weights = _weights(sample_weight, len(true))
    residual = float(np.sum(weights * np.square(errors)))
    total = float(np.sum(weights * np.square(true - np.average(true, weights=weights))))
    if total == 0:
        return float(residual == 0)
    return 1 - residual / total
