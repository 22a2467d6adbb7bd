"""read_levels: the distinct ratings of a store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.levels import MAX_LEVELS, find_levels
from factorate._store.distinct_ratings import DistinctRatings
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from factorate._input.levels import Levels
    from factorate._store.stored_ratings import StoredRatings
    from factorate._training.held_out_pairs import HeldOutPairs
    from factorate._utils.types import Floats, Offsets


def read_levels(
    stored: StoredRatings,
    dtype: np.dtype[Any],
    *,
    held_out: HeldOutPairs | None = None,
    max_levels: int = MAX_LEVELS,
) -> Levels:
    """Return the distinct ratings of a store in a dtype, unless there are more than `max_levels`.

    Those that are held out do not count.

    Raises
    ------
    ValueError
        If one is too large for the dtype.
    """
    numbers = np.append(stored.levels, [stored.manifest.minimum, stored.manifest.maximum])
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(~np.isfinite(numbers.astype(dtype)))
    if len(bad):
        raise ValueError(
            f"a rating of {stored.folder} is {numbers[bad[0]]}, which is too large for {dtype.name}"
        )
    if stored.manifest.is_coded:
        levels = merge_levels(stored.levels.astype(dtype), stored.read_level_counts())
        if held_out is None:
            return levels
        rest = subtract_levels(levels, held_out.ratings.values)
        if rest is None:
            raise stored.disagreement("level_counts.npy")
        return rest
    keys = None if held_out is None else held_out.keys
    rows = (stored.read_rows(0), stored.read_rows(1)) if keys is not None else None
    distinct = DistinctRatings(max_levels)
    for chunk in stored.read_chunks():
        used = chunk if keys is None or rows is None else keys.drop_from(chunk, rows)
        if distinct.add(stored.decode(used).astype(dtype)) is None:
            return find_levels(np.empty(0, dtype), Workers(), 1)
    found = distinct.levels.astype(dtype)
    return merge_levels(found, distinct.counts[: len(found)])


def merge_levels(levels: Floats, counts: Offsets) -> Levels:
    """Return the levels in ascending order; the counts of those that are equal are added."""
    found = find_levels(levels, Workers(), 1)
    codes = np.searchsorted(found.levels, levels)
    return replace(found, counts=np.bincount(codes, counts).astype(np.float64, copy=False))


def subtract_levels(levels: Levels, held_out: Floats) -> Levels | None:
    """Return the levels of the ratings that are not held out; None if those are none of them."""
    codes = np.searchsorted(levels.levels, held_out).clip(max=len(levels.levels) - 1)
    if not np.array_equal(levels.levels[codes], held_out):
        return None
    counts = levels.counts - np.bincount(codes, minlength=len(levels.counts))
    if counts.min() < 0:
        return None
    used = counts > 0
    return replace(find_levels(levels.levels[used], Workers(), 1), counts=counts[used])
