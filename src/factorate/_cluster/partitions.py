"""Partitions: read some of the ratings, and split them by row group, on a worker."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._cluster.entries_by_group import entries_by_group
from factorate._input.id_column import IdColumn
from factorate._input.levels import MAX_SHORT
from factorate._input.rating_values import value_range
from factorate._input.ratings import read_ratings
from factorate._store.distinct_ratings import DistinctRatings
from factorate._store.stored_ratings import Numbered, open_stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from factorate._input.column_names import Names
    from factorate._input.ratings import Ratings
    from factorate._store.folder import Folder
    from factorate._training.held_out_pairs import HeldOutKeys
    from factorate._utils.types import Floats, Offsets, Rows


class Summary(NamedTuple):
    """What the client needs to know of a partition.

    Attributes
    ----------
    ids : tuple of IdColumn
        The distinct ids of users and of items, in the order of their numbers.
    counts : tuple of ndarray of int64
        Number of ratings of each.
    levels : ndarray
        The distinct ratings, in the order of their codes; none if there are more than 65,536.
    level_counts : ndarray of int64
        Number of ratings of each.
    bounds : tuple of float
        Minimum and maximum rating.
    names : tuple of str or None
        Names of the columns of users and items.
    library : str or None
        Name of the DataFrame library.
    checksum : int
        CRC-32 of the ids and the ratings.
    """

    ids: tuple[IdColumn, IdColumn]
    counts: tuple[Offsets, Offsets]
    levels: Floats
    level_counts: Offsets
    bounds: tuple[float, float]
    names: tuple[str, str] | None
    library: str | None
    checksum: int


Read = tuple[Numbered, Summary | None] | Numbered  # a partition, or a file of a store


class Partition(NamedTuple):
    """What the numbers and codes of a partition stand for.

    Attributes
    ----------
    rows : tuple of ndarray of int32
        The rows of the users and items that have numbers in the partition.
    levels : ndarray
        The rating of each code of the partition, in the dtype of training.
    is_coded : bool
        Whether all its ratings have codes.
    checksum : int or None
        That of its `Summary`, if it has one.
    """

    rows: tuple[Rows, Rows]
    levels: Floats
    is_coded: bool
    checksum: int | None = None

    def decode(self, numbered: Numbered, chosen: slice | Offsets = slice(None)) -> Floats:
        """Return the ratings of a partition, or some of them."""
        if len(numbered.codes):
            return self.levels.take(numbered.codes[chosen])
        return numbered.values[chosen].astype(self.levels.dtype, copy=False)


class Positions(NamedTuple):
    """Where the ratings of a partition are in the schedule.

    Attributes
    ----------
    users, items : ndarray of int32
        The position of each number.
    codes : ndarray
        The code in the schedule of each code of the partition, or its rating if the ratings in the
        schedule have no codes.
    levels : ndarray
        The distinct ratings of the schedule, if some ratings of the partition have no codes; else
        none.
    user_edges : ndarray of int64
        First user position of each row group, and the end.
    rows : tuple of ndarray of int32
        The row of each number, if some ratings are held out; else none.
    held_out : HeldOutKeys or None
        The pairs that are held out.
    checksum : int or None
        That of the partition.
    """

    users: Rows
    items: Rows
    codes: NDArray[Any]
    levels: Floats
    user_edges: Offsets
    rows: tuple[Rows, Rows]
    held_out: HeldOutKeys | None
    checksum: int | None


class Batch(NamedTuple):
    """Ratings of a row group.

    Attributes
    ----------
    users, items : ndarray of int32
        Positions; those of users begin with 0 in the group.
    ratings : ndarray
        Their codes, or the ratings themselves if there are too many levels.
    """

    users: Rows
    items: Rows
    ratings: NDArray[Any]


def read_partition(
    number: int,
    frame: Any,
    names: Names | None,
    dtype: np.dtype[Any],
    read: Callable[..., Ratings] = read_ratings,
) -> tuple[Numbered, Summary | None]:
    """Read a partition of a DataFrame; its users, items and distinct ratings get numbers from 0.

    Parameters
    ----------
    number : int
        Number of the partition.
    frame : DataFrame
        The partition.
    names, dtype
        As for `read_ratings`.
    read : callable, default=read_ratings
        `read_ratings` or `read_interactions`.

    Raises
    ------
    TypeError, ValueError
        If it is not ratings; the message names the partition.
    """
    if not len(frame):
        empty = np.empty(0, np.int32)
        return Numbered(empty, empty, np.empty(0, np.uint8)), None
    try:
        ratings = read(frame, dtype=dtype, names=names)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"partition {number}: {error}") from error
    distinct = DistinctRatings()
    codes = distinct.add(ratings.values)
    levels = np.array(list(distinct.code_by_value), dtype)
    sides = (
        (ratings.user_index, ratings.user_rows),
        (ratings.item_index, ratings.item_rows),
    )
    users, items = (IdColumn(index.ids, index.kind) for index, _ in sides)
    user_counts, item_counts = (
        np.bincount(rows, minlength=len(index.ids)) for index, rows in sides
    )
    summary = Summary(
        ids=(users, items),
        counts=(user_counts, item_counts),
        levels=levels,
        level_counts=np.empty(0, np.int64) if codes is None else np.bincount(codes),
        bounds=value_range(ratings.values),
        names=ratings.column_names,
        library=ratings.library,
        checksum=_checksum(ratings),
    )
    rows = ratings.user_rows, ratings.item_rows
    if codes is None:
        return Numbered(*rows, np.empty(0, np.uint8), ratings.values.copy()), summary
    short = np.uint8 if len(levels) <= MAX_SHORT else np.uint16
    return Numbered(*rows, codes.astype(short, copy=False)), summary


def read_chunk(folder: Folder, number: int) -> Numbered:
    """Read a file of a store.

    Raises
    ------
    RatingStoreError
        If the file is missing or damaged.
    """
    return open_stored(folder).read_chunk(number)


def summary_of(read: tuple[Numbered, Summary | None]) -> Summary | None:
    """Return the summary of a partition."""
    return read[1]


def split(read: Read, positions: Positions) -> list[Batch]:
    """Return the ratings of each row group, with positions instead of numbers, in order.

    Those that are held out are left out.

    Raises
    ------
    ValueError
        If these are not the ratings that were counted.
    """
    numbered = numbered_of(read, positions.checksum)
    if positions.held_out is not None:
        numbered = positions.held_out.drop_from(numbered, positions.rows)
    users = positions.users.take(numbered.user_numbers)
    items = positions.items.take(numbered.item_numbers)
    if users.min(initial=0) < 0 or items.min(initial=0) < 0:  # a row without ratings
        raise readings_differ()
    ratings = _to_ratings(numbered, positions)
    return [
        Batch(users.take(chosen) - np.int32(first), items.take(chosen), ratings.take(chosen))
        for first, chosen in entries_by_group(users, positions.user_edges)
    ]


def numbered_of(read: Read, checksum: int | None) -> Numbered:
    """Return the ratings of a partition, or those of a file of a store, which has its own checksum.

    Raises
    ------
    ValueError
        If the checksum of the partition is another one.
    """
    if isinstance(read, Numbered):
        return read
    numbered, summary = read
    if checksum != (None if summary is None else summary.checksum):
        raise readings_differ()
    return numbered


def readings_differ() -> ValueError:
    """Return the error for ratings that are not those of an earlier reading."""
    return ValueError(
        "two readings of the ratings differ, because the source changes or is damaged; write the "
        "ratings to files or to a new store, and fit to these"
    )


def _to_ratings(numbered: Numbered, positions: Positions) -> NDArray[Any]:
    """Return the codes of ratings in the schedule, or the ratings if they have none there."""
    codes, levels = positions.codes, positions.levels
    if len(numbered.codes):
        return codes.take(numbered.codes)
    if not len(levels):
        return numbered.values.astype(codes.dtype, copy=False)
    values = numbered.values.astype(levels.dtype, copy=False)
    return np.searchsorted(levels, values).astype(codes.dtype)


def _checksum(ratings: Ratings) -> int:
    """Return the checksum of the ids and ratings of a partition."""
    columns = ratings.user_rows, ratings.item_rows, ratings.values
    crc = 0
    for column in columns:
        crc = zlib.crc32(np.ascontiguousarray(column).view(np.uint8).data, crc)
    for index in (ratings.user_index, ratings.item_index):
        crc = zlib.crc32(_bytes_of(index.ids), crc)
    return crc


def _bytes_of(ids: NDArray[Any]) -> bytes | memoryview:
    if ids.dtype == object:
        return "\0".join(map(str, ids.tolist())).encode("utf-8", "surrogatepass")
    return ids.view(np.uint8).data
