"""The rating schedule: the order in which an epoch updates the parameters for each rating.

Terms that the whole package uses:

position
    The index of a user or item in a random order of the rows that have ratings. All regions of the
    shuffled matrix are therefore about equally dense.
row band, column band
    A range of user positions, or of item positions, with about as many ratings as any other.
block
    The ratings where a row band crosses a column band: the unit of work for a thread. Blocks
    without a common band change different parameters.
tile
    Bands are cut into ranges of positions whose factors fit into the cache together; the ratings
    where two ranges cross are a tile. A block is stored tile by tile.
strip
    Ratings of a tile whose users follow each other, with factors that fit into a part of the L1
    cache. A tile is stored strip by strip, each in random order.
stratum
    A set of blocks without a common band, which may all be updated at the same time. An epoch has
    the result of going stratum by stratum: see `block_order`.

The schedule depends only on the ratings, the settings and the seed, never on the number of threads.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.levels import find_levels
from factorate._kernels import counting
from factorate._kernels.plain import PADDING
from factorate._training.packed_ratings import PackedRatings, chunks, unpack
from factorate._training.ratings_on_disk import RatingsOnDisk, open_blocks
from factorate._training.remote_ratings import RemoteRatings
from factorate._training.tiles import (
    Side,
    SortKeys,
    count_strip_bits,
    count_tile_rows,
    group_by_tile,
    make_side,
    make_sort_keys,
    make_tiles,
)
from factorate._utils.random_streams import stream
from factorate._utils.workers import Workers, edges_of_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factorate._input.ratings import Ratings
    from factorate._training.settings import Settings
    from factorate._utils.types import Doubles, Floats, Offsets, Rows


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Ratings in the order of their updates.

    Attributes
    ----------
    user_order, item_order : ndarray of int32
        The row at each position. Rows without ratings have no position.
    ratings : PackedRatings, RatingsOnDisk or RemoteRatings
        The ratings tile by tile, block by block in row-major order.
    level_counts : ndarray of float64, shape (n_levels,)
        Number of ratings of each level.
    block_tiles : ndarray of int64, shape (n_blocks + 1,)
        First tile of each block, in row-major order, and the end.
    user_counts, item_counts : ndarray of float64
        Number of ratings at each position, or the sum of their weights.
    user_edges : ndarray of int64, shape (n_bands[0] + 1,)
        First position of each row band, and the end.
    n_bands : tuple of int
        Number of row bands and of column bands.
    group_bands : int
        Number of row bands of a group of users, for SVD++ terms.
    shape : tuple of int
        Number of users and of items, including those without ratings.
    """

    user_order: Rows
    item_order: Rows
    ratings: PackedRatings | RatingsOnDisk | RemoteRatings
    level_counts: Doubles
    block_tiles: Offsets
    user_counts: Doubles
    item_counts: Doubles
    user_edges: Offsets
    n_bands: tuple[int, int]
    group_bands: int
    shape: tuple[int, int]

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return self.ratings.n_ratings

    @property
    def own_ratings(self) -> PackedRatings | RatingsOnDisk:
        """The ratings, which this process must hold."""
        if isinstance(self.ratings, RemoteRatings):
            raise TypeError("other processes hold the ratings")
        return self.ratings

    @property
    def packed(self) -> PackedRatings:
        """The ratings, which must be in memory."""
        if not isinstance(self.ratings, PackedRatings):
            raise TypeError(
                f"the ratings are {type(self.ratings).__name__}; expected them in memory"
            )
        return self.ratings

    @property
    def block_starts(self) -> Offsets:
        """First rating of each block, in row-major order, and the end."""
        return self.packed.tile_starts[self.block_tiles]


def make_schedule(
    ratings: Ratings,
    settings: Settings,
    weights: Floats | None = None,
    workers: Workers | None = None,
) -> Schedule:
    """Sort ratings into the order of their updates.

    Parameters
    ----------
    ratings : Ratings
        At least one rating.
    settings : Settings
        The seed decides the positions; the number of factors, the sizes and the SVD++ terms decide
        the bands and tiles.
    weights : ndarray, shape (n_ratings,), default=None
        Weight of each rating, in the dtype of the ratings; None if all are equal.
    workers : Workers, default=None
        Threads to use, which do not affect the result; None for the calling thread.

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        If a row is out of range.
    """
    n = len(ratings.values)
    workers = workers or Workers()
    n_chunks = min(workers.n_threads, 1 + n // settings.sizes.thread_ratings)
    shape = len(ratings.user_index.ids), len(ratings.item_index.ids)
    counts = _count_rows(ratings, shape, workers=workers, n_chunks=n_chunks)
    max_levels = settings.sizes.max_levels
    levels = find_levels(ratings.values, workers, n_chunks, max_levels=max_levels)
    cuts = make_cuts(counts, n, ratings.values.itemsize, settings, workers)
    tiles = make_tiles(cuts.user_side, cuts.item_side)
    packed = group_by_tile(
        ratings,
        weights,
        levels,
        tiles,
        keys=cuts.keys,
        workers=workers,
        n_chunks=n_chunks,
    )
    schedule = schedule_of(
        cuts,
        counts,
        ratings=packed,
        level_counts=levels.counts,
        block_tiles=tiles.first_of_block,
        shape=shape,
    )
    if weights is None:
        return schedule
    users, items = _sum_weights(packed, len(schedule.user_counts), len(schedule.item_counts))
    return replace(schedule, user_counts=users, item_counts=items)


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Positions, bands and tile ranges, which depend only on the number of ratings of each row."""

    user_side: Side
    item_side: Side
    keys: SortKeys
    group_bands: int  # number of row bands of a group of users, for SVD++ terms


def make_cuts(
    counts: tuple[Offsets, Offsets],
    n_ratings: int,
    itemsize: int,
    settings: Settings,
    workers: Workers,
) -> Cuts:
    """Draw the positions of users and items, and cut them into bands and tile ranges.

    Parameters
    ----------
    counts : tuple of ndarray of int64
        Number of ratings of each user and of each item.
    n_ratings : int
        Number of ratings.
    itemsize : int
        Bytes of a factor.
    settings : Settings
        The seed, number of factors, sizes and SVD++ terms.
    workers : Workers
        Threads to use, which do not affect the result.
    """
    n_rated = int(np.count_nonzero(counts[0])), int(np.count_nonzero(counts[1]))
    length = max(PADDING, padded(settings.n_factors))  # biases alone take time and memory, too
    n_bands, group_bands = count_bands(n_ratings, length, settings)
    row_bytes = length * itemsize
    tile_rows = count_tile_rows(n_ratings, n_rated, row_bytes, settings.sizes)
    user_side, item_side = workers.map(
        lambda side: make_side(counts[side], n_bands[side], tile_rows, stream(settings.seed, side)),
        range(2),
    )
    tile_ratings = n_ratings / (user_side.n_ranges * item_side.n_ranges)
    tile_users = np.diff(user_side.edges)
    strip_bits = count_strip_bits(tile_ratings, tile_users, row_bytes, settings.sizes)
    return Cuts(
        user_side=user_side,
        item_side=item_side,
        keys=make_sort_keys(user_side, item_side, strip_bits),
        group_bands=group_bands,
    )


def schedule_of(
    cuts: Cuts,
    counts: tuple[Offsets, Offsets],
    *,
    ratings: PackedRatings | RatingsOnDisk | RemoteRatings,
    level_counts: Doubles,
    block_tiles: Offsets,
    shape: tuple[int, int],
) -> Schedule:
    """Return the schedule of ratings that were sorted by their cuts.

    Parameters
    ----------
    cuts : Cuts
        The cuts.
    counts : tuple of ndarray of int64
        Number of ratings of each user and of each item.
    ratings, level_counts, block_tiles, shape
        As those of `Schedule`.
    """
    sides = cuts.user_side, cuts.item_side
    user_counts, item_counts = (
        of_side.take(side.order).astype(np.float64)
        for of_side, side in zip(counts, sides, strict=True)
    )
    return Schedule(
        user_order=cuts.user_side.order,
        item_order=cuts.item_side.order,
        ratings=ratings,
        level_counts=level_counts,
        block_tiles=block_tiles,
        user_counts=user_counts,
        item_counts=item_counts,
        user_edges=cuts.user_side.bands,
        n_bands=(cuts.user_side.n_bands, cuts.item_side.n_bands),
        group_bands=cuts.group_bands,
        shape=shape,
    )


def iterate_rows(schedule: Schedule) -> Iterator[tuple[Rows, Rows]]:
    """Iterate over the rows of users and items of all ratings, some at a time."""
    for packed, span in iterate_blocks(schedule):
        for chunk in chunks(packed, span.start, span.stop):
            users, items, _ = unpack(packed, chunk.start, chunk.stop)
            yield schedule.user_order.take(users), schedule.item_order.take(items)


def iterate_blocks(schedule: Schedule) -> Iterator[tuple[PackedRatings, slice]]:
    """Iterate over the blocks in row-major order: ratings, and which of them are the block's."""
    ratings, blocks = schedule.own_ratings, list(range(len(schedule.block_tiles) - 1))
    if isinstance(ratings, RatingsOnDisk):
        ratings = replace(ratings, n_ahead=0)  # takes less memory
    with open_blocks(ratings, schedule.block_tiles, blocks) as opened:
        for block in blocks:
            with opened.opened(block) as (packed, first, end):
                yield packed, slice(*packed.tile_starts[[first, end]].tolist())


def padded(n_factors: int) -> int:
    """Round the number of factors up to a multiple of the vector length: the length of a row."""
    return -(-n_factors // PADDING) * PADDING


def count_bands(n_ratings: int, length: int, settings: Settings) -> tuple[tuple[int, int], int]:
    """Return the maximum number of row bands and column bands, and of row bands of a group."""
    sizes = settings.sizes
    if settings.svdpp:
        blocks = n_ratings * length / (sizes.n_groups * sizes.group_block_work)
        n_bands = max(1, min(sizes.max_group_bands, round(math.sqrt(blocks))))
        return (sizes.n_groups * n_bands, n_bands), n_bands
    n_bands = max(1, int((n_ratings * length / sizes.block_work) ** 0.5))
    return (min(sizes.max_bands, n_bands),) * 2, 1


def _count_rows(
    ratings: Ratings, shape: tuple[int, int], *, workers: Workers, n_chunks: int
) -> tuple[Offsets, Offsets]:
    """Count the ratings of each user and item, and check that every row is in range."""
    sides = (ratings.user_rows, ratings.item_rows)
    edges = edges_of_chunks(len(ratings.values), n_chunks)
    # Counts for every chunk would take too much memory if there are many rows.
    edges_of_sides = [edges if n * n_chunks <= edges[-1] else [0, edges[-1]] for n in shape]
    tasks = [(side, *ends) for side in (0, 1) for ends in itertools.pairwise(edges_of_sides[side])]

    def count(task: tuple[int, int, int]) -> tuple[Offsets, int]:
        side, begin, end = task
        counts = np.zeros(shape[side], np.int64)
        return counts, counting.count(sides[side][begin:end], counts)

    totals: list[Offsets] = []
    for (side, begin, _), (counts, bad) in zip(tasks, workers.map(count, tasks), strict=True):
        if bad >= 0:
            raise ValueError(
                f"{('user', 'item')[side]} row {sides[side][begin + bad]} of rating {begin + bad} "
                f"is outside 0…{shape[side] - 1}"
            )
        if begin:
            totals[side] += counts
        else:
            totals.append(counts)
    return totals[0], totals[1]


def _sum_weights(packed: PackedRatings, n_users: int, n_items: int) -> tuple[Doubles, Doubles]:
    """Return the sum of the weights at each position, in the order of the schedule."""
    users, items = np.zeros(n_users), np.zeros(n_items)
    for chunk in chunks(packed):
        user_positions, item_positions, _ = unpack(packed, chunk.start, chunk.stop)
        weights = packed.weights[chunk].astype(np.float64)
        np.add.at(users, user_positions.astype(np.intp), weights)
        np.add.at(items, item_positions.astype(np.intp), weights)
    return users, items
