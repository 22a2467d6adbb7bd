"""RatingsInStore: the ratings of a store as a fit takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.levels import MAX_LEVELS, MAX_SHORT, find_levels
from factorate._store.distinct_ratings import DistinctRatings
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from factorate._input.id_index import IdIndex
    from factorate._input.levels import Levels
    from factorate._store.stored_ratings import StoredRatings
    from factorate._utils.types import Floats, Offsets, Rows


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
    """

    stored: StoredRatings
    levels: Levels
    memory: int | None
    scratch: Path
    keep_seen: bool

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
        """Number of ratings."""
        return self.stored.manifest.n_ratings

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

    def read_row_batches(self) -> Iterator[tuple[Rows, Rows]]:
        """Iterate over the rows of users and items of all ratings, some at a time."""
        return self.stored.read_row_batches()


def read_levels(
    stored: StoredRatings, dtype: np.dtype[Any], *, max_levels: int = MAX_LEVELS
) -> Levels:
    """Return the distinct ratings of a store in a dtype, unless there are more than `max_levels`.

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
        return _merge_levels(stored.levels.astype(dtype), stored.read_level_counts())
    distinct, counts = DistinctRatings(max_levels), np.zeros(max_levels, np.int64)
    for chunk in stored.read_chunks():
        codes = distinct.add(stored.decode(chunk).astype(dtype).astype(np.float64))
        if codes is None:
            return find_levels(np.empty(0, dtype), Workers(), 1)
        counts += np.bincount(codes, minlength=max_levels)
    levels = np.array(list(distinct.code_by_value)).astype(dtype)
    return _merge_levels(levels, counts[: len(levels)])


def _merge_levels(levels: Floats, counts: Offsets) -> Levels:
    """Return the levels in ascending order; the counts of those that are equal are added."""
    found = find_levels(levels, Workers(), 1)
    codes = np.searchsorted(found.levels, levels)
    return replace(found, counts=np.bincount(codes, counts).astype(np.float64, copy=False))
