"""GroupRatings: the ratings of a row group in the order of their updates, on a worker."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._cluster.partitions import readings_differ
from factorate._cluster.worker_threads import count_worker_threads
from factorate._training.packed_ratings import checksum, unpack
from factorate._training.row_bands import sort_row_bands
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from factorate._cluster.partitions import Batch
    from factorate._training.packed_ratings import PackedRatings
    from factorate._training.row_bands import BandSorting
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


def sort_group(
    batches: list[Batch], sorting: BandSorting, first_band: int, n_ratings: int
) -> GroupRatings:
    """Sort the ratings of a row group, which come in the order of the partitions.

    Parameters
    ----------
    batches : list of Batch
        The ratings.
    sorting : BandSorting
        How to sort them.
    first_band : int
        The first row band of the group.
    n_ratings : int
        Number of ratings that were counted.

    Raises
    ------
    ValueError
        If there is another number of ratings.
    """
    users, items, ratings = (np.concatenate(columns) for columns in zip(*batches, strict=True))
    if len(users) != n_ratings:
        raise readings_differ()
    levels = sorting.levels.levels
    values = levels.take(ratings) if len(levels) else ratings
    sorted_bands = sort_row_bands(users, items, values, sorting, Workers(count_worker_threads()))
    return GroupRatings(
        packed=sorted_bands.ratings,
        first_tiles=sorted_bands.first_tiles,
        first_band=first_band,
        n_columns=sorting.items.n_bands,
    )


def standardize_group(
    ratings: GroupRatings, levels: Floats, centre: float, scale: float
) -> GroupRatings:
    """Return the ratings with standardized levels."""
    packed = replace(ratings.packed, levels=levels, centre=centre, scale=scale)
    return replace(ratings, packed=packed)


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
