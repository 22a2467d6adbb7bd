"""read_eval_set: the ratings for validation that a user passes to ``fit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.pairs import read_pairs
from factorate._input.rating_values import read_values
from factorate._training import losses
from factorate._training.held_out import HeldOut

if TYPE_CHECKING:
    from factorate._input.column_names import Names
    from factorate._input.ratings import Ratings
    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._training.update_rule import UpdateRule


def read_eval_set(
    eval_set: Any,
    ratings: Ratings | RatingsInStore,
    rule: UpdateRule,
    names: Names | None,
    bounds: tuple[float, float],
) -> HeldOut:
    """Read the ratings that the user passed as `eval_set`.

    Parameters
    ----------
    eval_set : object
        Ratings in any form that `fit` accepts, or (X, y).
    ratings : Ratings or RatingsInStore
        The training ratings, which define the rows.
    rule : UpdateRule
        The update rule, whose loss must be defined for the ratings.
    names : tuple of str or None
        Names of columns.
    bounds : tuple of float
        Minimum and maximum training rating.

    Returns
    -------
    HeldOut

    Raises
    ------
    TypeError, ValueError
        If it is not a set of ratings, or is empty; the message begins with "eval_set".
    """
    if isinstance(eval_set, list):
        raise TypeError(
            "eval_set is a list; expected ratings in any form that fit accepts, or (X, y)"
        )
    X, y = eval_set if isinstance(eval_set, tuple) and len(eval_set) == 2 else (eval_set, None)
    indexes = ratings.user_index, ratings.item_index
    try:
        user_rows, item_rows, columns = read_pairs(X, *indexes, y=y, names=names, with_ratings=True)
        values = read_values(columns.ratings, np.dtype(np.float64))
    except TypeError as error:
        raise TypeError(f"eval_set: {error}") from error
    except ValueError as error:  # also its subclasses, such as UnicodeDecodeError
        raise ValueError(f"eval_set: {error}") from error
    if not len(values):
        raise ValueError("there are no ratings in eval_set; at least one is needed")
    losses.check(values, rule, bounds, "ratings of eval_set")
    return HeldOut(user_rows=user_rows, item_rows=item_rows, values=values)
