"""Which rating is visited when: blocks, tiles, strata and seeds. Pure functions.

Rows of users and items are given *places* in a random order, so that every part of the matrix is
equally dense. Places are cut into at most 64 bands with equally many ratings; a row band crossed
with a column band is a block, the unit of scheduling. Bands are cut into ranges of places whose
factors fit the cache together; their crossings are tiles, and the ratings of a block are stored
tile by tile, shuffled within each. Everything depends on the ratings, the number of factors and
the seed alone.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._input.row_counts import count_rows
from factorate._kernels import tiles as tile_kernel
from factorate._kernels.plain import LOOKAHEAD
from factorate._utils.random_streams import permutation, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from numpy.typing import NDArray

    from factorate._utils.types import Floats, Offsets, Rows

    Run = Callable[[Callable[[Any], None], Iterable[Any]], Iterable[None]]

MAX_BANDS = 64
BLOCK_WORK = 1 << 22  # ratings × factors of a block: a millisecond
TILE_BYTES = 1 << 19  # factors of the users and items of a tile
TILE_RATINGS = 2048  # a tile with fewer ratings, on average, is made larger instead


@dataclass(frozen=True)
class Schedule:
    """Ratings in the order of their visits.

    Attributes
    ----------
    user_order, item_order
        Row (int32) that stands at each place; rows without ratings have no place.
    users, items
        Places (int32) of each rating, blocks in row-major order, followed by `LOOKAHEAD` zeros.
    ratings
        Values in the same order, likewise padded.
    weights
        Weights in the same order, without padding; empty if there are none.
    block_starts
        Shape (row bands, column bands) + 1 entry in flat order: where each block begins.
    user_edges
        First place (int64) of each row band, and the end.
    n_bands
        Number of row bands and of column bands.
    """

    user_order: Rows
    item_order: Rows
    users: Rows
    items: Rows
    ratings: Floats
    weights: Floats
    block_starts: NDArray[np.int64]
    user_edges: NDArray[np.int64]
    n_bands: tuple[int, int]

    @property
    def n_ratings(self) -> int:
        """Number of ratings, without the padding."""
        return int(self.block_starts[-1])


@dataclass(frozen=True)
class _Side:
    """How the rows of one side, users or items, are placed and cut."""

    order: Rows  # row at each place
    place: Rows  # place of each row, 0 for those without ratings
    tile: Rows  # tile range of each row
    edges: NDArray[np.int64]  # first place of each tile range, and the end
    band: NDArray[np.int64]  # band of each tile range
    bands: NDArray[np.int64]  # first place of each band, and the end

    @property
    def n_bands(self) -> int:
        return len(self.bands) - 1


@dataclass(frozen=True)
class _Tiles:
    """The crossings of the tile ranges of both sides."""

    number: Rows  # of each crossing: its place in the order of visits, shape (rows, columns)
    row: NDArray[np.intp]  # range of users of each tile, by number
    column: NDArray[np.intp]  # range of items
    first_of_block: NDArray[np.intp]  # number of each block's first tile, and the end


class _Layout(NamedTuple):
    """Tile ranges and positions of rows, and the tile where two ranges cross."""

    user_ranges: Rows
    item_ranges: Rows
    numbers: Rows
    user_positions: Rows
    item_positions: Rows


class _Scheduled(NamedTuple):
    """Ratings in the order of the schedule."""

    users: Rows
    items: Rows
    values: Floats
    weights: Floats


class _Bounds(NamedTuple):
    """Where each tile begins, in the ratings and in the positions, and the bits of its hash."""

    starts: Offsets
    first_users: Rows
    first_items: Rows
    n_items: Rows
    n_bits: int


class _Scratch(NamedTuple):
    """Working memory to shuffle a tile."""

    keys: NDArray[np.uint64]
    origins: Rows
    rows: Rows
    values: Floats


def _scratch(size: int, dtype: np.dtype[Any]) -> _Scratch:
    shape = 2, size
    return _Scratch(
        np.empty(shape, np.uint64),
        np.empty(shape, np.int32),
        np.empty(shape, np.int32),
        np.empty(shape, dtype),
    )


def _cut(weights: NDArray[np.int64], n_bands: int) -> NDArray[np.int64]:
    """Return the edges of at most `n_bands` non-empty ranges of nearly equal weight."""
    total = np.cumsum(weights)
    inner = np.searchsorted(total, total[-1] * np.arange(1, n_bands) / n_bands) + 1
    return np.unique(np.concatenate([[0], inner, [len(weights)]])).astype(np.int64)


def _side(counts: NDArray[np.int64], n_bands: int, tile_rows: int, bits: np.random.PCG64) -> _Side:
    rated = np.flatnonzero(counts)
    order = rated[permutation(len(rated), bits)].astype(np.int32)
    bands = _cut(counts[order], n_bands)
    edges, band = [], []
    for number, (low, high) in enumerate(itertools.pairwise(bands)):
        n_tiles = -(-int(high - low) // tile_rows)
        edges.append(low + np.arange(n_tiles) * (high - low) // n_tiles)
        band.append(np.full(n_tiles, number))
    edges.append(bands[-1:])
    place = np.zeros(len(counts), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    tile = np.zeros(len(counts), np.int32)
    all_edges = np.concatenate(edges)
    tile[order] = np.repeat(np.arange(len(all_edges) - 1), np.diff(all_edges))
    return _Side(order, place, tile, all_edges, np.concatenate(band), bands)


def _bands(n_ratings: int, n_factors: int) -> tuple[int, int]:
    n_bands = min(MAX_BANDS, max(1, int((n_ratings * n_factors / BLOCK_WORK) ** 0.5)))
    return n_bands, n_bands


def _tile_rows(n_ratings: int, n_users: int, n_items: int, row_bytes: int) -> int:
    """Return how many users, and items, a tile spans."""
    cached = TILE_BYTES // 2 // row_bytes
    dense_enough = (TILE_RATINGS * n_users * n_items / n_ratings) ** 0.5
    return max(1, cached, int(dense_enough))


def _number_tiles(row: _Side, column: _Side) -> _Tiles:
    """Give tiles numbers block by block, and by row and column within their block."""
    shape = len(row.band), len(column.band)
    tile_row, tile_column = (index.ravel() for index in np.indices(shape))
    block = row.band[tile_row] * column.n_bands + column.band[tile_column]
    by_block = np.argsort(block, kind="stable")
    number = np.empty(len(block), np.int32)
    number[by_block] = np.arange(len(block), dtype=np.int32)
    first = np.searchsorted(block[by_block], np.arange(row.n_bands * column.n_bands + 1))
    return _Tiles(number.reshape(shape), tile_row[by_block], tile_column[by_block], first)


def make_schedule(
    users: Rows,
    items: Rows,
    ratings: Floats,
    n_users: int,
    n_items: int,
    n_factors: int,
    seed: int,
    n_parts: int = 1,
    run: Run = map,
    weights: Floats | None = None,
    n_bands: tuple[int, int] | None = None,
) -> Schedule:
    """Bring ratings into the order of their visits.

    Parameters
    ----------
    users, items
        Row of each rating, shape (n,).
    ratings
        Values, shape (n,), float32 or float64.
    n_users, n_items
        Number of rows of each side; rows without ratings are allowed.
    n_factors
        Length of a row of factors in memory.
    seed
        Seeds the places.
    n_parts, run
        Into how many parts the work is cut, and what maps a function over them: that of a thread
        pool runs them side by side. Neither changes the result.
    weights
        Weight of each rating, shape (n,), in the dtype of the ratings; None for equal ones.
    n_bands
        At most how many row bands and column bands; None for as many as the work is worth.

    Raises
    ------
    ValueError
        If a row is outside its range.
    """
    n = len(ratings)
    user_counts, item_counts = (
        count_rows(users, n_users, "user"),
        count_rows(items, n_items, "item"),
    )
    n_row_bands, n_column_bands = n_bands or _bands(n, n_factors)
    n_rated = int(np.count_nonzero(user_counts)), int(np.count_nonzero(item_counts))
    tile_rows = _tile_rows(n, *n_rated, n_factors * ratings.itemsize)
    row = _side(user_counts, n_row_bands, tile_rows, stream(seed, 0))
    column = _side(item_counts, n_column_bands, tile_rows, stream(seed, 1))
    tiles = _number_tiles(row, column)

    # Each part of the input gets its own counts, so that parts are placed side by side in a tile
    # in their order, whatever their number.
    parts = list(itertools.pairwise(np.linspace(0, n, n_parts + 1).astype(int).tolist()))
    counts = np.zeros((n_parts, len(tiles.row)), np.int64)
    layout = _Layout(row.tile, column.tile, tiles.number, row.place, column.place)

    def count_part(part: int) -> None:
        some = slice(*parts[part])
        tile_kernel.count(users[some], items[some], layout, counts[part])

    list(run(count_part, range(n_parts)))
    starts = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
    cursors = starts[:-1] + np.cumsum(counts, axis=0) - counts

    out_users, out_items = np.zeros(n + LOOKAHEAD, np.int32), np.zeros(n + LOOKAHEAD, np.int32)
    out_ratings = np.zeros(n + LOOKAHEAD, ratings.dtype)
    if weights is None:
        weights = np.empty(0, ratings.dtype)
    out_weights = np.empty_like(weights)

    out = _Scheduled(out_users, out_items, out_ratings, out_weights)

    def scatter_part(part: int) -> None:
        some = slice(*parts[part])
        tile_kernel.scatter(
            users[some], items[some], ratings[some], weights[some], layout, cursors[part], out
        )

    list(run(scatter_part, range(n_parts)))
    widest = int(np.diff(row.edges).max()) * int(np.diff(column.edges).max())
    bounds = _Bounds(
        starts,
        first_users=row.edges[tiles.row].astype(np.int32),
        first_items=column.edges[tiles.column].astype(np.int32),
        n_items=np.diff(column.edges)[tiles.column].astype(np.int32),
        n_bits=max(2, (widest - 1).bit_length()),
    )

    def shuffle_part(part: tuple[int, int]) -> None:
        begin, end = part
        largest = int(np.diff(starts[begin : end + 1]).max(initial=0))
        tile_kernel.shuffle(*out, bounds, begin, end, _scratch(largest, ratings.dtype))

    shares = np.searchsorted(starts, np.linspace(0, n, n_parts + 1))
    shares[-1] = len(tiles.row)
    list(run(shuffle_part, itertools.pairwise(shares.tolist())))
    return Schedule(
        row.order, column.order, out_users, out_items, out_ratings, out_weights,
        starts[tiles.first_of_block], row.bands, (row.n_bands, column.n_bands),
    )  # fmt: skip


def visits(n_bands: tuple[int, int], seed: int, epoch: int) -> list[int]:
    """Return the blocks (row-major numbers) in the order one epoch visits them.

    The order is a sequence of strata: diagonals of a Latin square laid over shuffled bands, so
    blocks of a stratum share neither a row band nor a column band.

    Examples
    --------
    >>> sorted(visits((2, 3), seed=0, epoch=0))
    [0, 1, 2, 3, 4, 5]
    """
    bits = stream(seed, 2, epoch)
    rows, columns = (permutation(n, bits).tolist() for n in n_bands)
    return [row * n_bands[1] + column for row, column in strata(rows, columns)]


def strata(rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    """Return the crossings of bands along the diagonals of a Latin square.

    Examples
    --------
    >>> strata([0, 1], [5, 6])
    [(0, 5), (1, 6), (0, 6), (1, 5)]
    """
    n_strata = max(len(rows), len(columns))
    return [
        (row, columns[(place + stratum) % n_strata])
        for stratum in range(n_strata)
        for place, row in enumerate(rows)
        if (place + stratum) % n_strata < len(columns)
    ]
