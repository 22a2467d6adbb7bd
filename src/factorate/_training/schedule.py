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
    the result of going stratum by stratum.

The schedule depends only on the ratings, the settings and the seed, never on the number of threads.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels import counting
from factorate._kernels import tiles as tile_kernel
from factorate._kernels.plain import LOOKAHEAD, PADDING
from factorate._training.levels import MAX_SHORT, find_levels
from factorate._training.packed_ratings import PackedRatings, chunks, unpack
from factorate._utils.random_streams import permutation, stream
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from factorate._input.ratings import Ratings
    from factorate._training.levels import Levels
    from factorate._training.settings import Settings
    from factorate._training.sizes import Sizes
    from factorate._utils.types import Doubles, Floats, Offsets, Rows

MAX_TILE_ROWS = 1 << 16  # positions in a tile have 16 bits
TASKS_PER_CHUNK = 4  # so that threads end at about the same time


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Ratings in the order of their updates.

    Attributes
    ----------
    user_order, item_order : ndarray of int32
        The row at each position. Rows without ratings have no position.
    ratings : PackedRatings
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
    ratings: PackedRatings
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
    def block_starts(self) -> Offsets:
        """First rating of each block, in row-major order, and the end."""
        return self.ratings.tile_starts[self.block_tiles]


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
    levels = find_levels(ratings.values, workers, n_chunks)
    n_rated = int(np.count_nonzero(counts[0])), int(np.count_nonzero(counts[1]))
    length = max(PADDING, padded(settings.n_factors))  # biases alone take time and memory, too
    n_bands, group_bands = count_bands(n, length, settings)
    row_bytes = length * ratings.values.itemsize
    tile_rows = _count_tile_rows(n, n_rated, row_bytes, settings.sizes)
    user_side, item_side = workers.map(
        lambda side: _make_side(
            counts[side], n_bands[side], tile_rows, stream(settings.seed, side)
        ),
        range(2),
    )
    tiles = _make_tiles(user_side, item_side)
    tile_ratings, tile_users = n / len(tiles.crossing), np.diff(user_side.edges)
    packed = _group_by_tile(
        ratings,
        weights,
        levels,
        tiles,
        strip_bits=_count_strip_bits(tile_ratings, tile_users, row_bytes, settings.sizes),
        workers=workers,
        n_chunks=n_chunks,
    )
    user_counts, item_counts = (
        of_side[side.order].astype(np.float64)
        for of_side, side in zip(counts, (user_side, item_side), strict=True)
    )
    if weights is not None:
        user_counts, item_counts = _sum_weights(packed, len(user_counts), len(item_counts))
    return Schedule(
        user_order=user_side.order,
        item_order=item_side.order,
        ratings=packed,
        level_counts=levels.counts,
        block_tiles=tiles.first_of_block,
        user_counts=user_counts,
        item_counts=item_counts,
        user_edges=user_side.bands,
        n_bands=(user_side.n_bands, item_side.n_bands),
        group_bands=group_bands,
        shape=shape,
    )


def iterate_rows(schedule: Schedule) -> Iterator[tuple[Rows, Rows]]:
    """Iterate over the rows of users and items of all ratings, some at a time."""
    for chunk in chunks(schedule.ratings):
        users, items, _ = unpack(schedule.ratings, chunk.start, chunk.stop)
        yield schedule.user_order.take(users), schedule.item_order.take(items)


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


def block_order(n_bands: tuple[int, int], seed: int, epoch: int) -> list[int]:
    """Return the row-major numbers of the blocks in the order of one epoch.

    Its result is that of going stratum by stratum, where strata are the diagonals of a square of
    shuffled bands.

    Examples
    --------
    >>> sorted(block_order((2, 3), seed=0, epoch=0))
    [0, 1, 2, 3, 4, 5]
    """
    if n_bands == (1, 1):
        return [0]  # the usual case of small fits, in which a stream takes longer than an epoch
    bits = stream(seed, 2, epoch)
    rows, columns = (permutation(n, bits).tolist() for n in n_bands)
    return [row * n_bands[1] + column for row, column in crossings(rows, columns)]


def crossings(rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    """Return the pairs of row band and column band in the order of their updates.

    Of two blocks with a common band, the one in the earlier diagonal of the square comes first. As
    far as that allows, blocks of a row band follow each other, so that the factors of its users
    stay in the cache: first come the blocks above the diagonal and on it, from the last row band to
    the first, then those below it.

    Examples
    --------
    >>> crossings([0, 1, 2], [5, 6, 7])
    [(2, 7), (1, 6), (1, 7), (0, 5), (0, 6), (0, 7), (2, 5), (2, 6), (1, 5)]
    """
    from_last = list(enumerate(rows))[::-1]
    upper = [(row, column) for number, row in from_last for column in columns[number:]]
    lower = [(row, column) for number, row in from_last for column in columns[:number]]
    return upper + lower


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Positions, tile ranges and bands of users, or of items."""

    order: Rows  # row at each position
    n_rows: int  # number of rows, including those without ratings
    edges: Offsets  # first position of each tile range, and the end
    bands: Offsets  # first position of each band, and the end
    band_ranges: Offsets  # first tile range of each band, and the end

    @property
    def n_bands(self) -> int:
        return len(self.bands) - 1

    @property
    def n_ranges(self) -> int:
        return len(self.edges) - 1


@dataclass(frozen=True, kw_only=True)
class _Tiles:
    """The tiles, in the order in which they are stored."""

    user_side: _Side
    item_side: _Side
    user_range: NDArray[np.intp]  # tile range of the users of each tile
    item_range: NDArray[np.intp]  # tile range of the items of each tile
    crossing: NDArray[np.intp]  # row-major number of the crossing of ranges that each tile is
    first_of_block: Offsets  # first tile of each block, and the end


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Numbers whose sum tells the group and the positions of a rating: see the kernel."""

    user_cells: Offsets
    item_cells: Offsets


@dataclass(frozen=True, kw_only=True)
class _Crossings:
    """Numbers whose sum tells the crossing of tile ranges of a rating: see the kernel."""

    user_crossings: Rows
    item_crossings: Rows


@dataclass(frozen=True, kw_only=True)
class _Groups:
    """Ratings are sorted into groups of tiles first, and each group into its tiles: see the kernel.

    There are far fewer groups than tiles, so fewer cache lines are written to at the same time.
    """

    starts: Offsets
    first_tiles: Offsets
    first_user_positions: Rows
    first_item_positions: Rows
    n_item_ranges: Rows
    user_positions: NDArray[np.uint32]
    item_positions: NDArray[np.uint32]
    n_items: Rows
    strip_bits: int
    n_bits: int
    n_key_bits: int


@dataclass(frozen=True, kw_only=True)
class _Scratch:
    """Working memory to sort the ratings of a group into tiles."""

    records: NDArray[np.uint64]
    buckets: NDArray[np.int32]
    cursor: Offsets
    pairs: NDArray[np.uint32]
    codes: NDArray[np.uint16]
    values: Floats
    weights: Floats


def _count_rows(
    ratings: Ratings, shape: tuple[int, int], *, workers: Workers, n_chunks: int
) -> tuple[Offsets, Offsets]:
    """Count the ratings of each user and item, and check that every row is in range."""
    sides = (ratings.user_rows, ratings.item_rows)
    edges = _chunk_edges(len(ratings.values), n_chunks)
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


def _chunk_edges(n: int, n_chunks: int) -> list[int]:
    """Return the edges of chunks of `n` entries."""
    return [n * chunk // n_chunks for chunk in range(n_chunks + 1)]


def _count_tile_rows(n_ratings: int, n_rated: tuple[int, int], row_bytes: int, sizes: Sizes) -> int:
    """Return the maximum number of users, and of items, of a tile."""
    in_cache = sizes.tile_bytes // 2 // row_bytes
    dense_enough = (sizes.tile_ratings * n_rated[0] * n_rated[1] / n_ratings) ** 0.5
    return max(1, min(MAX_TILE_ROWS, max(in_cache, int(dense_enough))))


def _count_strip_bits(
    tile_ratings: float, n_users: NDArray[np.int64], row_bytes: int, sizes: Sizes
) -> int:
    """Return the logarithm of the number of users of a strip.

    Parameters
    ----------
    tile_ratings : float
        Mean number of ratings of a tile.
    n_users : ndarray
        Number of users of each tile range.
    row_bytes : int
        Bytes of the factors of a user.
    sizes : Sizes
        The sizes of strips.
    """
    dense_enough = math.ceil(sizes.strip_ratings * float(np.mean(n_users)) / tile_ratings)
    rows = min(max(1, sizes.strip_bytes // row_bytes, dense_enough), int(n_users.max()))
    return (rows - 1).bit_length()


def _cut(counts: Offsets, n_bands: int) -> Offsets:
    """Return the edges of at most `n_bands` non-empty ranges with nearly equal counts."""
    if n_bands == 1:
        return np.array([0, len(counts)])
    total = np.cumsum(counts)
    inner = np.searchsorted(total, total[-1] * np.arange(1, n_bands) / n_bands) + 1
    return np.unique(np.concatenate([[0], inner, [len(counts)]])).astype(np.int64)


def _make_side(counts: Offsets, n_bands: int, tile_rows: int, bits: np.random.PCG64) -> _Side:
    rated = np.flatnonzero(counts)
    order = rated[permutation(len(rated), bits)]
    bands = _cut(counts[order], n_bands)
    edges = []
    for low, high in itertools.pairwise(bands.tolist()):
        n_ranges = -(-(high - low) // tile_rows)
        edges.append([low + number * (high - low) // n_ranges for number in range(n_ranges)])
    return _Side(
        order=order.astype(np.int32),
        n_rows=len(counts),
        edges=np.array([*itertools.chain.from_iterable(edges), len(order)]),
        bands=bands,
        band_ranges=np.cumsum([0, *map(len, edges)]),
    )


def _make_tiles(user_side: _Side, item_side: _Side) -> _Tiles:
    """Return the tiles, block by block and in row-major order within their block."""
    n_users, n_items = user_side.n_ranges, item_side.n_ranges
    user_sizes, item_sizes = np.diff(user_side.band_ranges), np.diff(item_side.band_ranges)
    # For each crossing, in row-major order: the range, the first of its band, and their number.
    user_range, first_user, user_size = (
        np.repeat(numbers, n_items)
        for numbers in (
            np.arange(n_users),
            np.repeat(user_side.band_ranges[:-1], user_sizes),
            np.repeat(user_sizes, user_sizes),
        )
    )
    item_range, first_item, item_size = (
        np.tile(numbers, n_users)
        for numbers in (
            np.arange(n_items),
            np.repeat(item_side.band_ranges[:-1], item_sizes),
            np.repeat(item_sizes, item_sizes),
        )
    )
    number = first_user * n_items + user_size * first_item
    number += (user_range - first_user) * item_size + item_range - first_item
    crossing = np.empty_like(number)
    crossing[number] = np.arange(len(number))
    row_firsts, row_sizes = (
        np.repeat(numbers, item_side.n_bands)
        for numbers in (user_side.band_ranges[:-1], user_sizes)
    )
    column_firsts = np.tile(item_side.band_ranges[:-1], user_side.n_bands)
    first_of_block = row_firsts * n_items + row_sizes * column_firsts
    return _Tiles(
        user_side=user_side,
        item_side=item_side,
        crossing=crossing,
        user_range=user_range[crossing],
        item_range=item_range[crossing],
        first_of_block=np.append(first_of_block, len(number)),
    )


def _group_blocks(user_side: _Side, item_side: _Side) -> bool:
    """Return whether groups can be blocks, whose positions must have 16 bits, or are tiles."""
    bands = user_side.bands, item_side.bands
    return all(int(np.diff(edges).max()) <= MAX_TILE_ROWS for edges in bands)


def _group_edges(side: _Side, by_block: bool) -> Offsets:
    return side.bands if by_block else side.edges


def _make_cells(side: _Side, edges: Offsets, stride: int, shift: int) -> Offsets:
    """Return the cell of each row: see the kernel. Groups have these edges and a stride."""
    base = (np.arange(len(edges) - 1) * stride << 32) - (edges[:-1] << shift)
    of_positions = np.repeat(base, np.diff(edges))
    of_positions += np.arange(len(side.order)) << shift
    cells = np.zeros(side.n_rows, np.int64)
    cells[side.order.astype(np.intp)] = of_positions
    return cells


def _make_crossings(side: _Side, stride: int) -> Rows:
    """Return the number of the tile range of each row, times a stride."""
    crossings = np.zeros(side.n_rows, np.int32)
    numbers = np.arange(side.n_ranges, dtype=np.int32) * np.int32(stride)
    crossings[side.order.astype(np.intp)] = np.repeat(numbers, np.diff(side.edges))
    return crossings


def _local_positions(side: _Side, by_block: bool) -> NDArray[np.uint32]:
    """Return the positions in tiles, plus 2**16 times the number of the tile range in its group."""
    numbers = np.arange(side.n_ranges)
    numbers -= np.repeat(side.band_ranges[:-1], np.diff(side.band_ranges)) if by_block else numbers
    local = np.repeat((numbers << 16) - side.edges[:-1], np.diff(side.edges))
    local += np.arange(len(local))
    return local.astype(np.uint32)


def _group_by_tile(
    ratings: Ratings,
    weights: Floats | None,
    levels: Levels,
    tiles: _Tiles,
    *,
    strip_bits: int,
    workers: Workers,
    n_chunks: int,
) -> PackedRatings:
    """Write the ratings tile by tile and strip by strip, each strip in random order.

    Each chunk of the input has its own counts, from which it computes where its ratings go in each
    group. The number of chunks therefore does not affect the result.
    """
    n, dtype = len(ratings.values), ratings.values.dtype
    user_side, item_side = tiles.user_side, tiles.item_side
    by_block = _group_blocks(user_side, item_side)
    user_edges, item_edges = (_group_edges(side, by_block) for side in (user_side, item_side))
    n_groups = len(user_edges) - 1, len(item_edges) - 1
    layout = _Layout(
        user_cells=_make_cells(user_side, user_edges, n_groups[1], 0),
        item_cells=_make_cells(item_side, item_edges, 1, 16),
    )
    order = np.arange(n_groups[0] * n_groups[1]) if by_block else tiles.crossing
    spans = [slice(*ends) for ends in itertools.pairwise(_chunk_edges(n, n_chunks))]
    n_levels, n_tiles = len(levels.levels), len(tiles.crossing)
    counts = _count_tiles(ratings, tiles, spans, workers)
    tile_starts = np.zeros(n_tiles + 1, np.int64)
    np.cumsum(counts.sum(axis=0), out=tile_starts[1:])
    first_tiles = tiles.first_of_block if by_block else np.arange(n_tiles + 1)
    starts = tile_starts[first_tiles]
    cursors, cursor = np.empty((n_chunks, len(order)), np.int64), starts[:-1].copy()
    for chunk in range(n_chunks):
        cursors[chunk][order] = cursor
        cursor += np.add.reduceat(counts[chunk], first_tiles[:-1])
    given_weights = np.empty(0, dtype) if weights is None else weights
    packed = PackedRatings(
        pairs=np.zeros((n + LOOKAHEAD, 2), np.uint16),
        codes8=np.empty(n if 0 < n_levels <= MAX_SHORT else 0, np.uint8),
        codes16=np.empty(n if n_levels > MAX_SHORT else 0, np.uint16),
        levels=levels.levels,
        values=np.empty(0 if n_levels else n, dtype),
        weights=np.empty_like(given_weights),
        tile_starts=tile_starts,
        first_user_positions=_first_positions(user_side, tiles.user_range),
        first_item_positions=_first_positions(item_side, tiles.item_range),
    )

    def write_chunk(chunk: int) -> None:
        span = spans[chunk]
        rows = ratings.user_rows[span], ratings.item_rows[span]
        given = ratings.values[span], given_weights[span]
        tile_kernel.scatter(*rows, *given, layout, levels, cursors[chunk], packed)

    workers.map(write_chunk, range(n_chunks))
    n_ranges = np.diff(item_side.band_ranges) if by_block else np.ones(n_groups[1], np.int64)
    n_users, n_items = np.diff(user_side.edges), np.diff(item_side.edges)
    strip_users = min(1 << strip_bits, int(n_users.max()))
    n_bits = max(2, (strip_users * int(n_items.max()) - 1).bit_length())
    groups = _Groups(
        starts=starts,
        first_tiles=first_tiles,
        first_user_positions=packed.first_user_positions[first_tiles],
        first_item_positions=packed.first_item_positions[first_tiles],
        n_item_ranges=np.tile(n_ranges, n_groups[0]).astype(np.int32),
        user_positions=_local_positions(user_side, by_block),
        item_positions=_local_positions(item_side, by_block),
        n_items=n_items[tiles.item_range].astype(np.int32),
        strip_bits=strip_bits,
        n_bits=n_bits,
        n_key_bits=n_bits + (int(n_users.max()) - 1 >> strip_bits).bit_length(),
    )
    _arrange_groups(packed, groups, workers=workers, n_chunks=n_chunks)
    return packed


def _count_tiles(
    ratings: Ratings, tiles: _Tiles, spans: list[slice], workers: Workers
) -> NDArray[np.int64]:
    """Count the ratings of each span in each tile."""
    if len(tiles.crossing) == 1:
        return np.array([[span.stop - span.start] for span in spans])
    crossings = _Crossings(
        user_crossings=_make_crossings(tiles.user_side, tiles.item_side.n_ranges),
        item_crossings=_make_crossings(tiles.item_side, 1),
    )

    def count(span: slice) -> NDArray[np.int64]:
        counts = np.zeros(len(tiles.crossing), np.int64)
        tile_kernel.count(ratings.user_rows[span], ratings.item_rows[span], crossings, counts)
        return counts[tiles.crossing]

    return np.array(workers.map(count, spans))


def _first_positions(side: _Side, ranges: NDArray[np.intp]) -> Rows:
    """Return the first position of each tile, and a zero."""
    return np.append(side.edges[ranges], 0).astype(np.int32)


def _arrange_groups(
    packed: PackedRatings, groups: _Groups, *, workers: Workers, n_chunks: int
) -> None:
    """Sort the ratings of each group into its tiles, and shuffle each tile."""
    starts, dtype, tile_sizes = groups.starts, packed.dtype, np.diff(packed.tile_starts)
    n_tasks = 1 if n_chunks == 1 else TASKS_PER_CHUNK * n_chunks
    ends = np.searchsorted(starts, _chunk_edges(packed.n_ratings, n_tasks))
    ends[-1] = len(starts) - 1

    def arrange(ends: tuple[int, int]) -> None:
        begin, end = ends
        if begin == end:
            return
        largest = int(np.diff(starts[begin : end + 1]).max())
        tiles = slice(groups.first_tiles[begin], groups.first_tiles[end])
        scratch = _Scratch(
            records=np.empty((2, int(tile_sizes[tiles].max())), np.uint64),
            buckets=np.empty(1 << tile_kernel.MAX_DIGIT_BITS, np.int32),
            cursor=np.empty(int(np.diff(groups.first_tiles[begin : end + 1]).max()), np.int64),
            pairs=np.empty(largest, np.uint32),
            codes=np.empty(0 if len(packed.values) else largest, np.uint16),
            values=np.empty(largest if len(packed.values) else 0, dtype),
            weights=np.empty(largest if len(packed.weights) else 0, dtype),
        )
        tile_kernel.arrange(packed.values, packed.weights, packed, groups, begin, end, scratch)

    workers.map(arrange, itertools.pairwise(ends.tolist()))


def _sum_weights(packed: PackedRatings, n_users: int, n_items: int) -> tuple[Doubles, Doubles]:
    """Return the sum of the weights at each position, in the order of the schedule."""
    users, items = np.zeros(n_users), np.zeros(n_items)
    for chunk in chunks(packed):
        user_positions, item_positions, _ = unpack(packed, chunk.start, chunk.stop)
        weights = packed.weights[chunk].astype(np.float64)
        np.add.at(users, user_positions.astype(np.intp), weights)
        np.add.at(items, item_positions.astype(np.intp), weights)
    return users, items
