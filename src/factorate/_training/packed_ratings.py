"""PackedRatings: ratings in the order of their updates, as the kernels read them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._kernels.plain import LOOKAHEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from factorate._utils.types import Floats, Offsets, Rows

CHUNK = 1 << 16  # ratings unpacked at a time


@dataclass(frozen=True, kw_only=True)
class PackedRatings:
    """Ratings tile by tile, with positions relative to their tile.

    A rating is ``levels[code]``, where its code is in `codes8` or `codes16`; or, if there are more
    than 65,536 distinct ratings, ``(values[t] - centre) / scale``. The arrays that are not used
    have no entries.

    Attributes
    ----------
    pairs : ndarray of uint16, shape (n_ratings + LOOKAHEAD, 2)
        Positions of the user and item of each rating, minus the first of its tile. Those after the
        last rating are zeros, whose rows are prefetched but not updated.
    codes8 : ndarray of uint8, shape (n_ratings,) or (0,)
        Code of each rating, if there are at most 256 levels.
    codes16 : ndarray of uint16, shape (n_ratings,) or (0,)
        Code of each rating, if there are more.
    levels : ndarray, shape (n_levels,) or (0,)
        The distinct ratings, ascending.
    values : ndarray, shape (n_ratings,) or (0,)
        The ratings, if there are too many levels.
    weights : ndarray, shape (n_ratings,) or (0,)
        Weights of the ratings; empty if all are equal.
    centre, scale : float
        How `values` are standardized; 0 and 1 if they are not.
    tile_starts : ndarray of int64, shape (n_tiles + 1,)
        First rating of each tile, and the end.
    first_user_positions, first_item_positions : ndarray of int32, shape (n_tiles + 1,)
        First position of the users and items of each tile, and a zero.
    """

    pairs: NDArray[np.uint16]
    codes8: NDArray[np.uint8]
    codes16: NDArray[np.uint16]
    levels: Floats
    values: Floats
    weights: Floats
    centre: float = 0.0
    scale: float = 1.0
    tile_starts: Offsets
    first_user_positions: Rows
    first_item_positions: Rows

    @property
    def n_ratings(self) -> int:
        """Number of ratings, without the zeros after them."""
        return len(self.pairs) - LOOKAHEAD

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ratings."""
        return self.levels.dtype

    @property
    def codes(self) -> NDArray[np.uint8 | np.uint16]:
        """Codes of all ratings, if they have any."""
        return self.codes8 if len(self.codes8) else self.codes16


class Unpacked(NamedTuple):
    """Positions and values of some ratings."""

    user_positions: Rows
    item_positions: Rows
    values: Floats


def checksum(ratings: PackedRatings, span: slice) -> int:
    """Return the CRC-32 of the positions, values and weights of some ratings."""
    crc = zlib.crc32(ratings.pairs[span].tobytes())
    for array in (ratings.codes8, ratings.codes16, ratings.values, ratings.weights):
        crc = zlib.crc32(array[span].tobytes(), crc)
    return crc


def unpack(ratings: PackedRatings, begin: int, end: int) -> Unpacked:
    """Return the positions and values of the ratings from `begin` to `end`.

    Examples
    --------
    >>> import numpy as np
    >>> ratings = PackedRatings(
    ...     pairs=np.zeros((2 + LOOKAHEAD, 2), np.uint16),
    ...     codes8=np.array([1, 0], np.uint8),
    ...     codes16=np.empty(0, np.uint16),
    ...     levels=np.array([3.0, 5.0]),
    ...     values=np.empty(0),
    ...     weights=np.empty(0),
    ...     tile_starts=np.array([0, 1, 2]),
    ...     first_user_positions=np.array([0, 0, 0], np.int32),
    ...     first_item_positions=np.array([0, 7, 0], np.int32),
    ... )
    >>> users, items, values = unpack(ratings, 0, 2)
    >>> users.tolist(), items.tolist(), values.tolist()
    ([0, 0], [0, 7], [5.0, 3.0])
    """
    starts = ratings.tile_starts
    first, stop = (int(np.searchsorted(starts[1:-1], at, "right")) for at in (begin, end))
    tiles = slice(first, stop + 1)
    edges = np.clip(starts[first : stop + 2], begin, end)
    sizes = edges[1:] - edges[:-1]

    def positions(firsts: Rows, side: int) -> Rows:
        out = np.repeat(firsts[tiles], sizes)
        out += ratings.pairs[begin:end, side].astype(np.int32)
        return out

    return Unpacked(
        user_positions=positions(ratings.first_user_positions, 0),
        item_positions=positions(ratings.first_item_positions, 1),
        values=_decode(ratings, begin, end),
    )


def chunks(ratings: PackedRatings, begin: int = 0, end: int | None = None) -> Iterator[slice]:
    """Iterate over the ratings from `begin` to `end`, some at a time."""
    end = ratings.n_ratings if end is None else end
    for first in range(begin, end, CHUNK):
        yield slice(first, min(first + CHUNK, end))


def _decode(ratings: PackedRatings, begin: int, end: int) -> Floats:
    if len(ratings.levels):
        return ratings.levels[ratings.codes[begin:end].astype(np.intp)]
    numbers = ratings.values[begin:end].astype(np.float64)
    numbers -= ratings.centre
    numbers /= ratings.scale
    with np.errstate(over="ignore"):
        return numbers.astype(ratings.dtype)
