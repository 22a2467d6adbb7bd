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
    where two ranges cross are a tile. A block is stored tile by tile, each in random order.
stratum
    A set of blocks without a common band, which may all be updated at the same time.

The schedule depends only on the ratings, the settings and the seed, never on the number of threads.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.row_counts import count_rows
from factorate._kernels import tiles as tile_kernel
from factorate._kernels.plain import LOOKAHEAD, PADDING
from factorate._utils.random_streams import permutation, stream
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.ratings import Ratings
    from factorate._training.settings import Settings
    from factorate._training.sizes import Sizes
    from factorate._utils.types import Doubles, Floats, Offsets, Rows


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Ratings in the order of their updates.

    Attributes
    ----------
    user_order, item_order : ndarray of int32
        The row at each position. Rows without ratings have no position.
    user_positions, item_positions : ndarray of int32, shape (n_ratings + LOOKAHEAD,)
        Positions of each rating, block by block in row-major order, followed by zeros.
    ratings : ndarray, shape (n_ratings + LOOKAHEAD,)
        Values in the same order, followed by zeros.
    weights : ndarray, shape (n_ratings,) or (0,)
        Weights in the same order; empty if all are equal.
    block_starts : ndarray of int64, shape (n_blocks + 1,)
        First rating of each block, in row-major order, and the end.
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
    user_positions: Rows
    item_positions: Rows
    ratings: Floats
    weights: Floats
    block_starts: Offsets
    user_counts: Doubles
    item_counts: Doubles
    user_edges: Offsets
    n_bands: tuple[int, int]
    group_bands: int
    shape: tuple[int, int]

    @property
    def n_ratings(self) -> int:
        """Number of ratings, without the zeros after them."""
        return int(self.block_starts[-1])


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
    user_counts = count_rows(ratings.user_rows, shape[0], "user")
    item_counts = count_rows(ratings.item_rows, shape[1], "item")
    n_rated = int(np.count_nonzero(user_counts)), int(np.count_nonzero(item_counts))
    length = max(PADDING, padded(settings.n_factors))  # biases alone take time and memory, too
    n_bands, group_bands = _count_bands(n, length, settings)
    tile_rows = _count_tile_rows(n, n_rated, length * ratings.values.itemsize, settings.sizes)
    user_side = _make_side(user_counts, n_bands[0], tile_rows, stream(settings.seed, 0))
    item_side = _make_side(item_counts, n_bands[1], tile_rows, stream(settings.seed, 1))
    tiles = _make_tiles(user_side, item_side)
    tile_starts, columns = _group_by_tile(
        ratings, weights, tiles, workers=workers, n_chunks=n_chunks
    )
    _shuffle_tiles(tile_starts, columns, tiles, workers=workers, n_chunks=n_chunks)
    user_sums, item_sums = user_counts[user_side.order], item_counts[item_side.order]
    if weights is not None:
        user_sums = np.bincount(columns.user_positions[:n], columns.weights)
        item_sums = np.bincount(columns.item_positions[:n], columns.weights)
    return Schedule(
        user_order=user_side.order,
        item_order=item_side.order,
        user_positions=columns.user_positions,
        item_positions=columns.item_positions,
        ratings=columns.ratings,
        weights=columns.weights,
        block_starts=tile_starts[tiles.first_of_block],
        user_counts=user_sums.astype(np.float64),
        item_counts=item_sums.astype(np.float64),
        user_edges=user_side.bands,
        n_bands=(user_side.n_bands, item_side.n_bands),
        group_bands=group_bands,
        shape=shape,
    )


def padded(n_factors: int) -> int:
    """Round the number of factors up to a multiple of the vector length: the length of a row."""
    return -(-n_factors // PADDING) * PADDING


def block_order(n_bands: tuple[int, int], seed: int, epoch: int) -> list[int]:
    """Return the row-major numbers of the blocks in the order of one epoch.

    The order goes stratum by stratum; strata are the diagonals of a square of shuffled bands.

    Examples
    --------
    >>> sorted(block_order((2, 3), seed=0, epoch=0))
    [0, 1, 2, 3, 4, 5]
    """
    if n_bands == (1, 1):
        return [0]  # the usual case of small fits, in which a stream takes longer than an epoch
    bits = stream(seed, 2, epoch)
    rows, columns = (permutation(n, bits).tolist() for n in n_bands)
    return [row * n_bands[1] + column for row, column in strata(rows, columns)]


def strata(rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    """Return the pairs of row band and column band, stratum by stratum.

    Examples
    --------
    >>> strata([0, 1], [5, 6])
    [(0, 5), (1, 6), (0, 6), (1, 5)]
    """
    n_strata = max(len(rows), len(columns))
    return [
        (row, columns[(number + stratum) % n_strata])
        for stratum in range(n_strata)
        for number, row in enumerate(rows)
        if (number + stratum) % n_strata < len(columns)
    ]


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Positions, tile ranges and bands of users, or of items."""

    order: Rows  # row at each position
    position: Rows  # position of each row, 0 for those without ratings
    tile_range: Rows  # tile range of each row
    edges: Offsets  # first position of each tile range, and the end
    band: Offsets  # band of each tile range
    bands: Offsets  # first position of each band, and the end

    @property
    def n_bands(self) -> int:
        return len(self.bands) - 1


@dataclass(frozen=True, kw_only=True)
class _Tiles:
    """The tiles, numbered in the order in which they are stored."""

    user_side: _Side
    item_side: _Side
    number: Rows  # number of each crossing of tile ranges, shape (user ranges, item ranges)
    user_range: NDArray[np.intp]  # tile range of the users of each tile
    item_range: NDArray[np.intp]  # tile range of the items of each tile
    first_of_block: NDArray[np.intp]  # first tile of each block, and the end


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Positions, values and weights of the ratings, written in the order of their tiles."""

    user_positions: Rows
    item_positions: Rows
    ratings: Floats
    weights: Floats


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Tile range and position of each row, and the tile where two ranges cross."""

    user_ranges: Rows
    item_ranges: Rows
    numbers: Rows
    user_positions: Rows
    item_positions: Rows


@dataclass(frozen=True, kw_only=True)
class _TileBounds:
    """First rating and positions of each tile, and the number of bits of its hash."""

    starts: Offsets
    first_user_positions: Rows
    first_item_positions: Rows
    n_items: Rows
    n_bits: int


@dataclass(frozen=True, kw_only=True)
class _Scratch:
    """Working memory to shuffle the ratings of a tile."""

    keys: NDArray[np.uint64]
    origins: Rows
    rows: Rows
    values: Floats


def _count_bands(n_ratings: int, length: int, settings: Settings) -> tuple[tuple[int, int], int]:
    """Return the maximum number of row bands and column bands, and of row bands of a group."""
    sizes = settings.sizes
    if settings.svdpp:
        blocks = n_ratings * length / (sizes.n_groups * sizes.group_block_work)
        n_bands = max(1, min(sizes.max_group_bands, round(math.sqrt(blocks))))
        return (sizes.n_groups * n_bands, n_bands), n_bands
    n_bands = max(1, int((n_ratings * length / sizes.block_work) ** 0.5))
    return (min(sizes.max_bands, n_bands),) * 2, 1


def _count_tile_rows(n_ratings: int, n_rated: tuple[int, int], row_bytes: int, sizes: Sizes) -> int:
    """Return the maximum number of users, and of items, of a tile."""
    in_cache = sizes.tile_bytes // 2 // row_bytes
    dense_enough = (sizes.tile_ratings * n_rated[0] * n_rated[1] / n_ratings) ** 0.5
    return max(1, in_cache, int(dense_enough))


def _cut(counts: Offsets, n_bands: int) -> Offsets:
    """Return the edges of at most `n_bands` non-empty ranges with nearly equal counts."""
    total = np.cumsum(counts)
    inner = np.searchsorted(total, total[-1] * np.arange(1, n_bands) / n_bands) + 1
    return np.unique(np.concatenate([[0], inner, [len(counts)]])).astype(np.int64)


def _make_side(counts: Offsets, n_bands: int, tile_rows: int, bits: np.random.PCG64) -> _Side:
    rated = np.flatnonzero(counts)
    order = rated[permutation(len(rated), bits)].astype(np.int32)
    bands = _cut(counts[order], n_bands)
    edges, band = [], []
    for number, (low, high) in enumerate(itertools.pairwise(bands)):
        n_ranges = -(-int(high - low) // tile_rows)
        edges.append(low + np.arange(n_ranges) * (high - low) // n_ranges)
        band.append(np.full(n_ranges, number))
    all_edges = np.concatenate([*edges, bands[-1:]])
    position = np.zeros(len(counts), np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    tile_range = np.zeros(len(counts), np.int32)
    tile_range[order] = np.repeat(np.arange(len(all_edges) - 1), np.diff(all_edges))
    return _Side(
        order=order,
        position=position,
        tile_range=tile_range,
        edges=all_edges,
        band=np.concatenate(band),
        bands=bands,
    )


def _make_tiles(user_side: _Side, item_side: _Side) -> _Tiles:
    """Return the tiles, numbered block by block and in row-major order within their block."""
    shape = len(user_side.band), len(item_side.band)
    user_range, item_range = (index.ravel() for index in np.indices(shape))
    block = user_side.band[user_range] * item_side.n_bands + item_side.band[item_range]
    by_block = np.argsort(block, kind="stable")
    number = np.empty(len(block), np.int32)
    number[by_block] = np.arange(len(block), dtype=np.int32)
    n_blocks = user_side.n_bands * item_side.n_bands
    return _Tiles(
        user_side=user_side,
        item_side=item_side,
        number=number.reshape(shape),
        user_range=user_range[by_block],
        item_range=item_range[by_block],
        first_of_block=np.searchsorted(block[by_block], np.arange(n_blocks + 1)),
    )


def _group_by_tile(
    ratings: Ratings, weights: Floats | None, tiles: _Tiles, *, workers: Workers, n_chunks: int
) -> tuple[Offsets, _Columns]:
    """Write the ratings tile by tile, in the order of the input within each.

    Each chunk of the input has its own counts, from which it computes where its ratings go in each
    tile. The number of chunks therefore does not affect the result.
    """
    n = len(ratings.values)
    user_rows, item_rows, values = ratings.user_rows, ratings.item_rows, ratings.values
    chunks = list(itertools.pairwise(np.linspace(0, n, n_chunks + 1).astype(int).tolist()))
    counts = np.zeros((n_chunks, len(tiles.user_range)), np.int64)
    user_side, item_side = tiles.user_side, tiles.item_side
    layout = _Layout(
        user_ranges=user_side.tile_range,
        item_ranges=item_side.tile_range,
        numbers=tiles.number,
        user_positions=user_side.position,
        item_positions=item_side.position,
    )

    def count_chunk(chunk: int) -> None:
        span = slice(*chunks[chunk])
        tile_kernel.count(user_rows[span], item_rows[span], layout, counts[chunk])

    workers.map(count_chunk, range(n_chunks))
    tile_starts = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
    cursors = tile_starts[:-1] + np.cumsum(counts, axis=0) - counts
    given_weights = np.empty(0, values.dtype) if weights is None else weights
    columns = _Columns(
        user_positions=np.zeros(n + LOOKAHEAD, np.int32),
        item_positions=np.zeros(n + LOOKAHEAD, np.int32),
        ratings=np.zeros(n + LOOKAHEAD, values.dtype),
        weights=np.empty_like(given_weights),
    )

    def write_chunk(chunk: int) -> None:
        span = slice(*chunks[chunk])
        chunk_ratings = user_rows[span], item_rows[span], values[span], given_weights[span]
        tile_kernel.scatter(*chunk_ratings, layout, cursors[chunk], columns)

    workers.map(write_chunk, range(n_chunks))
    return tile_starts, columns


def _shuffle_tiles(
    tile_starts: Offsets, columns: _Columns, tiles: _Tiles, *, workers: Workers, n_chunks: int
) -> None:
    """Shuffle the ratings of each tile, by a hash of their positions."""
    user_edges, item_edges = tiles.user_side.edges, tiles.item_side.edges
    largest_tile = int(np.diff(user_edges).max()) * int(np.diff(item_edges).max())
    n_bits = max(2, (largest_tile - 1).bit_length())
    bounds = _TileBounds(
        starts=tile_starts,
        first_user_positions=user_edges[tiles.user_range].astype(np.int32),
        first_item_positions=item_edges[tiles.item_range].astype(np.int32),
        n_items=np.diff(item_edges)[tiles.item_range].astype(np.int32),
        n_bits=n_bits,
    )
    shuffled = columns.user_positions, columns.item_positions, columns.ratings, columns.weights

    def shuffle(chunk: tuple[int, int]) -> None:
        begin, end = chunk
        largest = int(np.diff(tile_starts[begin : end + 1]).max(initial=0))
        scratch = _Scratch(
            keys=np.empty((2, largest), np.uint64),
            origins=np.empty((2, largest), np.int32),
            rows=np.empty((2, largest), np.int32),
            values=np.empty((2, largest), columns.ratings.dtype),
        )
        tile_kernel.shuffle(*shuffled, bounds, begin, end, scratch)

    n = int(tile_starts[-1])
    ends = np.searchsorted(tile_starts, np.linspace(0, n, n_chunks + 1))
    ends[-1] = len(tiles.user_range)
    workers.map(shuffle, itertools.pairwise(ends.tolist()))
