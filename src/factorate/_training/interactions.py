"""Interactions: who interacted with what, by user and by item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.interactions import check_size
from factorate._kernels import counting
from factorate._training.interaction_side import Side
from factorate._training.pair_weights import unless_1

if TYPE_CHECKING:
    from factorate._utils.types import Floats, Offsets, Rows


@dataclass(frozen=True, kw_only=True)
class Interactions:
    """Distinct pairs of a user and an item, and their weights, in both orders.

    Attributes
    ----------
    user_starts : ndarray of int64, shape (n_users + 1,)
        User u has the pairs from ``user_starts[u]`` to ``user_starts[u + 1]``.
    user_items : ndarray of int32, shape (n_pairs,)
        The item of each pair, ascending within a user.
    user_weights : ndarray, shape (n_pairs,) or (0,)
        The weight of each pair; empty if all are 1.
    item_starts, item_users, item_weights : ndarray
        The same pairs by item, with the users ascending within an item.
    """

    user_starts: Offsets
    user_items: Rows
    user_weights: Floats
    item_starts: Offsets
    item_users: Rows
    item_weights: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return len(self.user_starts) - 1, len(self.item_starts) - 1

    @property
    def sides(self) -> tuple[Side, Side]:
        """The interactions of users, and those of items."""
        return (
            Side(starts=self.user_starts, others=self.user_items, weights=self.user_weights),
            Side(starts=self.item_starts, others=self.item_users, weights=self.item_weights),
        )

    @property
    def n_pairs(self) -> int:
        """Number of distinct pairs."""
        return len(self.user_items)


def make_interactions(
    user_rows: Rows,
    item_rows: Rows,
    weights: Floats | None,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
) -> Interactions:
    """Sort interactions by user and by item; the weights of repeated pairs add up.

    Parameters
    ----------
    user_rows, item_rows : ndarray of int32, shape (n,)
        The rows of each interaction, in any order, which does not change the result.
    weights : ndarray of shape (n,) or None
        The weight of each interaction, > 0; None for 1.
    shape : tuple of int
        Number of users and of items; all rows are below them.
    dtype : dtype
        Type of the weights of the result.

    Returns
    -------
    Interactions

    Raises
    ------
    ValueError
        If there are more than 2**31 − 1 interactions.

    Examples
    --------
    >>> rows = np.array([1, 0, 1, 1], np.int32), np.array([2, 0, 0, 2], np.int32)
    >>> found = make_interactions(*rows, None, (2, 3), np.dtype("float32"))
    >>> found.user_starts, found.user_items, found.user_weights
    (array([0, 1, 3]), array([0, 0, 2], dtype=int32), array([1., 1., 2.], dtype=float32))
    """
    users, items, weights = _distinct_pairs(user_rows, item_rows, weights, shape)
    by_item = sorted_by(items, np.arange(len(items), dtype=np.int32), shape[1])
    user_weights = unless_1(weights, dtype)
    return Interactions(
        user_starts=row_starts(users, shape[0]),
        user_items=items,
        user_weights=user_weights,
        item_starts=row_starts(items, shape[1]),
        item_users=users.take(by_item),
        item_weights=user_weights.take(by_item) if len(user_weights) else user_weights,
    )


def make_side(
    rows: Rows,
    others: Rows,
    weights: Floats | None,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
) -> Side:
    """Sort interactions by row, as `make_interactions` does, but not by the other side.

    Examples
    --------
    >>> rows = np.array([1, 0, 1, 1], np.int32), np.array([2, 0, 0, 2], np.int32)
    >>> side = make_side(*rows, None, (2, 3), np.dtype("float32"))
    >>> side.starts, side.others, side.weights
    (array([0, 1, 3]), array([0, 0, 2], dtype=int32), array([1., 1., 2.], dtype=float32))
    """
    rows, others, weights = _distinct_pairs(rows, others, weights, shape)
    return Side(starts=row_starts(rows, shape[0]), others=others, weights=unless_1(weights, dtype))


def sort_side(rows: Rows, others: Rows, weights: Floats, n_rows: int) -> Side:
    """Sort distinct pairs by row; those of a row keep their order. Weights are empty if all are 1.

    Examples
    --------
    >>> rows = np.array([1, 0, 1], np.int32), np.array([2, 3, 4], np.int32)
    >>> side = sort_side(*rows, np.empty(0), 2)
    >>> side.starts, side.others
    (array([0, 1, 3]), array([3, 2, 4], dtype=int32))
    """
    order = sorted_by(rows, np.arange(len(rows), dtype=np.int32), n_rows)
    return Side(
        starts=row_starts(rows, n_rows),
        others=others.take(order),
        weights=weights.take(order) if len(weights) else weights,
    )


def _distinct_pairs(
    user_rows: Rows, item_rows: Rows, weights: Floats | None, shape: tuple[int, int]
) -> tuple[Rows, Rows, Floats | None]:
    """Return the distinct pairs by user, then by item, and their weights, or None if all are 1."""
    check_size(len(user_rows))
    order = sorted_by(item_rows, np.arange(len(item_rows), dtype=np.int32), shape[1])
    order = sorted_by(user_rows.take(order), order, shape[0])
    users, items = user_rows.take(order), item_rows.take(order)
    is_new = np.ones(len(users), np.bool_)
    is_new[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    if not is_new.all():
        firsts = np.flatnonzero(is_new)
        if weights is None:
            summed = np.diff(firsts, append=len(users)).astype(np.float64)
        else:
            # The order of a sum changes its rounding, so each pair's weights are sorted.
            summed = weights.take(order).astype(np.float64)
            summed = summed.take(np.lexsort((summed, np.cumsum(is_new))))
            summed = np.add.reduceat(summed, firsts)
        users, items, weights = users.take(firsts), items.take(firsts), summed
    elif weights is not None:
        weights = weights.take(order)
    return users, items, weights


def row_starts(rows: Rows, n: int) -> Offsets:
    """Return where the entries of each row begin when they are sorted, and the end of the last."""
    starts = np.zeros(n + 1, np.int64)
    counting.count(rows, starts[1:])
    np.cumsum(starts, out=starts)
    return starts


def sorted_by(keys: Rows, values: Rows, n: int) -> Rows:
    """Return values sorted by keys below n; those with equal keys keep their order."""
    out = np.empty_like(values)
    counting.group(keys, values, row_starts(keys, n), out)
    return out
