"""RatingsInStore: the ratings of a store as a fit takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from factorate._input.id_index import IdIndex
    from factorate._store.stored_ratings import StoredRatings
    from factorate._utils.types import Floats, Rows


@dataclass(frozen=True, kw_only=True)
class RatingsInStore:
    """The ratings of a store as a fit takes them.

    Attributes
    ----------
    stored : StoredRatings
        The store.
    levels : ndarray
        The rating of each code of the store, in the dtype of training.
    memory : int or None
        Maximum bytes of memory for a fit; None for no limit.
    scratch : Path
        Folder for temporary files.
    keep_seen : bool
        Whether the items of each user are collected after training, which takes memory.
    """

    stored: StoredRatings
    levels: Floats
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

    def read_row_batches(self) -> Iterator[tuple[Rows, Rows]]:
        """Iterate over the rows of users and items of all ratings, some at a time."""
        return self.stored.read_row_batches()


def read_levels(stored: StoredRatings, dtype: np.dtype[Any]) -> Floats:
    """Return the rating of each code of a store in a dtype.

    Raises
    ------
    ValueError
        If one is too large for the dtype.
    """
    values = stored.read_levels().values
    with np.errstate(over="ignore"):
        levels: Floats = values.astype(dtype)
    bad = np.flatnonzero(~np.isfinite(levels))
    if len(bad):
        raise ValueError(
            f"a rating of {stored.folder} is {values[bad[0]]}, which is too large for {dtype.name}"
        )
    return levels
