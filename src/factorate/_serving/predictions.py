"""Predictions of pairs of user and item, and their comparison with ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._fitted.rating_state import RatingState
from factorate._input.pairs import read_pairs
from factorate._input.rating_values import read_values
from factorate._input.unknown_ids import warn_unknown
from factorate._training import factors

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.column_names import Names
    from factorate._input.unknown_ids import Policy
    from factorate._utils.types import Floats, Rows


def predict(
    fitted: FittedState,
    X: Any,
    *,
    columns: Names | None = None,
    clip: bool = False,
    unknown: Policy = "warn",
    n_threads: int | None = None,
) -> Floats:
    """Predict the ratings, or scores, of pairs in any form."""
    users, items, given = read_pairs(X, fitted.user_index, fitted.item_index, names=columns)
    pairs = (given.user_ids, users), (given.item_ids, items)
    warn_unknown(*pairs, fitted.consequences.in_predictions, stacklevel=3, policy=unknown)
    return predict_rows(fitted, users, items, clip=clip, n_threads=n_threads)


class Comparison(NamedTuple):
    """Ratings and their predictions."""

    user_rows: Rows  # −1 if unknown
    item_rows: Rows
    ratings: Floats
    predictions: Floats
    n_unknown: int  # number of pairs with an unknown user or item


def compare(
    fitted: FittedState,
    X: Any,
    y: ArrayLike | None = None,
    *,
    columns: Names | None = None,
    clip: bool = False,
    unknown: Policy = "warn",
    n_threads: int | None = None,
    stacklevel: int = 2,
) -> Comparison:
    """Read ratings in any form and predict them; see `MatrixFactorization.evaluate`.

    Warnings are those of the caller `stacklevel` frames above; 2 is who called the caller.
    """
    users, items, given = read_pairs(
        X, fitted.user_index, fitted.item_index, y=y, names=columns, with_ratings=True
    )
    ratings = read_values(given.ratings, np.dtype(np.float64))
    if not len(ratings):
        raise ValueError("there are no ratings; at least one is needed")
    pairs = (given.user_ids, users), (given.item_ids, items)
    warn_unknown(
        *pairs, fitted.consequences.in_predictions, stacklevel=stacklevel + 1, policy=unknown
    )
    n_unknown = int(np.count_nonzero((users < 0) | (items < 0)))
    predictions = predict_rows(fitted, users, items, clip=clip, n_threads=n_threads)
    return Comparison(users, items, ratings, predictions, n_unknown)


def predict_rows(
    fitted: FittedState, users: Rows, items: Rows, *, clip: bool, n_threads: int | None = 1
) -> Floats:
    """Predict the ratings of pairs of rows; `clip` limits them to the range of the ratings."""
    predicted = factors.predict(fitted.factors, users, items, n_threads)
    if clip and isinstance(fitted, RatingState):
        return np.clip(predicted, *fitted.bounds)
    return predicted
