"""The filled matrix: predictions of all items for all users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_to_row import rows_of
from factorate._input.unknown_ids import warn_unknown
from factorate._serving.frames import matrix_frame
from factorate._serving.predictions import predict_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.unknown_ids import Policy
    from factorate._utils.types import Floats, Rows

MAX_CELLS = 50_000_000
CELLS_AT_ONCE = 1 << 20


def complete(
    fitted: FittedState,
    users: ArrayLike | None = None,
    items: ArrayLike | None = None,
    *,
    clip: bool = False,
    unknown: Policy = "warn",
    max_cells: int = MAX_CELLS,
) -> Any:
    """Return the filled matrix as an array or a DataFrame; see `FactorModel.complete`.

    Raises
    ------
    ValueError
        If there are more than `max_cells` cells and neither `users` nor `items` is given.
    """
    user_ids, user_rows = rows_of(users, fitted.user_index, "users")
    item_ids, item_rows = rows_of(items, fitted.item_index, "items")
    shape = len(user_rows), len(item_rows)
    if users is None and items is None and shape[0] * shape[1] > max_cells:
        raise ValueError(
            f"the filled matrix has {shape[0]} × {shape[1]} cells, more than {max_cells:,}; pass "
            f"the users or items to fill it for"
        )
    given = (user_ids, user_rows), (item_ids, item_rows)
    warn_unknown(*given, fitted.consequences.in_predictions, stacklevel=3, policy=unknown)
    filled = fill(fitted, user_rows, item_rows, clip=clip)
    if fitted.library is None:
        return filled
    return matrix_frame(filled, user_ids, item_ids, fitted.library)


def fill(
    fitted: FittedState,
    users: Rows,
    items: Rows,
    *,
    clip: bool,
    cells_at_once: int = CELLS_AT_ONCE,
) -> Floats:
    """Return the predictions of all items for all users, of shape (len(users), len(items)).

    The rows of the pairs take memory too, so they are made for `cells_at_once` cells at a time.
    """
    filled = np.empty((len(users), len(items)), fitted.factors.user_factors.dtype)
    n_rows = max(1, cells_at_once // max(1, len(items)))
    for first in range(0, len(users), n_rows):
        some = users[first : first + n_rows]
        pairs = np.repeat(some, len(items)), np.tile(items, len(some))
        predicted = predict_rows(fitted, *pairs, clip=clip)
        filled[first : first + n_rows] = predicted.reshape(len(some), -1)
    return filled
