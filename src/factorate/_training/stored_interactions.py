"""sort_interactions: sort the interactions of a store by user and by item, on disk.

Three passes. The first writes the interactions to a temporary file, band by band of users. The
second reads one band after the other, sorts it as `make_interactions` does with all interactions at
once, writes it back in its place, and to a second file, band by band of items. The third sorts the
bands of items. So the pairs, their order and their weights are those of interactions in memory, and
so are the results.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from factorate._training.implicit_memory import plan_implicit_memory
from factorate._training.interaction_bands import Band, InteractionBands
from factorate._training.interactions import make_interactions, sort_side
from factorate._training.interactions_on_disk import InteractionsOnDisk, SideOnDisk
from factorate._utils.workers import Workers, slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._training.interaction_side import Side
    from factorate._training.interactions import Interactions
    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._utils.types import Doubles, Offsets, Rows

R = TypeVar("R")


def sort_interactions(
    ratings: RatingsInStore,
    settings: ImplicitSettings,
    validated: Rows | None = None,
    *,
    band_pairs: int | None = None,
) -> InteractionsOnDisk:
    """Sort the interactions of a store by user and by item; the counts of repeated pairs add up.

    Parameters
    ----------
    ratings : RatingsInStore
        The store, whose ratings are the counts.
    settings : ImplicitSettings
        Settings of training.
    validated : ndarray of int32, default=None
        Rows of the users of the validation set, if there is one.
    band_pairs : int, default=None
        Maximum number of interactions of a row band of more than one row, which does not affect the
        result; None for as many as fit in memory.

    Returns
    -------
    InteractionsOnDisk
        The interactions, with the weights that their counts have in training.

    Raises
    ------
    ValueError
        If a fit needs more memory than it may take.
    RatingStoreError
        If the store is damaged.
    OSError
        If the temporary files cannot be written.
    """
    stored = ratings.stored
    counts = stored.read_counts(0), stored.read_counts(1)
    n_validated = None
    if validated is not None:
        n_validated = int(counts[0].take(np.unique(validated)).sum())
    plan = plan_implicit_memory(ratings, settings, counts, n_validated=n_validated)
    size = band_pairs or plan.band_pairs
    users, items = (InteractionBands(ratings, side, counts[side], size) for side in range(2))
    del counts
    _write_bands(ratings, users, Workers(plan.n_chunks))
    workers = Workers(plan.n_bands)
    by_user = _sort_users(users, items, settings, workers, is_counted=_is_counted(ratings))
    by_item = _sort_items(items, settings, workers, has_counts=by_user.has_counts)
    user_side, item_side = (
        SideOnDisk(
            file=bands.file,
            counts_offset=bands.counts_offset,
            has_counts=by_user.has_counts,
            dtype=ratings.dtype,
            starts=found.starts,
            sums=found.sums,
            weigh=settings.weights,
            ahead_bytes=plan.ahead_bytes,
        )
        for bands, found in ((users, by_user), (items, by_item))
    )
    return InteractionsOnDisk(sides=(user_side, item_side))


def _is_counted(ratings: RatingsInStore) -> bool:
    """Return whether a count of the store is not 1."""
    levels = ratings.levels.levels
    return not len(levels) or bool((levels != 1).any())


def _write_bands(ratings: RatingsInStore, users: InteractionBands, workers: Workers) -> None:
    """Write the interactions of the store to their bands of users, in the order of the store."""
    stored, no_counts = ratings.stored, np.empty(0, ratings.dtype)
    user_rows, item_rows = stored.read_rows(0), stored.read_rows(1)
    n_bands, is_counted = len(users), _is_counted(ratings)
    numbers = np.arange(n_bands, dtype=np.min_scalar_type(n_bands))
    band_of, firsts = np.repeat(numbers, np.diff(users.edges)), users.edges.astype(np.int32)

    def sort(number: int) -> tuple[Band, Offsets]:
        """Return the interactions of a file, sorted by band, and their number in each."""
        chunk = stored.read_chunk(number)
        rows, others = user_rows.take(chunk.user_numbers), item_rows.take(chunk.item_numbers)
        bands = band_of.take(rows)
        rows -= firsts.take(bands)
        counts = stored.decode(chunk).astype(ratings.dtype) if is_counted else no_counts
        columns = Band(rows, others, counts).select(np.argsort(bands, kind="stable"))
        return columns, np.bincount(bands, minlength=n_bands)

    for columns, sizes in _map_in_order(workers, sort, len(stored.manifest.chunks)):
        ends = np.cumsum(sizes)
        for band in np.flatnonzero(sizes).tolist():
            users.write(band, columns.select(slice(ends[band] - sizes[band], ends[band])))


class _Sorted(NamedTuple):
    """What is known of rows after their interactions have been sorted.

    Attributes
    ----------
    starts : ndarray of int64
        Where the distinct pairs of each row begin, and the end.
    sums : ndarray of float64
        Sum of the weights of each row.
    has_counts : bool
        Whether a count is not 1.
    """

    starts: Offsets
    sums: Doubles
    has_counts: bool


def _sort_users(
    users: InteractionBands,
    items: InteractionBands,
    settings: ImplicitSettings,
    workers: Workers,
    *,
    is_counted: bool,
) -> _Sorted:
    """Sort the bands of users, and write their pairs to the bands of items."""
    n_items, dtype = int(items.edges[-1]), settings.als.dtype

    def sort(band: int) -> Interactions:
        rows, others, counts = users.read(band, has_counts=is_counted)
        weights = counts if is_counted else None
        return make_interactions(rows, others, weights, (users.n_rows(band), n_items), dtype)

    n_pairs, sums, has_counts = [], [], False
    for band, found in enumerate(_map_in_order(workers, sort, len(users))):
        side, _ = found.sides
        counts = side.weights
        if len(counts):
            has_counts = True
        elif is_counted:  # those that they replace may not be 1
            counts = np.ones(len(side.others), dtype)
        users.write_sorted(side.others, counts)
        n_pairs.append(np.diff(side.starts))
        sums.append(_sums(side, settings))
        _write_item_bands(found, int(users.edges[band]), items)
        del found, side, counts  # the next bands need their memory
    users.finish()
    return _Sorted(_to_starts(n_pairs), np.concatenate(sums), has_counts)


def _write_item_bands(of_band: Interactions, first_user: int, items: InteractionBands) -> None:
    """Write the pairs of a band of users to their bands of items."""
    _, side = of_band.sides
    for band, (first, stop) in enumerate(itertools.pairwise(items.edges.tolist())):
        begin, end = side.starts[[first, stop]].tolist()
        if begin == end:
            continue
        n_pairs = np.diff(side.starts[first : stop + 1])
        rows = np.repeat(np.arange(stop - first, dtype=np.int32), n_pairs)
        others = side.others[begin:end] + np.int32(first_user)
        counts = side.weights[begin:end]  # empty if they are
        items.write(band, Band(rows, others, counts))


def _sort_items(
    items: InteractionBands, settings: ImplicitSettings, workers: Workers, *, has_counts: bool
) -> _Sorted:
    """Sort the bands of items, in which the users ascend."""

    def sort(band: int) -> Side:
        rows, others, counts = items.read(band, has_counts=has_counts)
        return sort_side(rows, others, counts, items.n_rows(band))

    n_pairs, sums = [], []
    for side in _map_in_order(workers, sort, len(items)):
        items.write_sorted(side.others, side.weights)
        n_pairs.append(np.diff(side.starts))
        sums.append(_sums(side, settings))
        del side  # the next bands need its memory
    items.finish()
    return _Sorted(_to_starts(n_pairs), np.concatenate(sums), has_counts)


def _sums(side: Side, settings: ImplicitSettings) -> Doubles:
    """Return the sum of the weights of each row of a side with counts."""
    weights = settings.weights(side.weights, len(side.others))
    return replace(side, weights=weights).counts()


def _to_starts(sizes: list[Offsets]) -> Offsets:
    """Return where groups begin, and the end, from their sizes."""
    return np.concatenate([[0], np.cumsum(np.concatenate(sizes))])


def _map_in_order(workers: Workers, function: Callable[[int], R], n: int) -> Iterator[R]:
    """Call a function for each number, as many at the same time as there are threads."""
    for numbers in slices(n, workers.n_threads):
        yield from workers.map(function, range(n)[numbers])
