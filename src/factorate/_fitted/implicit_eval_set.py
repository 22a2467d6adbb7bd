"""read_implicit_eval_set: the validation interactions that a user passes to ``fit``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_column import read_ids
from factorate._input.id_to_row import look_up
from factorate._input.interactions import read_interaction_columns

if TYPE_CHECKING:
    from factorate._cluster.cluster_ratings import ClusterRatings
    from factorate._input.column_names import Names
    from factorate._input.ratings import Ratings
    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._utils.types import Rows


def read_implicit_eval_set(
    eval_set: object, given: Ratings | RatingsInStore | ClusterRatings, names: Names | None
) -> tuple[Rows, Rows]:
    """Return the rows of the validation interactions; those of unknown users are left out.

    Parameters
    ----------
    eval_set : object
        Interactions in any form that ``fit`` accepts, or (X, y).
    given : Ratings, RatingsInStore or ClusterRatings
        The training interactions, which define the rows.
    names : tuple of str or None
        Names of columns.

    Returns
    -------
    user_rows, item_rows : ndarray of int32
        The rows; −1 is an unknown item.

    Raises
    ------
    TypeError, ValueError
        If it is not a set of interactions, or has none of known users; the message begins with
        "eval_set".
    """
    indexes = given.user_index, given.item_index
    if isinstance(eval_set, tuple) and len(eval_set) == 2 and _holds_pairs(eval_set[0]):
        eval_set, _ = eval_set  # (X, y), not (users, items)
    try:
        kinds = indexes[0].kind, indexes[1].kind
        columns = read_interaction_columns(eval_set, names=names, kinds=kinds)
        users = look_up(indexes[0], read_ids(columns.user_ids, "users"), "users")
        items = look_up(indexes[1], read_ids(columns.item_ids, "items"), "items")
    except TypeError as error:
        raise TypeError(f"eval_set: {error}") from error
    except ValueError as error:  # also its subclasses, such as UnicodeDecodeError
        raise ValueError(f"eval_set: {error}") from error
    known = users >= 0
    if not known.any():
        raise ValueError(
            "eval_set has no interactions of users that have training interactions; expected at "
            "least one"
        )
    return users[known], items[known]


def _holds_pairs(X: Any) -> bool:
    """Return whether an object holds more than one column."""
    if isinstance(X, list):
        return bool(X) and isinstance(X[0], list | tuple | np.ndarray)
    return isinstance(X, Mapping) or len(getattr(X, "shape", ())) == 2
