"""Read, normalize and apply sample weights."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.rating_values import read_values
from factorate._utils.validation import show

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike

    from factorate._input.ratings import Ratings
    from factorate._utils.types import Flags, Floats

CHUNK = 1 << 16  # weights converted to Python floats at a time


def read_weights(weights: ArrayLike | None, n: int, dtype: np.dtype[Any]) -> Floats | None:
    """Read the weight of each rating.

    Parameters
    ----------
    weights : array-like or None
        The argument `sample_weight` of the user.
    n : int
        Number of ratings.
    dtype : numpy.dtype
        Type of the result.

    Returns
    -------
    ndarray or None

    Raises
    ------
    ValueError
        If a weight is negative or not finite, if all are 0, or if their number is not `n`.
    """
    if weights is None:
        return None
    values = read_values(weights, dtype, "sample_weight")
    if len(values) != n:
        raise ValueError(f"sample_weight has {len(values)} entries for {n} ratings")
    bad = np.flatnonzero(values < 0)
    if len(bad):
        raise ValueError(f"sample_weight[{bad[0]}] is {show(values[bad[0]])}; expected ≥ 0")
    if n and not values.any():
        raise ValueError("sample_weight is zero for every rating; expected at least one > 0")
    return values


def drop_unweighted(ratings: Ratings, weights: Floats | None) -> tuple[Ratings, Floats | None]:
    """Return the ratings whose weight is not 0, and their weights."""
    if weights is None:
        return ratings, None
    counts = weights > 0
    return select_ratings(ratings, counts), weights[counts]


def normalize_weights(weights: Floats | None) -> Floats | None:
    """Return the weights divided by their mean, or None if all are equal.

    Only their proportions matter then, while their unit would change the learning rates. The sum is
    exact, so the order of the ratings does not affect it. The division by a power of two, which is
    exact too, keeps the sum of large weights finite. No weight becomes 0.
    """
    if weights is None or (weights == weights[0]).all():
        return None
    weights = np.ldexp(weights, -np.frexp(weights.max())[1])
    chunks = (weights[first : first + CHUNK] for first in range(0, len(weights), CHUNK))
    mean = math.fsum(chain.from_iterable(chunk.tolist() for chunk in chunks)) / len(weights)
    smallest = np.finfo(weights.dtype).tiny
    normalized: Floats = np.maximum(weights / weights.dtype.type(mean), smallest)
    return normalized


def replace_unweighted(values: Floats, weights: Floats | None) -> Floats:
    """Replace each rating whose weight is 0 by a rating whose weight is not.

    Checks of the result therefore ignore ratings without weight, and errors name the right index.
    """
    return values if weights is None else np.where(weights > 0, values, values[weights > 0][:1])


def select_ratings(ratings: Ratings, chosen: Flags) -> Ratings:
    """Return some of the ratings, with the same index of users and items."""
    return replace(
        ratings,
        user_rows=ratings.user_rows[chosen],
        item_rows=ratings.item_rows[chosen],
        values=ratings.values[chosen],
    )
