"""make_stored_schedule: sort the ratings of a store into the order of their updates, on disk.

Two passes: the first writes the positions and code of each rating, or the rating itself if too many
are distinct, to a temporary file, row band by row band; the second reads one row band after the
other, sorts it into tiles as `make_schedule` does with all ratings at once, and writes its blocks.
Positions, cuts and the order within a tile are those of ratings in memory, and so are the results.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._kernels.plain import LOOKAHEAD
from factorate._store.manifest import SIDES
from factorate._training.ratings_on_disk import PAIR_BYTES, RatingsOnDisk
from factorate._training.row_bands import make_band_sorting, sort_row_bands
from factorate._training.schedule import make_cuts, schedule_of
from factorate._training.stored_memory import plan_memory
from factorate._utils.scratch_file import ScratchFile
from factorate._utils.workers import Workers, slices

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from factorate._store.stored_ratings import Numbered
    from factorate._training.packed_ratings import PackedRatings
    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._training.row_bands import PackedBands
    from factorate._training.schedule import Cuts, Schedule
    from factorate._training.settings import Settings
    from factorate._utils.types import Floats, Offsets, Rows


def make_stored_schedule(
    ratings: RatingsInStore, settings: Settings, workers: Workers | None = None
) -> Schedule:
    """Sort the ratings of a store into the order of their updates.

    Parameters
    ----------
    ratings : RatingsInStore
        The ratings.
    settings : Settings
        As for `make_schedule`.
    workers : Workers, default=None
        Threads to use, which do not affect the result; None for the calling thread.

    Returns
    -------
    Schedule
        Its ratings are `RatingsOnDisk`.

    Raises
    ------
    ValueError
        If a fit needs more memory than it may take.
    RatingStoreError
        If the store is damaged.
    OSError
        If the temporary files cannot be written.
    """
    workers = workers or Workers()
    stored, n = ratings.stored, ratings.n_ratings
    counts = _count_rows(ratings, 0), _count_rows(ratings, 1)
    cuts = make_cuts(counts, n, ratings.dtype.itemsize, settings, workers)
    band_sizes = np.add.reduceat(counts[0].take(cuts.user_side.order), cuts.user_side.bands[:-1])
    plan = plan_memory(ratings, settings, cuts, band_sizes, workers.n_threads)
    rating_dtype = ratings.rating_dtype
    starts = np.concatenate([[0], np.cumsum(band_sizes)])
    n_bytes = n * (2 * PAIR_BYTES + rating_dtype.itemsize)
    bands = _BandFile(ScratchFile(ratings.scratch, n_bytes), starts, rating_dtype)
    _write_bands(ratings, cuts, bands, Workers(min(workers.n_threads, plan.n_chunks)))
    per_thread = settings.sizes.thread_ratings

    def sort(band: int) -> PackedBands:
        users, items, codes = bands.read(band)
        levels = ratings.levels.levels
        values = levels.take(codes) if len(levels) else codes
        sorting = make_band_sorting(cuts, band, band + 1, ratings.levels, per_thread)
        return sort_row_bands(users, items, values, sorting, workers)

    blocks = _write_blocks(ratings, cuts, bands, sort, plan.n_ahead)
    return schedule_of(
        cuts,
        counts,
        ratings=blocks,
        level_counts=ratings.levels.counts,
        block_tiles=blocks.block_tiles,
        shape=stored.shape,
    )


class _Band(NamedTuple):
    """Some ratings of a row band."""

    user_positions: Rows  # from the first of the band
    item_positions: Rows
    ratings: NDArray[Any]  # their codes, or the ratings themselves if there are no levels


class _BandFile(NamedTuple):
    """A temporary file with the ratings of each row band, column by column."""

    file: ScratchFile
    starts: Offsets  # first rating of each band, and the end
    rating_dtype: np.dtype[Any]  # of codes, or of ratings

    def write(self, first: int, columns: _Band) -> None:
        """Write ratings from the one with the number `first` on."""
        for offset, column in zip(self._offsets(first), columns, strict=True):
            self.file.write(offset, column)

    def read(self, band: int) -> _Band:
        """Read the ratings of a row band."""
        first, end = self.starts[band : band + 2].tolist()
        dtypes = np.int32, np.int32, self.rating_dtype
        columns = _Band(*(np.empty(end - first, dtype) for dtype in dtypes))
        for offset, column in zip(self._offsets(first), columns, strict=True):
            self.file.read_into(offset, column)
        return columns

    def _offsets(self, first: int) -> tuple[int, int, int]:
        n = int(self.starts[-1])
        begin = PAIR_BYTES * first
        ratings = 2 * PAIR_BYTES * n + self.rating_dtype.itemsize * first
        return begin, PAIR_BYTES * n + begin, ratings


def _count_rows(ratings: RatingsInStore, side: int) -> Offsets:
    """Return the number of ratings of each user (side 0) or item (side 1), without those held out.

    Raises
    ------
    RatingStoreError
        If more are held out than there are.
    """
    counts = ratings.stored.read_counts(side)
    if ratings.held_out is None:
        return counts
    held_out = ratings.held_out.ratings
    rows = held_out.user_rows if side == 0 else held_out.item_rows
    rest: Offsets = counts - np.bincount(rows, minlength=len(counts))
    if rest.min() < 0:
        raise ratings.stored.disagreement(f"{SIDES[side]}_counts.npy")
    return rest


def _encoder(ratings: RatingsInStore) -> Callable[[Numbered], NDArray[Any]]:
    """Return a function that gives the codes of training of a file, or its ratings."""
    stored, levels = ratings.stored, ratings.levels.levels
    if not len(levels):
        return lambda chunk: stored.decode(chunk).astype(levels.dtype, copy=False)

    def encode(values: Floats) -> NDArray[Any]:
        return np.searchsorted(levels, values.astype(levels.dtype)).astype(ratings.rating_dtype)

    codes = encode(stored.levels)  # any code for those that are all held out
    return lambda chunk: codes.take(chunk.codes) if len(chunk.codes) else encode(chunk.values)


def _write_bands(ratings: RatingsInStore, cuts: Cuts, bands: _BandFile, workers: Workers) -> None:
    """Write the ratings of the store to their row bands, in the order of the store."""
    stored = ratings.stored
    rows = stored.read_rows(0), stored.read_rows(1)
    user_positions = cuts.user_side.positions().take(rows[0])
    item_positions = cuts.item_side.positions().take(rows[1])
    encode = _encoder(ratings)
    edges, n_bands = cuts.user_side.bands, cuts.user_side.n_bands
    band_of = np.repeat(np.arange(n_bands, dtype=np.min_scalar_type(n_bands)), np.diff(edges))
    firsts = edges[:-1].astype(np.int32)

    def sort(number: int) -> tuple[_Band, Offsets]:
        """Return the ratings of a file, sorted by row band, and their number in each."""
        chunk = stored.read_chunk(number)
        if ratings.held_out is not None:
            chunk = ratings.held_out.keys.drop_from(chunk, rows)
        users = user_positions.take(chunk.user_numbers)
        items = item_positions.take(chunk.item_numbers)
        for side, positions in zip(SIDES, (users, items), strict=True):
            if positions.min(initial=0) < 0:
                raise stored.disagreement(f"{side}_counts.npy")
        of_ratings = encode(chunk)
        of_users = band_of.take(users)
        users -= firsts.take(of_users)
        if n_bands == 1:
            return _Band(users, items, of_ratings), np.array([len(users)])
        order = np.argsort(of_users, kind="stable")
        columns = _Band(users.take(order), items.take(order), of_ratings.take(order))
        return columns, np.bincount(of_users, minlength=n_bands)

    cursor = bands.starts[:-1].copy()
    numbers = range(len(stored.manifest.chunks))
    for some in slices(len(numbers), workers.n_threads):
        for columns, sizes in workers.map(sort, numbers[some]):
            if (cursor + sizes > bands.starts[1:]).any():
                raise stored.disagreement("user_counts.npy")
            ends = np.cumsum(sizes)
            for band in np.flatnonzero(sizes).tolist():
                run = slice(ends[band] - sizes[band], ends[band])
                bands.write(int(cursor[band]), _Band(*(column[run] for column in columns)))
            cursor += sizes


def _write_blocks(
    ratings: RatingsInStore,
    cuts: Cuts,
    bands: _BandFile,
    sort: Callable[[int], PackedBands],
    n_ahead: int,
) -> RatingsOnDisk:
    """Sort each row band into tiles, and write its blocks."""
    n, levels, users = int(bands.starts[-1]), ratings.levels.levels, cuts.user_side
    n_blocks = users.n_bands * cuts.item_side.n_bands
    n_bytes = n * (PAIR_BYTES + bands.rating_dtype.itemsize) + n_blocks * LOOKAHEAD * PAIR_BYTES
    file = ScratchFile(ratings.scratch, n_bytes)
    offset, n_tiles = 0, 0
    tile_starts, user_firsts, item_firsts, block_tiles = [], [], [], []
    for band in range(users.n_bands):
        packed, firsts = sort(band)
        offset = _write_band(file, offset, packed, firsts)
        tile_starts.append(packed.tile_starts[:-1] + bands.starts[band])
        user_firsts.append(packed.first_user_positions[:-1] + users.bands[band])
        item_firsts.append(packed.first_item_positions[:-1])
        block_tiles.append(firsts[:-1] + n_tiles)
        n_tiles += len(packed.tile_starts) - 1
        del packed
    return RatingsOnDisk(
        file=file,
        rating_dtype=bands.rating_dtype,
        block_tiles=np.concatenate([*block_tiles, [n_tiles]]),
        n_ahead=n_ahead,
        levels=levels,
        weights=np.empty(0, levels.dtype),
        tile_starts=np.concatenate([*tile_starts, [n]]),
        first_user_positions=np.concatenate([*user_firsts, [0]]).astype(np.int32),
        first_item_positions=np.concatenate([*item_firsts, [0]]).astype(np.int32),
    )


def _write_band(file: ScratchFile, offset: int, packed: PackedRatings, firsts: Offsets) -> int:
    """Write the blocks of a row band from an offset on, and return where they end."""
    zeros = np.zeros((LOOKAHEAD, 2), np.uint16)
    ratings = packed.codes if len(packed.levels) else packed.values
    for first, end in itertools.pairwise(packed.tile_starts[firsts].tolist()):
        for part in (packed.pairs[first:end], zeros, ratings[first:end]):
            file.write(offset, part)
            offset += part.nbytes
    return offset
