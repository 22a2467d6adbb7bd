"""Partitions: read some of the ratings, and split them by row group, on a worker."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input.id_column import IdColumn
from factorate._input.ratings import read_ratings
from factorate._store.stored_ratings import Numbered, open_stored

if TYPE_CHECKING:
    from factorate._input.column_names import Names
    from factorate._store.folder import Folder
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
        The distinct ratings, in the order of their codes.
    level_counts : ndarray of int64
        Number of ratings of each.
    names : tuple of str or None
        Names of the columns of users and items.
    library : str or None
        Name of the DataFrame library.
    """

    ids: tuple[IdColumn, IdColumn]
    counts: tuple[Offsets, Offsets]
    levels: Floats
    level_counts: Offsets
    names: tuple[str, str] | None
    library: str | None


class Positions(NamedTuple):
    """Where the ratings of a partition are in the schedule.

    Attributes
    ----------
    users, items : ndarray of int32
        The position of each number.
    codes : ndarray of uint8 or uint16
        The code in the schedule of each code of the partition.
    user_edges : ndarray of int64
        First user position of each row group, and the end.
    """

    users: Rows
    items: Rows
    codes: Rows
    user_edges: Offsets


def read_partition(
    number: int, frame: Any, names: Names | None, dtype: np.dtype[Any]
) -> tuple[Numbered, Summary | None]:
    """Read a partition of a DataFrame; its users, items and distinct ratings get numbers from 0.

    Raises
    ------
    TypeError, ValueError
        If it is not ratings; the message names the partition.
    """
    if not len(frame):
        empty = np.empty(0, np.int32)
        return Numbered(empty, empty, np.empty(0, np.uint8)), None
    try:
        ratings = read_ratings(frame, dtype=dtype, names=names)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"partition {number}: {error}") from error
    levels, codes, level_counts = np.unique(
        ratings.values + 0.0,  # which makes 0.0 of -0.0
        return_inverse=True,
        return_counts=True,
    )
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
        level_counts=level_counts,
        names=ratings.column_names,
        library=ratings.library,
    )
    short = codes.astype(np.min_scalar_type(len(levels)), copy=False)
    return Numbered(ratings.user_rows, ratings.item_rows, short), summary


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


def split(read: tuple[Numbered, Summary | None] | Numbered, positions: Positions) -> list[Numbered]:
    """Return the ratings of each row group, with positions instead of numbers, in order.

    Positions of users begin with 0 in each group.
    """
    numbered = read if isinstance(read, Numbered) else read[0]
    edges = positions.user_edges
    users = positions.users.take(numbered.user_numbers)
    items = positions.items.take(numbered.item_numbers)
    codes = positions.codes.take(numbered.codes)
    groups = (np.searchsorted(edges, users, side="right") - 1).astype(np.uint8)
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=len(edges) - 1)).tolist()
    return [
        Numbered(users.take(rows) - np.int32(first), items.take(rows), codes.take(rows))
        for first, rows in zip(
            edges[:-1].tolist(),
            (order[slice(*pair)] for pair in itertools.pairwise([0, *ends])),
            strict=True,
        )
    ]


def group_of(batches: list[Numbered], group: int) -> Numbered:
    """Return the ratings of one row group."""
    return batches[group]
