"""Comparisons of ratings with their predictions, in bins of similar predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.wide import as_wide
from factorate._serving.predictions import compare
from factorate._utils.validation import check_count
from factorate.rating_model import RatingModel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._input.unknown_ids import Policy
    from factorate.base import FactorModel

    Doubles = NDArray[np.float64]


def ratings_and_predictions(
    estimator: FactorModel, X: Any, y: ArrayLike | None, *, wide: bool, unknown: Policy
) -> tuple[Doubles, Doubles]:
    """Return ratings in any form and the predictions of a fitted model of ratings."""
    if not isinstance(estimator, RatingModel):
        raise TypeError(
            f"estimator is {estimator!r}, whose scores are not ratings; expected a "
            f"MatrixFactorization"
        )
    found = compare(
        estimator._require(),
        as_wide(X, wide),
        y,
        columns=estimator._checked_columns(),
        clip=estimator.clip,
        unknown=unknown,
        n_threads=estimator.n_threads,
        stacklevel=3,
    )
    return found.ratings.astype(np.float64), found.predictions.astype(np.float64)


def check_comparison(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Doubles, Doubles]:
    """Return ratings and predictions as arrays; raise ValueError unless they match.

    Examples
    --------
    >>> check_comparison([1, 2], [1.5])
    Traceback (most recent call last):
    ...
    ValueError: y_true has shape (2,) and y_pred (1,); expected one prediction for each rating
    """
    true, predicted = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(
            f"y_true has shape {true.shape} and y_pred {predicted.shape}; expected one prediction "
            f"for each rating"
        )
    if not len(true):
        raise ValueError("y_true is empty; expected at least one rating")
    for name, values in (("y_true", true), ("y_pred", predicted)):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise ValueError(f"{name}[{bad[0]}] is {values[bad[0]]}; expected finite numbers")
    return true, predicted


def split_by_prediction(y_pred: Doubles, n_bins: int) -> list[NDArray[np.intp]]:
    """Split predictions into bins with about the same number in each, from low to high.

    Equal predictions are in the same bin, so there can be fewer bins.

    Parameters
    ----------
    y_pred : ndarray of shape (n,)
        Predictions.
    n_bins : int
        Maximum number of bins.

    Returns
    -------
    list of ndarray
        Where the predictions of each bin are; none is empty.

    Examples
    --------
    >>> [bin.tolist() for bin in split_by_prediction(np.array([4.0, 1.0, 3.0, 2.0]), 2)]
    [[1, 3], [2, 0]]
    """
    n_bins = check_count("n_bins", n_bins, 1)
    order = np.argsort(y_pred, kind="stable")
    ordered = y_pred[order]
    cuts = [len(ordered) * number // n_bins for number in range(1, n_bins)]
    firsts = np.unique(np.searchsorted(ordered, ordered[cuts]))
    return np.split(order, firsts[firsts > 0])
