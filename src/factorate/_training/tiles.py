"""Tiles: the ranges of positions whose crossings are tiles, and ratings sorted into tiles.

`schedule` defines the terms.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.levels import MAX_SHORT
from factorate._kernels import tiles as tile_kernel
from factorate._kernels.plain import LOOKAHEAD
from factorate._training.packed_ratings import PackedRatings
from factorate._utils.random_streams import permutation
from factorate._utils.workers import edges_of_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.levels import Levels
    from factorate._input.ratings import Ratings
    from factorate._training.sizes import Sizes
    from factorate._utils.types import Floats, Offsets, Rows
    from factorate._utils.workers import Workers

MAX_TILE_ROWS = 1 << 16  # positions in a tile have 16 bits
TASKS_PER_CHUNK = 4  # so that threads end at about the same time


@dataclass(frozen=True, kw_only=True)
class Side:
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

    def positions(self) -> Rows:
        """Return the position of each row; -1 for rows without ratings."""
        positions = np.full(self.n_rows, -1, np.int32)
        positions[self.order] = np.arange(len(self.order), dtype=np.int32)
        return positions


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """The tiles, in the order in which they are stored."""

    user_side: Side
    item_side: Side
    user_range: NDArray[np.intp]  # tile range of the users of each tile
    item_range: NDArray[np.intp]  # tile range of the items of each tile
    crossing: NDArray[np.intp]  # row-major number of the crossing of ranges that each tile is
    first_of_block: Offsets  # first tile of each block, and the end


@dataclass(frozen=True, kw_only=True)
class SortKeys:
    """The numbers of bits of the keys by which the ratings of each tile are sorted."""

    strip_bits: int  # logarithm of the number of users of a strip
    n_bits: int  # of the hash of the positions in a strip
    n_key_bits: int  # of the hash and the number of the strip


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


def count_tile_rows(n_ratings: int, n_rated: tuple[int, int], row_bytes: int, sizes: Sizes) -> int:
    """Return the maximum number of users, and of items, of a tile."""
    in_cache = sizes.tile_bytes // 2 // row_bytes
    dense_enough = (sizes.tile_ratings * n_rated[0] * n_rated[1] / n_ratings) ** 0.5
    return max(1, min(MAX_TILE_ROWS, max(in_cache, int(dense_enough))))


def count_strip_bits(
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


def make_side(counts: Offsets, n_bands: int, tile_rows: int, bits: np.random.PCG64) -> Side:
    """Give each row with ratings a random position, and cut the positions into bands and tiles.

    Parameters
    ----------
    counts : ndarray of int64
        Number of ratings of each row.
    n_bands : int
        Maximum number of bands.
    tile_rows : int
        Maximum number of positions of a tile range.
    bits : PCG64
        Source of the positions.
    """
    rated = np.flatnonzero(counts)
    order = rated[permutation(len(rated), bits)]
    bands = _cut(counts[order], n_bands)
    edges = []
    for low, high in itertools.pairwise(bands.tolist()):
        n_ranges = -(-(high - low) // tile_rows)
        edges.append([low + number * (high - low) // n_ranges for number in range(n_ranges)])
    return Side(
        order=order.astype(np.int32),
        n_rows=len(counts),
        edges=np.array([*itertools.chain.from_iterable(edges), len(order)]),
        bands=bands,
        band_ranges=np.cumsum([0, *map(len, edges)]),
    )


def make_sort_keys(user_side: Side, item_side: Side, strip_bits: int) -> SortKeys:
    """Return the numbers of bits that are enough for the largest tile."""
    n_users, n_items = (int(np.diff(side.edges).max()) for side in (user_side, item_side))
    n_bits = max(2, (min(1 << strip_bits, n_users) * n_items - 1).bit_length())
    return SortKeys(
        strip_bits=strip_bits,
        n_bits=n_bits,
        n_key_bits=n_bits + (n_users - 1 >> strip_bits).bit_length(),
    )


def make_tiles(user_side: Side, item_side: Side) -> Tiles:
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
    return Tiles(
        user_side=user_side,
        item_side=item_side,
        crossing=crossing,
        user_range=user_range[crossing],
        item_range=item_range[crossing],
        first_of_block=np.append(first_of_block, len(number)),
    )


def _group_blocks(user_side: Side, item_side: Side) -> bool:
    """Return whether groups can be blocks, whose positions must have 16 bits, or are tiles."""
    bands = user_side.bands, item_side.bands
    return all(int(np.diff(edges).max()) <= MAX_TILE_ROWS for edges in bands)


def _group_edges(side: Side, by_block: bool) -> Offsets:
    return side.bands if by_block else side.edges


def _make_cells(side: Side, edges: Offsets, stride: int, shift: int) -> Offsets:
    """Return the cell of each row: see the kernel. Groups have these edges and a stride."""
    base = (np.arange(len(edges) - 1) * stride << 32) - (edges[:-1] << shift)
    of_positions = np.repeat(base, np.diff(edges))
    of_positions += np.arange(len(side.order)) << shift
    cells = np.zeros(side.n_rows, np.int64)
    cells[side.order.astype(np.intp)] = of_positions
    return cells


def _make_crossings(side: Side, stride: int) -> Rows:
    """Return the number of the tile range of each row, times a stride."""
    crossings = np.zeros(side.n_rows, np.int32)
    numbers = np.arange(side.n_ranges, dtype=np.int32) * np.int32(stride)
    crossings[side.order.astype(np.intp)] = np.repeat(numbers, np.diff(side.edges))
    return crossings


def _local_positions(side: Side, by_block: bool) -> NDArray[np.uint32]:
    """Return the positions in tiles, plus 2**16 times the number of the tile range in its group."""
    numbers = np.arange(side.n_ranges)
    numbers -= np.repeat(side.band_ranges[:-1], np.diff(side.band_ranges)) if by_block else numbers
    local = np.repeat((numbers << 16) - side.edges[:-1], np.diff(side.edges))
    local += np.arange(len(local))
    return local.astype(np.uint32)


def group_by_tile(
    ratings: Ratings,
    weights: Floats | None,
    levels: Levels,
    tiles: Tiles,
    *,
    keys: SortKeys,
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
    spans = [slice(*ends) for ends in itertools.pairwise(edges_of_chunks(n, n_chunks))]
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
    packed.values[:] += 0.0  # -0.0 and 0.0 are the same rating, as if they had codes
    n_ranges = np.diff(item_side.band_ranges) if by_block else np.ones(n_groups[1], np.int64)
    n_items = np.diff(item_side.edges)
    groups = _Groups(
        starts=starts,
        first_tiles=first_tiles,
        first_user_positions=packed.first_user_positions[first_tiles],
        first_item_positions=packed.first_item_positions[first_tiles],
        n_item_ranges=np.tile(n_ranges, n_groups[0]).astype(np.int32),
        user_positions=_local_positions(user_side, by_block),
        item_positions=_local_positions(item_side, by_block),
        n_items=n_items[tiles.item_range].astype(np.int32),
        strip_bits=keys.strip_bits,
        n_bits=keys.n_bits,
        n_key_bits=keys.n_key_bits,
    )
    _arrange_groups(packed, groups, workers=workers, n_chunks=n_chunks)
    return packed


def _count_tiles(
    ratings: Ratings, tiles: Tiles, spans: list[slice], workers: Workers
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


def _first_positions(side: Side, ranges: NDArray[np.intp]) -> Rows:
    """Return the first position of each tile, and a zero."""
    return np.append(side.edges[ranges], 0).astype(np.int32)


def _arrange_groups(
    packed: PackedRatings, groups: _Groups, *, workers: Workers, n_chunks: int
) -> None:
    """Sort the ratings of each group into its tiles, and shuffle each tile."""
    starts, dtype, tile_sizes = groups.starts, packed.dtype, np.diff(packed.tile_starts)
    n_tasks = 1 if n_chunks == 1 else TASKS_PER_CHUNK * n_chunks
    ends = np.searchsorted(starts, edges_of_chunks(packed.n_ratings, n_tasks))
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
