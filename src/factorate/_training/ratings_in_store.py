"""RatingsInStore: the ratings of a store as a fit takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.levels import MAX_LEVELS, MAX_SHORT, find_levels
from factorate._store.array_files import damaged
from factorate._store.distinct_ratings import DistinctRatings
from factorate._store.stored_ratings import Numbered
from factorate._training.held_out import hash_pairs
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from factorate._input.id_index import IdIndex
    from factorate._input.levels import Levels
    from factorate._store.stored_ratings import StoredRatings
    from factorate._training.held_out import HeldOut
    from factorate._utils.types import Flags, Floats, Offsets, Rows
    from factorate.exceptions import RatingStoreError


@dataclass(frozen=True, kw_only=True)
class RatingsInStore:
    """The ratings of a store as a fit takes them.

    Attributes
    ----------
    stored : StoredRatings
        The store.
    levels : Levels
        The distinct ratings in the dtype of training, in which some may become equal, and their
        counts; none if there are too many.
    memory : int or None
        Maximum bytes of memory for a fit; None for no limit.
    scratch : Path
        Folder for temporary files.
    keep_seen : bool
        Whether the items of each user are collected after training, which takes memory.
    warm_start : bool, default=False
        Whether training may continue from other factors, which takes memory.
    held_out : HeldOutPairs or None, default=None
        The ratings that are not trained on; None if all are.
    """

    stored: StoredRatings
    levels: Levels
    memory: int | None
    scratch: Path
    keep_seen: bool
    warm_start: bool = False
    held_out: HeldOutPairs | None = None

    @property
    def user_index(self) -> IdIndex:
        """The ids of the users."""
        return self.stored.indexes[0]

    @property
    def item_index(self) -> IdIndex:
        """The ids of the items."""
        return self.stored.indexes[1]

    @property
    def library(self) -> None:
        """A store does not come from one DataFrame library."""
        return

    @property
    def column_names(self) -> tuple[str, str] | None:
        """Names of the columns of users and items, if they had any."""
        return self.stored.manifest.columns

    @property
    def n_ratings(self) -> int:
        """Number of ratings that are trained on."""
        return self.stored.manifest.n_ratings - self.n_held_out

    @property
    def n_held_out(self) -> int:
        """Number of ratings that are held out."""
        return 0 if self.held_out is None else len(self.held_out.ratings.values)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of training."""
        return self.levels.levels.dtype

    @property
    def rating_dtype(self) -> np.dtype[Any]:
        """Type of the codes of the ratings; if there are no levels, that of the ratings."""
        n_levels = len(self.levels.levels)
        if not n_levels:
            return self.dtype
        return np.dtype(np.uint8 if n_levels <= MAX_SHORT else np.uint16)


@dataclass(frozen=True, kw_only=True)
class HeldOutPairs:
    """Ratings of a store that are held out: those whose pairs have the smallest hashes.

    Attributes
    ----------
    seed : int
        Seeds the hash.
    last_key : int
        The largest hash of a pair that is held out.
    ratings : HeldOut
        These ratings.
    """

    seed: int
    last_key: int
    ratings: HeldOut

    def drop_from(self, ratings: Numbered, rows: tuple[Rows, Rows]) -> Numbered:
        """Return the ratings of a file that are not held out, given the row of each number."""
        users, items, codes, values = ratings
        keys = hash_pairs(rows[0].take(users), rows[1].take(items), self.seed)
        rest: Flags = keys > np.uint64(self.last_key)
        return Numbered(
            users[rest],
            items[rest],
            codes[rest] if len(codes) else codes,
            values[rest] if len(values) else values,
        )


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
        levels = _merge_levels(stored.levels.astype(dtype), stored.read_level_counts())
        return levels if held_out is None else _subtract(levels, held_out.ratings, stored)
    rows = (stored.read_rows(0), stored.read_rows(1)) if held_out is not None else None
    distinct, counts = DistinctRatings(max_levels), np.zeros(max_levels, np.int64)
    for chunk in stored.read_chunks():
        used = chunk if held_out is None or rows is None else held_out.drop_from(chunk, rows)
        codes = distinct.add(stored.decode(used).astype(dtype).astype(np.float64))
        if codes is None:
            return find_levels(np.empty(0, dtype), Workers(), 1)
        counts += np.bincount(codes, minlength=max_levels)
    found = np.array(list(distinct.code_by_value)).astype(dtype)
    return _merge_levels(found, counts[: len(found)])


def _merge_levels(levels: Floats, counts: Offsets) -> Levels:
    """Return the levels in ascending order; the counts of those that are equal are added."""
    found = find_levels(levels, Workers(), 1)
    codes = np.searchsorted(found.levels, levels)
    return replace(found, counts=np.bincount(codes, counts).astype(np.float64, copy=False))


def _subtract(levels: Levels, held_out: HeldOut, stored: StoredRatings) -> Levels:
    """Return the levels of the ratings that are not held out."""
    codes = np.searchsorted(levels.levels, held_out.values)
    counts = levels.counts - np.bincount(codes, minlength=len(levels.counts))
    if counts.min() < 0:
        raise disagreement(stored, "level_counts.npy")
    used = counts > 0
    return replace(find_levels(levels.levels[used], Workers(), 1), counts=counts[used])


def disagreement(stored: StoredRatings, name: str) -> RatingStoreError:
    """Return the error for a file of counts that are not those of the ratings."""
    return damaged(stored.folder, f"{name} does not agree with the ratings")
