"""Seen: the items that each user has rated."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.row_counts import chunk_edges, count_rows
from factorate._kernels import counting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from factorate._utils.types import Flags, Floats, Offsets, Rows


FEW = 8  # pairs
CHUNK = 1 << 20  # ratings sorted at a time
INSERT_RATIO = 32  # with at least this many old pairs per new one, inserting is faster than sorting


@dataclass(frozen=True)
class Seen:
    """The items of each user, without repetition.

    Attributes
    ----------
    starts : ndarray
        Where the items of each user begin, and the end of the last: int64, shape (n_users + 1,);
        read-only.
    items : ndarray
        Rows of items, int32, ascending for each user; read-only.
    counts : ndarray, default=None
        Number of interactions of each entry of `items`, or their weight; read-only. None for
        ratings, and if all are 1.
    """

    starts: Offsets
    items: Rows
    counts: Floats | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for array in (self.starts, self.items, self.counts):
            if array is not None:
                array.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the arrays from a pickle, read-only again."""
        vars(self).update(state)
        self.__post_init__()


def find_seen(users: Rows, items: Rows, n_users: int, n_items: int) -> Seen:
    """Collect the items of each user from ratings in any order.

    Two counting sorts, by item and then by user, take time linear in the ratings.

    Parameters
    ----------
    users, items : ndarray
        Rows of the ratings, int32, shape (n,).
    n_users, n_items : int
        Number of rows on each side.

    Raises
    ------
    ValueError
        If a row is outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> users, items = np.array([[1, 0, 1, 1], [2, 0, 0, 2]], np.int32)
    >>> seen = find_seen(users, items, n_users=2, n_items=3)
    >>> seen.starts.tolist(), seen.items.tolist()
    ([0, 1, 3], [0, 0, 2])
    """
    item_starts = _starts(count_rows(items, n_items, "item"))
    users_by_item = np.empty(len(users), np.int32)
    counting.group(items, users, item_starts[:-1].copy(), users_by_item)
    starts = _starts(count_rows(users, n_users, "user"))
    ends = starts[:-1].copy()
    found = np.empty(len(items), np.int32)
    counting.regroup(users_by_item, item_starts, starts, ends, found)
    return _pack(found, starts, ends)


def collect_seen(
    batches: Callable[[], Iterable[tuple[Rows, Rows]]],
    n_users: int,
    n_items: int,
    *,
    chunk_ratings: int = CHUNK,
) -> Seen:
    """Do the same as `find_seen` for batches of ratings, with less memory.

    A counting sort by user, and counting sorts of chunks of users by item, take memory for one
    batch and one chunk besides the result, but more time if there are few ratings.

    Parameters
    ----------
    batches : callable
        Returns an iterable of pairs of arrays, rows of users and of items, int32. It is called
        twice and returns the same ratings.
    n_users, n_items : int
        Number of rows on each side.
    chunk_ratings : int, default=1048576
        Ratings of a chunk, unless there are more items or a user has more. The result does not
        depend on it.

    Raises
    ------
    ValueError
        If a row is outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> first, second = np.array([[[1, 0], [2, 0]], [[1, 1], [0, 2]]], np.int32)
    >>> seen = collect_seen(lambda: [first, second], n_users=2, n_items=3)
    >>> seen.starts.tolist(), seen.items.tolist()
    ([0, 1, 3], [0, 0, 2])
    """
    counts = np.zeros(n_users, np.int64)
    for users, items in batches():
        count_rows(items, n_items, "item")  # checks them
        counts += count_rows(users, n_users, "user")
    starts = _starts(counts)
    found, cursor = np.empty(starts[-1], np.int32), starts[:-1].copy()
    for users, items in batches():
        counting.group(users, items, cursor, found)
    ends = starts[:-1].copy()
    for first, last in itertools.pairwise(chunk_edges(starts, max(chunk_ratings, n_items))):
        chunk_starts = starts[first : last + 1] - starts[first]
        chunk_ends = chunk_starts[:-1].copy()
        _sort_chunk(found[starts[first] : starts[last]], chunk_starts, chunk_ends, n_items)
        ends[first:last] += chunk_ends - chunk_starts[:-1]
    return _pack(found, starts, ends)


def _pack(items: Rows, starts: Offsets, ends: Offsets) -> Seen:
    """Return the items from each start to its end, without those between."""
    if np.array_equal(ends, starts[1:]):
        return Seen(starts, items)
    packed = _starts(ends - starts[:-1])
    packed_items = np.empty(packed[-1], np.int32)
    counting.pack(starts, packed, items, packed_items)
    return Seen(packed, packed_items)


def _sort_chunk(items: Rows, starts: Offsets, ends: Offsets, n_items: int) -> None:
    """Write the distinct items of each user, ascending, from the user's start on, and the ends."""
    item_starts = _starts(count_rows(items, n_items, "item"))
    users = np.repeat(np.arange(len(ends), dtype=np.int32), np.diff(starts))
    users_by_item = np.empty(len(items), np.int32)
    counting.group(items, users, item_starts[:-1].copy(), users_by_item)
    counting.regroup(users_by_item, item_starts, starts, ends, items)


def add_seen(
    seen: Seen,
    users: Rows,
    items: Rows,
    n_users: int,
    n_items: int,
    *,
    insert_ratio: int = INSERT_RATIO,
) -> Seen:
    """Return the items of each user with those of more ratings.

    Parameters
    ----------
    seen : Seen
        The items so far.
    users, items : ndarray
        Rows of the new ratings, int32, shape (n,); rows of new users follow those of `seen`.
    n_users, n_items : int
        Number of rows on each side, the new ones included.
    insert_ratio : int, default=32
        The new pairs are inserted one by one if there are at least this many old pairs per new
        one. The result does not depend on it.

    Examples
    --------
    >>> import numpy as np
    >>> seen = find_seen(*np.array([[0, 1], [1, 0]], np.int32), n_users=2, n_items=2)
    >>> more = add_seen(seen, *np.array([[0, 2], [0, 1]], np.int32), n_users=3, n_items=2)
    >>> more.starts.tolist(), more.items.tolist()
    ([0, 2, 3, 4], [0, 1, 0, 1])
    """
    n_before = len(seen.starts) - 1
    if not len(users) or users.min() >= n_before:  # new users only: append them
        later = find_seen(users - np.int32(n_before), items, n_users - n_before, n_items)
        starts = np.concatenate([seen.starts, seen.starts[-1] + later.starts[1:]])
        return Seen(starts, np.concatenate([seen.items, later.items]))
    if insert_ratio * len(users) <= len(seen.items):
        return _insert(seen, users, items, n_users, n_items)
    before = _users(seen)
    users, items = np.concatenate([before, users]), np.concatenate([seen.items, items])
    return find_seen(users, items, n_users, n_items)


def _insert(seen: Seen, users: Rows, items: Rows, n_users: int, n_items: int) -> Seen:
    """Insert a few pairs; only these are sorted."""
    n_before = len(seen.starts) - 1
    keys = np.unique(users.astype(np.int64) * n_items + items)
    users, items = (rows.astype(np.int32) for rows in np.divmod(keys, n_items))
    old = users < n_before
    where, found = np.full(len(users), len(seen.items)), np.zeros(len(users), np.bool)
    where[old], found[old] = _find(seen, users[old], items[old])
    if n_users == n_before and found.all():
        return seen
    starts = np.full(n_users + 1, len(seen.items))
    starts[: n_before + 1] = seen.starts
    starts[1:] += np.cumsum(np.bincount(users[~found], minlength=n_users))
    return Seen(starts, np.insert(seen.items, where[~found], items[~found]))


def _users(seen: Seen) -> Rows:
    """Return the user of each entry of ``seen.items``."""
    return np.repeat(np.arange(len(seen.starts) - 1, dtype=np.int32), np.diff(seen.starts))


def remove_seen_users(seen: Seen, rows: Rows) -> Seen:
    """Return the items of each user without some users; later rows move up."""
    counts = np.diff(seen.starts)
    remains = np.ones(len(counts), np.bool)
    remains[rows.astype(np.intp)] = False
    kept = np.repeat(remains, counts)
    return Seen(_starts(counts[remains]), seen.items[kept], _select(seen.counts, kept))


def remove_seen_items(seen: Seen, rows: Rows, n_items: int) -> Seen:
    """Return the items of each user without some of the `n_items` items; later rows move up.

    Examples
    --------
    >>> import numpy as np
    >>> seen = find_seen(*np.array([[0, 0, 1], [0, 2, 1]], np.int32), n_users=2, n_items=3)
    >>> fewer = remove_seen_items(seen, np.array([1], np.int32), n_items=3)
    >>> fewer.starts.tolist(), fewer.items.tolist()
    ([0, 2, 2], [0, 1])
    """
    remains = np.ones(n_items, np.bool)
    remains[rows.astype(np.intp)] = False
    new_rows = np.cumsum(remains, dtype=np.int32) - np.int32(1)
    kept = remains.take(seen.items)
    n_kept = np.concatenate([[0], np.cumsum(kept)])  # among the first 0, 1, … entries
    items = new_rows.take(seen.items[kept])
    return Seen(n_kept.take(seen.starts), items, _select(seen.counts, kept))


def _select(counts: Floats | None, kept: Flags) -> Floats | None:
    return None if counts is None else counts[kept]


def was_seen(seen: Seen, users: Rows, items: Rows) -> Flags:
    """Return for each pair of rows whether the user has rated the item.

    Parameters
    ----------
    seen : Seen
        The items of each user.
    users, items : ndarray
        Rows, int32, shape (n,); −1 is an unknown user or item, which gives False.

    Examples
    --------
    >>> import numpy as np
    >>> seen = find_seen(*np.array([[0, 0, 1], [0, 2, 1]], np.int32), n_users=2, n_items=3)
    >>> was_seen(seen, *np.array([[0, 0, 1, -1], [2, 1, 1, 0]], np.int32)).tolist()
    [True, False, True, False]
    """
    return _find(seen, users, items)[1]


def find_bounds(seen: Seen, rows: Rows) -> tuple[Offsets, Offsets]:
    """Return where the items of each row begin and end in ``seen.items``; nothing for −1."""
    begin, end = seen.starts.take(rows), seen.starts.take(rows + 1)
    unknown = rows < 0
    if unknown.any():
        begin[unknown] = end[unknown] = 0
    return begin, end


def pairs_of(seen: Seen, rows: Rows) -> tuple[Rows, Rows]:
    """Return all pairs of an entry of `rows` and one of the items of that row; none for −1.

    Examples
    --------
    >>> import numpy as np
    >>> seen = find_seen(*np.array([[0, 0, 1], [0, 2, 1]], np.int32), n_users=2, n_items=3)
    >>> entries, items = pairs_of(seen, np.array([1, -1, 0], np.int32))
    >>> entries.tolist(), items.tolist()
    ([0, 2, 2], [1, 0, 2])
    """
    begin, end = find_bounds(seen, rows)
    counts = end - begin
    first = np.cumsum(counts) - counts
    entries = np.arange(counts.sum()) + np.repeat(begin - first, counts)
    queries = np.repeat(np.arange(len(rows), dtype=np.int32), counts)
    return queries, seen.items.take(entries)


def _find(seen: Seen, users: Rows, items: Rows) -> tuple[Offsets, Flags]:
    """Return where each pair is in ``seen.items``, or would be inserted, and if it is there."""
    if len(users) <= FEW:
        return _find_few(seen, users, items)
    known = users >= 0
    low = np.where(known, seen.starts.take(users), 0)
    end = np.where(known, seen.starts.take(users + 1), 0)
    high = end.copy()
    while (open_ := low < high).any():  # a binary search for all pairs at once
        middle = (low + high) // 2
        below = open_.copy()
        below[open_] = seen.items[middle[open_]] < items[open_]
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    found = low < end
    found[found] = seen.items[low[found]] == items[found]
    return low, found


def _find_few(seen: Seen, users: Rows, items: Rows) -> tuple[Offsets, Flags]:
    """Do the same pair by pair, which is faster for a few."""
    where, found = np.zeros(len(users), np.int64), np.zeros(len(users), np.bool)
    for pair, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True)):
        if user >= 0:
            begin, end = seen.starts[user : user + 2].tolist()
            entry = begin + int(seen.items[begin:end].searchsorted(np.int32(item)))
            where[pair] = entry
            found[pair] = entry < end and seen.items[entry] == item
    return where, found


def _starts(counts: Offsets) -> Offsets:
    """Return where groups of these sizes begin, and the end of the last."""
    return np.concatenate([[0], np.cumsum(counts)], dtype=np.int64)
