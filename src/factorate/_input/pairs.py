"""Read pairs of user and item as rows of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._input.columns import read_columns
from factorate._input.id_column import read_ids
from factorate._input.id_to_row import look_up
from factorate._utils.validation import is_sparse

if TYPE_CHECKING:
    from factorate._input.column_names import Names
    from factorate._input.columns import Columns
    from factorate._input.id_index import IdIndex
    from factorate._utils.types import Rows


def read_pairs(
    data: object,
    user_index: IdIndex,
    item_index: IdIndex,
    *,
    y: object = None,
    names: Names | None = None,
    with_ratings: bool = False,
) -> tuple[Rows, Rows, Columns]:
    """Read pairs of user and item, with or without ratings, and look up their rows.

    Parameters
    ----------
    data, y : object
        Pairs or ratings in any accepted form.
    user_index, item_index : IdIndex
        The ids of the model.
    names : tuple of str, optional
        Names of the columns (user, item, rating) of a DataFrame or file; None to recognize them.
    with_ratings : bool, default=False
        Whether ratings are needed.

    Returns
    -------
    user_rows, item_rows : ndarray of int32, shape (n,)
        Rows, −1 if unknown.
    columns : Columns
        The input as columns.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As `read_columns`, and if a column is of another type than the model's ids.
    """
    kinds = user_index.kind, item_index.kind
    columns = read_columns(data, y, names=names, with_ratings=with_ratings, kinds=kinds)
    if not with_ratings and columns.shape is not None and not is_sparse(data):
        raise ValueError(
            f"pairs of user and item have shape (n, 2); got {columns.shape}; for the pairs "
            f"of a matrix pass scipy.sparse.coo_array(a)"
        )
    user_rows = look_up(user_index, read_ids(columns.user_ids, "users"), "users")
    item_rows = look_up(item_index, read_ids(columns.item_ids, "items"), "items")
    return np.ascontiguousarray(user_rows), np.ascontiguousarray(item_rows), columns
