"""Probabilities of the two values of the ratings, for models with logistic loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._utils.fixed_order import exp

if TYPE_CHECKING:
    from factorate._utils.types import Floats


def probabilities(predicted: Floats, midpoint: float, scale: float) -> Floats:
    """Return the probabilities of the lower and the higher value, 1 / (1 + exp(±m)).

    The margin m = (r̂ − midpoint) / scale is what training calls the prediction: −1 and 1 stand for
    the two values.

    Parameters
    ----------
    predicted : ndarray of shape (n,)
        Predictions r̂, on the scale of the ratings.
    midpoint, scale : float
        Midpoint of the two values, and half their distance.

    Returns
    -------
    ndarray of shape (n, 2)
        In the dtype of the predictions.

    Examples
    --------
    >>> probabilities(np.array([0.5, 1.0, -400.0]), 0.5, 0.5).round(3)
    array([[0.5  , 0.5  ],
           [0.269, 0.731],
           [1.   , 0.   ]])
    """
    margin = (predicted.astype(np.float64) - midpoint) / scale
    small = exp(-np.abs(margin))  # of numbers up to 0, so nothing overflows
    likely, unlikely = 1 / (1 + small), small / (1 + small)
    low = np.where(margin < 0, likely, unlikely)
    high = np.where(margin < 0, unlikely, likely)
    return np.stack([low, high], axis=1).astype(predicted.dtype)


def check_logistic(loss: str) -> None:
    """Raise AttributeError unless predictions of a model with this loss are probabilities."""
    if loss == "logistic":
        return
    reason = (
        "minimizing it estimates which value is more likely, not how likely it is"
        if loss in {"hinge", "squared_hinge"}
        else "its ratings are numbers, not two classes"
    )
    raise AttributeError(f"predict_proba needs loss='logistic'; the loss is {loss!r}, and {reason}")
