"""look_up_store: the rows of a model that the users and items of a store have."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.id_column import IdColumn
from factorate._input.id_to_row import look_up
from factorate._input.unknown_ids import check_policy
from factorate._utils.validation import show
from factorate.exceptions import UnknownIdError, UnknownIdWarning

if TYPE_CHECKING:
    from factorate._fitted.fitted_state import FittedState
    from factorate._input.unknown_ids import Policy
    from factorate._store.stored_ratings import StoredRatings
    from factorate._utils.types import Rows

MAX_SHOWN = 3


def look_up_store(
    fitted: FittedState, stored: StoredRatings, *, unknown: Policy, stacklevel: int
) -> tuple[Rows, Rows]:
    """Return the row of the model for each number of a user and of an item of a store.

    Parameters
    ----------
    fitted : FittedState
        The fitted state of the model.
    stored : StoredRatings
        The store.
    unknown : {"warn", "ignore", "raise"}
        What to do about users and items that the model does not know.
    stacklevel : int
        As for `warnings.warn`, counted from the caller.

    Returns
    -------
    user_rows, item_rows : ndarray of int32
        Rows, −1 if unknown.

    Raises
    ------
    UnknownIdError
        If users or items are unknown and `unknown` is "raise".
    TypeError
        If ids are of another type than those of the model.
    """
    check_policy(unknown)
    rows_of_ids = [
        look_up(of_model, IdColumn(of_store.ids, of_store.kind), what)
        for of_model, of_store, what in zip(
            (fitted.user_index, fitted.item_index),
            stored.indexes,
            ("users", "items"),
            strict=True,
        )
    ]
    _warn_unknown(fitted, stored, rows_of_ids, unknown, stacklevel + 2)
    user_rows, item_rows = (
        rows.take(stored.read_rows(side)) for side, rows in enumerate(rows_of_ids)
    )
    return user_rows, item_rows


def _warn_unknown(
    fitted: FittedState,
    stored: StoredRatings,
    rows_of_ids: list[Rows],
    policy: Policy,
    stacklevel: int,
) -> None:
    if policy == "ignore":
        return
    found = []
    for index, rows, what in zip(stored.indexes, rows_of_ids, ("users", "items"), strict=True):
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            shown = ", ".join(show(index.ids[row]) for row in unknown[:MAX_SHOWN])
            more = ", …" if len(unknown) > MAX_SHOWN else ""
            counted = f"{len(unknown):,} of {len(rows):,} {what} of the store are unknown"
            found.append(f"{counted} ({shown}{more})")
    if not found:
        return
    consequence = fitted.consequences.in_predictions
    if policy == "raise":
        raise UnknownIdError(f"{'; '.join(found)}; with unknown='ignore', {consequence}")
    warnings.warn(f"{'; '.join(found)}: {consequence}", UnknownIdWarning, stacklevel=stacklevel)
