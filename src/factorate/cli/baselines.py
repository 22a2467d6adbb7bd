"""damped_biases: the mean and the biases that a model must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from factorate._utils.types import Floats, Rows

DAMPING = 5  # gives a low error on MovieLens 100k and 1M; 0, 2, 10 and 25 are no better on both
N_PASSES = 10


class Biases(NamedTuple):
    """Predictions without factors: the mean plus the bias of the user and that of the item."""

    mean: float
    user_bias: Floats
    item_bias: Floats

    def predict(self, user_rows: Rows, item_rows: Rows) -> Floats:
        """Predict the ratings of pairs of rows."""
        return self.mean + self.user_bias[user_rows] + self.item_bias[item_rows]


def damped_biases(
    user_rows: Rows, item_rows: Rows, values: Floats, shape: tuple[int, int]
) -> Biases:
    """Fit biases to ratings by alternating damped means.

    A bias is the sum of the residuals of its user or item, divided by their number plus a constant
    (Koren, "Factor in the Neighbors: Scalable and Accurate Collaborative Filtering", ACM TKDD 4(1),
    2010, section 2.1). Biases without ratings are 0.

    Parameters
    ----------
    user_rows, item_rows : ndarray of int32, shape (n,)
        Rows of the user and the item of each rating.
    values : ndarray of float64, shape (n,)
        The ratings.
    shape : tuple of int
        Numbers of users and items.

    Returns
    -------
    Biases

    Examples
    --------
    >>> rows, values = np.repeat(np.arange(2), 30), np.repeat([2.0, 4.0], 30)
    >>> biases = damped_biases(np.zeros(60, int), rows, values, shape=(2, 3))
    >>> biases.mean, biases.item_bias.round(2)
    (3.0, array([-0.86,  0.86,  0.  ]))
    """
    mean = float(values.mean())
    centered = values - mean
    user_counts, item_counts = (
        np.bincount(rows, minlength=n)
        for rows, n in zip((user_rows, item_rows), shape, strict=True)
    )
    user_bias, item_bias = map(np.zeros, shape)
    for _ in range(N_PASSES):
        residuals = np.bincount(item_rows, centered - user_bias[user_rows], len(item_bias))
        item_bias = residuals / (item_counts + DAMPING)
        residuals = np.bincount(user_rows, centered - item_bias[item_rows], len(user_bias))
        user_bias = residuals / (user_counts + DAMPING)
    return Biases(mean, user_bias, item_bias)
