"""make_validator: the NDCG of factors on validation interactions, for early stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.implicit_state import make_factors
from factorate._fitted.seen import was_seen
from factorate.metrics.ranks import metrics_at
from factorate.metrics.relevant_pairs import RelevantPairs, rank_by_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._fitted.seen import Seen
    from factorate._utils.types import Floats, Rows

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
    user_rows, item_rows = user_rows[new], item_rows[new]
    order = np.lexsort((item_rows, user_rows))
    user_rows, item_rows = user_rows[order], item_rows[order]
    distinct = np.ones(len(order), np.bool)
    distinct[1:] = (item_rows[1:] < 0) | (np.diff(user_rows) != 0) | (np.diff(item_rows) != 0)
    users, numbers = np.unique(user_rows[distinct], return_inverse=True)
    pairs = RelevantPairs(users, numbers, item_rows[distinct])

    def ndcg(user_factors: Floats, item_factors: Floats) -> float:
        factors = make_factors(user_factors, item_factors)
        ranks, _ = rank_by_model(factors, seen, pairs, LENGTH, n_threads=n_threads)
        return metrics_at(ranks, LENGTH)["ndcg"]

    return ndcg
