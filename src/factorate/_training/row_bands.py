"""sort_row_bands: sort the ratings of some row bands into tiles.

The result is that of `make_schedule`, which sorts all ratings at once, for these bands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._input.id_index import range_index
from factorate._input.ratings import Ratings
from factorate._training.tiles import Side, group_by_tile, make_tiles

if TYPE_CHECKING:
    from factorate._input.levels import Levels
    from factorate._training.packed_ratings import PackedRatings
    from factorate._training.schedule import Cuts
    from factorate._training.tiles import SortKeys
    from factorate._utils.types import Floats, Offsets, Rows
    from factorate._utils.workers import Workers


@dataclass(frozen=True, kw_only=True)
class BandSorting:
    """How the ratings of some row bands are sorted.

    Attributes
    ----------
    users, items : Side
        The row bands, with positions from 0, and all column bands; without an order.
    keys : SortKeys
        The keys by which a tile is sorted.
    levels : Levels
        The distinct ratings.
    thread_ratings : int
        Ratings per thread that make another thread worthwhile.
    """

    users: Side
    items: Side
    keys: SortKeys
    levels: Levels
    thread_ratings: int


class PackedBands(NamedTuple):
    """The ratings of some row bands tile by tile, and the first tile of each block, and the end."""

    ratings: PackedRatings
    first_tiles: Offsets


def make_band_sorting(
    cuts: Cuts, first: int, end: int, levels: Levels, thread_ratings: int
) -> BandSorting:
    """Return how the ratings of the row bands from `first` to `end` are sorted."""
    return BandSorting(
        users=_side_of_bands(cuts.user_side, first, end),
        items=_side_of_bands(cuts.item_side, 0, cuts.item_side.n_bands),
        keys=cuts.keys,
        levels=levels,
        thread_ratings=thread_ratings,
    )


def sort_row_bands(
    user_positions: Rows,
    item_positions: Rows,
    values: Floats,
    sorting: BandSorting,
    workers: Workers,
) -> PackedBands:
    """Sort the ratings of some row bands into tiles.

    Parameters
    ----------
    user_positions, item_positions : ndarray of int32
        The positions of each rating; those of users are from the first of the bands.
    values : ndarray
        The ratings.
    sorting : BandSorting
        How to sort them.
    workers : Workers
        Threads to use, which do not affect the result.
    """
    ratings = Ratings(
        user_rows=user_positions,
        item_rows=item_positions,
        values=values,
        user_index=range_index(0),
        item_index=range_index(0),
        library=None,
    )
    tiles = make_tiles(_in_order(sorting.users), _in_order(sorting.items))
    packed = group_by_tile(
        ratings,
        None,
        sorting.levels,
        tiles,
        keys=sorting.keys,
        workers=workers,
        n_chunks=min(workers.n_threads, 1 + len(values) // sorting.thread_ratings),
    )
    return PackedBands(packed, tiles.first_of_block)


def _side_of_bands(side: Side, first: int, end: int) -> Side:
    """Return the bands of a side from `first` to `end`, with positions from 0, without an order."""
    low, high = side.bands[first], side.bands[end]
    first_range, end_range = side.band_ranges[first], side.band_ranges[end]
    return Side(
        order=np.empty(0, np.int32),
        n_rows=int(high - low),
        edges=side.edges[first_range : end_range + 1] - low,
        bands=side.bands[first : end + 1] - low,
        band_ranges=side.band_ranges[first : end + 1] - first_range,
    )


def _in_order(side: Side) -> Side:
    """Return a side whose rows are its positions."""
    return replace(side, order=np.arange(side.n_rows, dtype=np.int32))
