"""Relevance: which places of top-n lists hold an item that the user went on to rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input.columns import read_columns
from factorate._input.id_column import read_ids
from factorate._input.id_to_row import look_up
from factorate._input.make_index import make_index
from factorate._input.rating_values import read_values
from factorate._utils.validation import check_number, show

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.column_names import Names
    from factorate._input.id_column import IdColumn


class Hits(NamedTuple):
    """Which places of each list hold a relevant item, for the users who have one at all."""

    matrix: NDArray[np.bool]  # (n_users, n)
    n_relevant: NDArray[np.int64]  # (n_users,), each ≥ 1


class Relevant(NamedTuple):
    """HeldOut-out pairs that count as hits, by their ids."""

    users: IdColumn
    items: IdColumn
    counts: NDArray[np.bool]  # (n_pairs,), which of them do


def read_relevant(
    held_out: Any,
    threshold: float | None,
    names: Names | None,
    kinds: tuple[str | None, str | None],
) -> Relevant:
    """Read held-out ratings, or pairs if every one is relevant.

    Parameters
    ----------
    held_out
        Ratings in any accepted form; without a threshold also a tuple (users, items).
    threshold
        Least rating of a relevant item; None for every pair.
    names
        Names of the columns (user, item, rating) of a DataFrame, or None to find them.
    kinds
        Kinds of the ids of users and items, which decide how those of a CSV file are read.

    Raises
    ------
    TypeError, ValueError
        If these are not ratings, or none is relevant.
    """
    columns = read_columns(held_out, names=names, with_ratings=threshold is not None, kinds=kinds)
    relevant = np.ones(len(columns.users), np.bool)
    if threshold is not None:
        least = check_number("threshold", threshold)
        relevant = read_values(columns.ratings, np.dtype(np.float64)) >= least
    if not relevant.any():
        at_least = "" if threshold is None else f" of at least {threshold}"
        raise ValueError(f"there are no held-out ratings{at_least}; at least one is needed")
    return Relevant(read_ids(columns.users, "users"), read_ids(columns.items, "items"), relevant)


def read_lists(recommended: Any, n_users: int) -> tuple[NDArray[Any], NDArray[np.bool]]:
    """Return the items, shape (n_users, n), and which places are filled."""
    items, scores = recommended if isinstance(recommended, tuple) else (recommended, None)
    items = items if isinstance(items, np.ndarray) else np.asarray(items, object)
    filled = np.ones(items.shape, np.bool) if scores is None else ~np.isnan(scores)
    if items.ndim != 2 or len(items) != n_users or not items.shape[1]:
        raise ValueError(
            f"the recommended items have shape {items.shape}; expected ({n_users}, n), a list for "
            f"each of {n_users} users"
        )
    if filled.shape != items.shape:
        raise ValueError(f"items have shape {items.shape} and their scores {filled.shape}")
    return items, filled


def find_hits(recommended: Any, relevant: Relevant, who: IdColumn) -> Hits:
    """Mark the places of the lists of users that hold one of their relevant items.

    Parameters
    ----------
    recommended
        (items, scores) or items, shape (n_users, n).
    relevant
        The held-out pairs; those of other users are left out.
    who
        The user of each list.

    Raises
    ------
    ValueError
        If shapes do not fit, an item is twice in a list, or no user has a relevant item.
    TypeError
        If ids of one side are of two types.
    """
    items, filled = read_lists(recommended, len(who.values))
    what = read_ids(items[filled], "recommended items")

    # A pair is numbered user × n_items + item, by the rows of two indexes made for this.
    user_index, lists = make_index(who, "users")
    item_index, item_rows = make_index(relevant.items, "items")
    n_items = np.int64(len(item_index.ids))
    user_rows = look_up(user_index, relevant.users, "held-out users", "those of the lists are")
    counts = relevant.counts & (user_rows >= 0)
    pairs = np.unique(user_rows[counts] * n_items + item_rows[counts])
    n_relevant = np.bincount(pairs // n_items, minlength=len(user_index.ids))[lists]
    if not n_relevant.any():
        raise ValueError("none of the users has a relevant item in the held-out ratings")

    _check_distinct(items, filled, what)
    places = np.full(items.shape, -1, np.int64)
    places[filled] = look_up(item_index, what, "recommended items", "those held out are")
    matrix = (places >= 0) & np.isin(lists[:, None] * n_items + places, pairs)
    counted = n_relevant > 0
    return Hits(matrix[counted], n_relevant[counted])


def _check_distinct(items: NDArray[Any], filled: NDArray[np.bool], what: IdColumn) -> None:
    # Empty places are numbered apart, so that they are never equal.
    numbers = np.tile(-1 - np.arange(items.shape[1]), (len(items), 1))
    if filled.any():
        numbers[filled] = make_index(what, "recommended items")[1]
    order = np.argsort(numbers, axis=1, kind="stable")
    ordered = np.take_along_axis(numbers, order, axis=1)
    twice = np.argwhere(ordered[:, 1:] == ordered[:, :-1])
    if len(twice):
        row, place = twice[0].tolist()
        item = items[row, order[row, place]]
        raise ValueError(
            f"{show(item)} is twice in list {row} of the recommended items; list an item once"
        )
