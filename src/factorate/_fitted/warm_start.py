"""Warm starts: the parameters of a fitted state, in the rows of other ratings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.id_column import IdColumn
from factorate._input.id_to_row import look_up
from factorate._input.ratings import Ratings
from factorate._training.factors import WarmStart

if TYPE_CHECKING:
    from factorate._cluster.cluster_ratings import ClusterRatings
    from factorate._fitted.rating_state import RatingState
    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._training.settings import Settings
    from factorate._utils.types import Floats, Rows


def continue_from(
    old: RatingState, ratings: Ratings | RatingsInStore | ClusterRatings, settings: Settings
) -> WarmStart:
    """Return the parameters of a fitted state for the users and items of new ratings.

    Raises
    ------
    ValueError
        If the number of factors or the dtype has changed.
    """
    old_factors = old.factors.user_factors
    dtype = ratings.values.dtype if isinstance(ratings, Ratings) else ratings.dtype
    n_factors = settings.n_factors
    if (old_factors.shape[1], old_factors.dtype) != (n_factors, dtype):
        raise ValueError(
            f"warm_start=True continues from n_factors={old_factors.shape[1]} and "
            f"dtype={old_factors.dtype.name!r}, but n_factors={n_factors} and dtype={dtype.name!r} "
            f"were given; keep them, or set warm_start=False"
        )
    new_users, new_items = ratings.user_index, ratings.item_index
    user_rows = look_up(old.user_index, IdColumn(new_users.ids, new_users.kind), "users")
    item_rows = look_up(old.item_index, IdColumn(new_items.ids, new_items.kind), "items")
    start = gather_rows(old, user_rows, item_rows)
    if settings.rule.fit_bias:
        return start
    factors = start.factors
    user_bias, item_bias = np.zeros_like(factors.user_bias), np.zeros_like(factors.item_bias)
    return replace(start, factors=replace(factors, user_bias=user_bias, item_bias=item_bias))


def gather_rows(
    old: RatingState, user_rows: Rows, item_rows: Rows, *, further: bool = False
) -> WarmStart:
    """Return some rows of a fitted state; −1 means a new user or item."""
    factors, accumulators = old.factors, old.accumulators
    if accumulators is not None:
        user_accumulators, item_accumulators = accumulators
        accumulators = (
            _gather(user_accumulators, user_rows),
            _gather(item_accumulators, item_rows),
        )
    known_users, known_items = user_rows >= 0, item_rows >= 0
    user_progress, item_progress = old.progress
    return WarmStart(
        factors=replace(
            factors,
            user_factors=_gather(factors.user_factors, user_rows),
            item_factors=_gather(factors.item_factors, item_rows),
            user_bias=_gather(factors.user_bias, user_rows),
            item_bias=_gather(factors.item_bias, item_rows),
            svdpp=None if factors.svdpp is None else _gather(factors.svdpp, item_rows),
        ),
        known_users=known_users,
        known_items=known_items,
        progress=(
            _gather(user_progress, user_rows) * known_users[:, None],
            _gather(item_progress, item_rows) * known_items[:, None],
        ),
        accumulators=accumulators,
        further=further,
    )


def _gather(array: Floats, rows: Rows) -> Floats:
    """Return rows of an array; at −1 an arbitrary row, or zeros if the array has no rows."""
    return (
        array.take(rows, axis=0)
        if len(array)
        else np.zeros((len(rows), *array.shape[1:]), array.dtype)
    )
