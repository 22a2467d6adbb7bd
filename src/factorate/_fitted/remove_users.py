"""Remove users from a fitted state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.seen import remove_seen
from factorate._input.make_index import without

if TYPE_CHECKING:
    from factorate._fitted.fitted_state import FittedState
    from factorate._utils.types import Rows


def remove_users(fitted: FittedState, rows: Rows) -> FittedState:
    """Return a fitted state without some users; the rows after theirs move up.

    Their ids, factors, biases, accumulators and seen items are removed; items do not change.
    """
    old, accumulators = fitted.factors, fitted.accumulators
    indices = rows.astype(np.intp)  # when memory is short, NumPy may crash with other integers
    if accumulators is not None:
        accumulators = np.delete(accumulators[0], indices, axis=0), accumulators[1]
    return replace(
        fitted,
        factors=replace(
            old,
            user_factors=np.delete(old.user_factors, indices, axis=0),
            user_bias=np.delete(old.user_bias, indices),
        ),
        user_index=without(fitted.user_index, rows),
        accumulators=accumulators,
        seen=None if fitted.seen is None else remove_seen(fitted.seen, rows),
    )
