"""GroupRatings: the ratings of a row group in the order of their updates, on a worker."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._cluster.worker_threads import count_worker_threads
from factorate._input.id_index import range_index
from factorate._input.ratings import Ratings
from factorate._training.packed_ratings import checksum, unpack
from factorate._training.sizes import DEFAULT_SIZES
from factorate._training.tiles import Side, group_by_tile, make_tiles
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from factorate._input.levels import Levels
    from factorate._store.stored_ratings import Numbered
    from factorate._training.packed_ratings import PackedRatings
    from factorate._training.tiles import SortKeys
    from factorate._utils.types import Floats, Offsets, Rows


@dataclass(frozen=True, kw_only=True)
class GroupRatings:
    """The ratings of a row group.

    Attributes
    ----------
    packed : PackedRatings
        The ratings; positions of users begin with 0.
    first_tiles : ndarray of int64
        First tile of each block, in row-major order, and the end.
    first_band : int
        The first row band of the group.
    n_columns : int
        Number of column bands.
    """

    packed: PackedRatings
    first_tiles: Offsets
    first_band: int
    n_columns: int

    def __sizeof__(self) -> int:
        """Return the bytes of the arrays, by which Dask chooses workers."""
        packed = self.packed
        arrays = packed.pairs, packed.codes8, packed.codes16, packed.values
        return sum(array.nbytes for array in arrays)

    def block_tiles(self, row: int, column: int) -> tuple[int, int]:
        """Return the first tile of a block, and the end."""
        block = (row - self.first_band) * self.n_columns + column
        first, end = self.first_tiles[block : block + 2].tolist()
        return first, end


class Sorting(NamedTuple):
    """How the ratings of a row group are sorted.

    Attributes
    ----------
    users, items : Side
        The bands and tiles of the group, and those of the items, without an order.
    keys : SortKeys
        The keys by which a tile is sorted.
    levels : Levels
        The distinct ratings.
    first_band : int
        The first row band of the group.
    """

    users: Side
    items: Side
    keys: SortKeys
    levels: Levels
    first_band: int


def sort_group(batches: list[Numbered], sorting: Sorting) -> GroupRatings:
    """Sort the ratings of a row group, which come in the order of the partitions.

    Parameters
    ----------
    batches : list of Numbered
        The ratings.
    sorting : Sorting
        How to sort them.
    """
    users, items, codes, _ = (np.concatenate(columns) for columns in zip(*batches, strict=True))
    ratings = Ratings(
        user_rows=users,
        item_rows=items,
        values=sorting.levels.levels.take(codes),
        user_index=range_index(0),
        item_index=range_index(0),
        library=None,
    )
    del users, items, codes
    n_threads = count_worker_threads()
    tiles = make_tiles(_in_order(sorting.users), _in_order(sorting.items))
    packed = group_by_tile(
        ratings,
        None,
        sorting.levels,
        tiles,
        keys=sorting.keys,
        workers=Workers(n_threads),
        n_chunks=min(n_threads, 1 + len(ratings.values) // DEFAULT_SIZES.thread_ratings),
    )
    return GroupRatings(
        packed=packed,
        first_tiles=tiles.first_of_block,
        first_band=sorting.first_band,
        n_columns=sorting.items.n_bands,
    )


def standardize_group(
    ratings: GroupRatings, levels: Floats, centre: float, scale: float
) -> GroupRatings:
    """Return the ratings with standardized levels."""
    packed = replace(ratings.packed, levels=levels, centre=centre, scale=scale)
    return replace(ratings, packed=packed)


def side_of_bands(side: Side, first: int, end: int) -> Side:
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


def block_checksums(ratings: GroupRatings) -> list[int]:
    """Return the checksum of the ratings of each block, in row-major order."""
    starts = ratings.packed.tile_starts[ratings.first_tiles].tolist()
    return [checksum(ratings.packed, slice(*span)) for span in itertools.pairwise(starts)]


def positions_of(ratings: GroupRatings, band: int) -> tuple[Rows, Rows]:
    """Return the positions of users and items of the ratings of one row band of the group."""
    packed, n_columns = ratings.packed, ratings.n_columns
    first, end = ratings.first_tiles[[band * n_columns, (band + 1) * n_columns]]
    users, items, _ = unpack(packed, *packed.tile_starts[[first, end]].tolist())
    return users, items


def _in_order(side: Side) -> Side:
    """Return a side whose rows are its positions."""
    return replace(side, order=np.arange(side.n_rows, dtype=np.int32))
