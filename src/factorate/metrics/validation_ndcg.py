"""make_validator: the NDCG of factors on validation interactions, for early stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted.implicit_state import make_factors
from factorate._fitted.seen import find_bounds, was_seen
from factorate._serving.recommend import recommend_rows
from factorate._serving.top_n import Excluded

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from factorate._fitted.seen import Seen
    from factorate._utils.types import Floats, Offsets, Rows

LENGTH = 10  # of the lists


def make_validator(
    seen: Seen, user_rows: Rows, item_rows: Rows, n_threads: int | None = None
) -> Callable[[Floats, Floats], float]:
    """Return a function that computes the NDCG at 10 of user and item factors, as `ranking` does.

    Parameters
    ----------
    seen : Seen
        The training interactions, which are left out of the lists.
    user_rows, item_rows : ndarray of int32, shape (n,)
        Rows of the validation interactions; an unknown item, −1, is in no list.
    n_threads : int or None, default=None
        Number of threads, which does not affect the result.

    Raises
    ------
    ValueError
        If all of them are also training interactions.
    """
    new = ~was_seen(seen, user_rows, item_rows)
    if not new.any():
        raise ValueError(
            "every validation interaction is also a training interaction, so it cannot be "
            "recommended; hold out interactions before fit"
        )
    users, numbers = np.unique(user_rows[new], return_inverse=True)
    items = item_rows[new]
    known = items >= 0
    relevant = np.unique(_pair(numbers[known], items[known]))
    n_unknown = np.bincount(numbers[~known], minlength=len(users))
    gains = 1 / np.log2(np.arange(2, LENGTH + 2))
    n_relevant = np.bincount(relevant >> 32, minlength=len(users)) + n_unknown
    best = np.cumsum(gains)[np.minimum(n_relevant, LENGTH) - 1]
    excluded = Excluded(*find_bounds(seen, users), seen.items)

    def ndcg(user_factors: Floats, item_factors: Floats) -> float:
        factors = make_factors(user_factors, item_factors)
        candidates = np.arange(len(item_factors), dtype=np.int32)
        rows, _ = recommend_rows(
            factors, users, candidates, n=LENGTH, excluded=excluded, n_threads=n_threads
        )
        listed = _pair(np.arange(len(users))[:, None], rows)
        hits = (rows >= 0) & np.isin(listed, relevant)
        return float(np.mean(hits @ gains / best))

    return ndcg


def _pair(numbers: NDArray[np.integer[Any]], rows: Rows) -> Offsets:
    """Return pairs of a user number and an item row as integers."""
    return (numbers.astype(np.int64) << 32) + rows
