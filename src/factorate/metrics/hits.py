"""Hits: which entries of top-n lists are relevant to their user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input.columns import read_columns
from factorate._input.id_column import read_ids
from factorate._input.id_to_row import look_up
from factorate._input.make_index import make_index
from factorate._input.rating_values import read_values
from factorate._utils.validation import check_number, show
from factorate.metrics.ranks import Ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.column_names import Names
    from factorate._input.id_column import IdColumn


class Relevant(NamedTuple):
    """Held-out pairs, and which of them are relevant."""

    user_ids: IdColumn
    item_ids: IdColumn
    mask: NDArray[np.bool]  # (n_pairs,)


def read_relevant(
    held_out: Any,
    threshold: float | None,
    names: Names | None,
    kinds: tuple[str | None, str | None],
) -> Relevant:
    """Read held-out ratings, or pairs if all of them are relevant.

    Parameters
    ----------
    held_out : ratings
        Ratings in any form that `fit` accepts; without a threshold also a tuple (users, items).
    threshold : float or None
        Minimum rating of a relevant item. None makes every pair relevant.
    names : tuple of str or None
        Names of the columns (user, item, rating) of a DataFrame, or None to recognize them.
    kinds : tuple of str
        Kinds of the user and item ids, which determine how ids in a CSV file are read.

    Returns
    -------
    Relevant
        The held-out pairs.

    Raises
    ------
    TypeError
        If `held_out` does not contain ratings.
    ValueError
        If a rating is invalid, or no pair is relevant.
    """
    columns = read_columns(held_out, names=names, with_ratings=threshold is not None, kinds=kinds)
    mask = np.ones(len(columns.user_ids), np.bool)
    if threshold is not None:
        minimum = check_number("threshold", threshold)
        mask = read_values(columns.ratings, np.dtype(np.float64)) >= minimum
    if not mask.any():
        wanted = "pairs" if threshold is None else f"ratings of at least {threshold}"
        raise ValueError(f"there are no held-out {wanted}; expected at least one")
    return Relevant(read_ids(columns.user_ids, "users"), read_ids(columns.item_ids, "items"), mask)


def read_lists(recommended: Any, n_users: int | None) -> tuple[NDArray[Any], NDArray[np.bool]]:
    """Return the recommended items, and which entries of the lists are not empty.

    Parameters
    ----------
    recommended : tuple or array-like
        (items, scores), where the score of an empty entry is NaN; each of shape (n_users, n).
        Alternatively only the items, if no entry is empty.
    n_users : int or None
        Expected number of lists; None for any.

    Returns
    -------
    items : ndarray of shape (n_users, n)
        Ids of the items.
    filled : ndarray of shape (n_users, n)
        Whether each entry holds an item.

    Raises
    ------
    ValueError
        If a shape is wrong.
    """
    items, scores = recommended if isinstance(recommended, tuple) else (recommended, None)
    items = items if isinstance(items, np.ndarray) else np.asarray(items, object)
    filled = np.ones(items.shape, np.bool) if scores is None else ~np.isnan(scores)
    if items.ndim != 2 or n_users not in (None, len(items)) or not items.shape[1]:
        expected = "n_users" if n_users is None else n_users
        raise ValueError(
            f"the recommended items have shape {items.shape}; expected ({expected}, n), a list for "
            f"each of {expected} users"
        )
    if filled.shape != items.shape:
        raise ValueError(f"items have shape {items.shape} and their scores {filled.shape}")
    return items, filled


def find_hits(recommended: Any, relevant: Relevant, users: IdColumn) -> Ranks:
    """Find the entries of the users' lists that are relevant to them.

    Parameters
    ----------
    recommended : tuple or array-like
        As for `read_lists`.
    relevant : Relevant
        The held-out pairs. Those of users without a list are ignored.
    users : IdColumn
        User of each list.

    Returns
    -------
    Ranks
        The ranks of the relevant entries, for the users who have a relevant item. The order of a
        list is that of its entries, so no two are tied.

    Raises
    ------
    TypeError
        If the ids of the lists and of the held-out pairs have different types.
    ValueError
        If shapes do not match, a list holds an item twice, or no user has a relevant item.
    """
    items, filled = read_lists(recommended, len(users.values))
    item_ids = read_ids(items[filled], "recommended items")

    # A pair is encoded as user row × n_items + item row, with rows in two temporary indexes.
    user_index, list_rows = make_index(users, "users")
    item_index, relevant_items = make_index(relevant.item_ids, "items")
    n_items = np.int64(len(item_index.ids))
    relevant_users = look_up(
        user_index, relevant.user_ids, "held-out users", "those of the lists are"
    )
    mask = relevant.mask & (relevant_users >= 0)
    pairs = np.unique(relevant_users[mask] * n_items + relevant_items[mask])
    n_relevant = np.bincount(pairs // n_items, minlength=len(user_index.ids))[list_rows]
    if not n_relevant.any():
        raise ValueError("none of the users has a relevant item in the held-out data")

    _check_distinct(items, filled, item_ids)
    item_rows = np.full(items.shape, -1, np.int64)
    item_rows[filled] = look_up(item_index, item_ids, "recommended items", "those held out are")
    matrix = (item_rows >= 0) & np.isin(list_rows[:, None] * n_items + item_rows, pairs)
    has_relevant = n_relevant > 0
    numbers, n_above = np.nonzero(matrix[has_relevant])
    return Ranks(
        users=numbers,
        n_above=n_above,
        n_tied=np.ones_like(n_above),
        n_relevant=n_relevant[has_relevant],
    )


def _check_distinct(items: NDArray[Any], filled: NDArray[np.bool], item_ids: IdColumn) -> None:
    # Empty entries of a list get distinct negative numbers, so that no two are equal.
    numbers = np.tile(-1 - np.arange(items.shape[1]), (len(items), 1))
    if filled.any():
        numbers[filled] = make_index(item_ids, "recommended items")[1]
    order = np.argsort(numbers, axis=1, kind="stable")
    ordered = np.take_along_axis(numbers, order, axis=1)
    duplicates = np.argwhere(ordered[:, 1:] == ordered[:, :-1])
    if len(duplicates):
        row, rank = duplicates[0].tolist()
        item = items[row, order[row, rank]]
        raise ValueError(
            f"{show(item)} is twice in list {row} of the recommended items; list each item once"
        )
