"""How far predictions are from ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

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


def r2(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the coefficient of determination, 1 − Σ(y − ŷ)² / Σ(y − ȳ)².

    Equal ratings have no variance to explain: then it is 1 for exact predictions, else 0, as in
    scikit-learn.

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
    >>> r2([1, 2, 3], [1, 2, 4])
    0.5
    """
    residual = float(np.sum(np.square(_errors(y_true, y_pred))))
    true = np.asarray(y_true, np.float64)
    total = float(np.sum(np.square(true - true.mean())))
    if total == 0:
        return float(residual == 0)
    return 1 - residual / total
