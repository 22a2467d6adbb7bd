"""squared_errors: the squared errors of a state, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._training.factors import predict
from factorate._training.packed_ratings import chunks, unpack
from factorate._utils.fixed_order import dot

if TYPE_CHECKING:
    from factorate._training.factors import Factors
    from factorate._training.packed_ratings import PackedRatings


def squared_errors(
    factors: Factors,
    ratings: PackedRatings,
    first_tile: int,
    end_tile: int,
    n_threads: int,
    *,
    first_item_position: int = 0,
) -> list[float]:
    """Return the sum of the squared errors of each chunk of some tiles.

    Parameters
    ----------
    factors : Factors
        A state on the scale of training, with positions as rows.
    ratings : PackedRatings
        The standardized ratings.
    first_tile, end_tile : int
        The first tile, and the end.
    n_threads : int
        Number of threads, which does not affect the result.
    first_item_position : int, default=0
        Position of the first row of the item factors.
    """
    sums: list[float] = []
    for chunk in chunks(ratings, *ratings.tile_starts[[first_tile, end_tile]].tolist()):
        users, items, values = unpack(ratings, chunk.start, chunk.stop)
        items -= np.int32(first_item_position)
        error = predict(factors, users, items, n_threads).astype(np.float64)
        error -= values
        with np.errstate(over="ignore"):
            sums.append(dot(error, error))
    return sums
