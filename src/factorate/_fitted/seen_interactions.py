"""Seen interactions: merge interactions, replace those of some rows, and look them up by item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._fitted.seen import Seen
from factorate._training.interactions import make_interactions

if TYPE_CHECKING:
    from factorate._training.interactions import Interactions
    from factorate._utils.types import Flags, Floats, Offsets, Rows

    FloatType = np.dtype[Any]


class Lists(NamedTuple):
    """The interactions of some rows with rows of the other side, as in a CSR matrix."""

    starts: Offsets
    others: Rows
    counts: Floats  # empty if all are 1


def to_seen(interactions: Interactions) -> Seen:
    """Return the items of each user with their counts."""
    counts = interactions.user_weights
    return Seen(interactions.user_starts, interactions.user_items, counts if len(counts) else None)


def merge(seen: Seen, users: Rows, items: Rows, counts: Floats, shape: tuple[int, int]) -> Seen:
    """Return seen interactions with more of them; those of a pair add up.

    Parameters
    ----------
    seen : Seen
        The interactions so far.
    users, items : ndarray of shape (n,), int32
        Rows of the new ones; new rows follow those of `seen`.
    counts : ndarray of shape (n,)
        Their counts.
    shape : tuple of int
        Number of users and of items, the new ones included.

    Examples
    --------
    >>> seen = Seen(np.array([0, 2, 3]), np.array([0, 2, 1], np.int32))
    >>> more = np.array([[0, 2], [2, 1]], np.int32)
    >>> merged = merge(seen, *more, np.ones(2, np.float32), (3, 3))
    >>> merged.starts.tolist(), merged.items.tolist(), merged.counts.tolist()
    ([0, 2, 3, 4], [0, 2, 1, 1], [1.0, 2.0, 1.0, 1.0])
    """
    n_before = len(seen.starts) - 1
    if len(users) and users.min() < n_before:
        return to_seen(
            make_interactions(
                np.concatenate([_all_users(seen), users]),
                np.concatenate([seen.items, items]),
                np.concatenate([counts_of(seen, counts.dtype), counts]),
                shape,
                counts.dtype,
            )
        )
    n_new = shape[0] - n_before  # new users only: append them
    later = to_seen(
        make_interactions(
            users - np.int32(n_before), items, counts, (n_new, shape[1]), counts.dtype
        )
    )
    merged = None
    if seen.counts is not None or later.counts is not None:
        merged = np.concatenate([counts_of(seen, counts.dtype), counts_of(later, counts.dtype)])
    return Seen(
        np.concatenate([seen.starts, seen.starts[-1] + later.starts[1:]]),
        np.concatenate([seen.items, later.items]),
        merged,
    )


def drop(seen: Seen, *, users: Rows | None = None, items: Rows | None = None) -> Seen:
    """Return seen interactions without those of some users or items, whose rows stay."""
    dropped = np.zeros(len(seen.items), np.bool)
    n_users = len(seen.starts) - 1
    if users is not None:
        is_dropped = np.zeros(n_users, np.bool)
        is_dropped[users[users < n_users].astype(np.intp)] = True
        dropped |= np.repeat(is_dropped, np.diff(seen.starts))
    if items is not None:
        dropped |= _among(items, seen.items)
    if not dropped.any():
        return seen
    kept = ~dropped
    n_kept = np.concatenate([[0], np.cumsum(kept)])  # among the first 0, 1, … entries
    counts = None if seen.counts is None else seen.counts[kept]
    return Seen(n_kept.take(seen.starts), seen.items[kept], counts)


def of_users(seen: Seen, users: Rows, dtype: FloatType) -> Lists:
    """Return the items of some users, and their counts."""
    counts = np.diff(seen.starts)[users]
    starts = np.concatenate([[0], np.cumsum(counts)], dtype=np.int64)
    entries = np.arange(starts[-1]) + np.repeat(seen.starts[users] - starts[:-1], counts)
    return Lists(starts, seen.items.take(entries), counts_of(seen, dtype).take(entries))


def of_items(seen: Seen, items: Rows, dtype: FloatType) -> Lists:
    """Return the users of some items, which ascend, and their counts."""
    entries = np.flatnonzero(_among(items, seen.items))
    users = (np.searchsorted(seen.starts, entries, "right") - 1).astype(np.int32)
    numbers = np.searchsorted(items, seen.items.take(entries)).astype(np.int32)
    counts = counts_of(seen, dtype).take(entries)
    shape = len(seen.starts) - 1, len(items)
    found = make_interactions(users, numbers, counts, shape, dtype)
    return Lists(found.item_starts, found.item_users, found.item_weights)


def counts_of(seen: Seen, dtype: FloatType) -> Floats:
    """Return the count of each entry."""
    if seen.counts is None:
        return np.ones(len(seen.items), dtype)
    return seen.counts.astype(dtype, copy=False)


def _all_users(seen: Seen) -> Rows:
    return np.repeat(np.arange(len(seen.starts) - 1, dtype=np.int32), np.diff(seen.starts))


def _among(rows: Rows, entries: Rows) -> Flags:
    """Return for each entry whether it is one of the rows."""
    flags = np.zeros(1 + max(rows.max(initial=-1), entries.max(initial=-1)), np.bool)
    flags[rows.astype(np.intp)] = True
    return flags.take(entries)
