"""measure: the squared errors of the states of two groups, on a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorate._cluster.worker_threads import count_worker_threads
from factorate._training.factors import Factors
from factorate._training.squared_errors import squared_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factorate._cluster.group_ratings import GroupRatings
    from factorate._cluster.group_state import GroupState


def measure(
    ratings: GroupRatings,
    users: GroupState,
    items: GroupState,
    blocks: Sequence[tuple[int, int]],
    first_item_position: int,
) -> list[tuple[int, list[float]]]:
    """Return the number of each block, and the sums of its squared errors, chunk by chunk.

    Parameters
    ----------
    ratings : GroupRatings
        The ratings of the row group.
    users, items : GroupState
        The parameters.
    blocks : sequence of tuple of int
        Row band and column band of the blocks.
    first_item_position : int
        First position of the items.
    """
    factors = Factors(
        user_factors=users.factors.view(),
        item_factors=items.factors.view(),
        user_bias=users.bias.view(),
        item_bias=items.bias.view(),
        mean=0.0,
        scale=1.0,
    )
    n_threads = count_worker_threads()

    def of_block(row: int, column: int) -> list[float]:
        given = factors, ratings.packed, *ratings.block_tiles(row, column), n_threads
        return squared_errors(*given, first_item_position=first_item_position)

    return [(row * ratings.n_columns + column, of_block(row, column)) for row, column in blocks]
