"""RemoteRatings: what a schedule has of ratings that other processes hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from factorate._utils.types import Column, Floats


@dataclass(frozen=True, kw_only=True)
class RemoteRatings:
    """What a schedule has of ratings that other processes hold.

    Attributes
    ----------
    holder : object
        Knows where they are; for the runner of the epochs.
    n_ratings : int
        Number of ratings.
    values : Column
        The ratings in the order of their updates, if there are too many levels; else empty.
    levels, weights, centre, scale
        As those of `PackedRatings`.
    """

    holder: Any
    n_ratings: int
    levels: Floats
    values: Column
    weights: Floats
    centre: float = 0.0
    scale: float = 1.0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ratings."""
        return self.levels.dtype
