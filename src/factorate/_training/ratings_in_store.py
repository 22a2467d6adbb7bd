"""RatingsInStore: the ratings of a store as a fit takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.levels import MAX_SHORT

if TYPE_CHECKING:
    from pathlib import Path

    from factorate._input.id_index import IdIndex
    from factorate._input.levels import Levels
    from factorate._store.stored_ratings import StoredRatings
    from factorate._training.held_out_pairs import HeldOutPairs


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
