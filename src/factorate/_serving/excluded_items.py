"""The items to leave out of the recommendations of each user."""

from __future__ import annotations

import itertools
from collections.abc import Set
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted.seen import Seen, find_bounds, find_seen, pairs_of
from factorate._input.id_column import as_column, read_ids
from factorate._input.id_to_row import look_up
from factorate._input.make_index import make_index
from factorate._serving.top_n import Excluded
from factorate._utils.validation import check_column, show

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import ArrayLike, NDArray

    from factorate._input.id_index import IdIndex
    from factorate._utils.types import Rows

    Ids = ArrayLike | Set[Any]
    Exclude = Ids | Mapping[Any, Ids]  # for all users, or by user


def find_excluded(
    users: tuple[NDArray[Any], Rows],
    item_index: IdIndex,
    *,
    seen: Seen | None,
    exclude: Mapping[Any, Ids] | None,
) -> Excluded | None:
    """Return the rows of the items to leave out for each user.

    Parameters
    ----------
    users : tuple of ndarray and ndarray of int32
        Ids of the users, and the row of each, −1 if unknown.
    item_index : IdIndex
        The ids of the items.
    seen : Seen or None
        The items each user has rated, to leave out; None to leave out none.
    exclude : mapping or None
        Ids of further items to leave out, by id of the user. Users and items that are unknown are
        ignored.

    Returns
    -------
    Excluded or None
        The rows, ascending for each user; None if none are left out.

    Raises
    ------
    TypeError, ValueError
        If `exclude` does not hold ids of the kinds of the users and items.
    """
    user_ids, user_rows = users
    if not exclude or not len(user_rows):
        return None if seen is None else Excluded(*find_bounds(seen, user_rows), seen.items)
    further, further_rows = _read_exclude(exclude, user_ids, item_index)
    queries, items = pairs_of(further, further_rows)
    if seen is not None:
        seen_queries, seen_items = pairs_of(seen, user_rows)
        queries = np.concatenate([queries, seen_queries])
        items = np.concatenate([items, seen_items])
    merged = find_seen(queries, items, len(user_rows), len(item_index.ids))
    return Excluded(merged.starts[:-1], merged.starts[1:], merged.items)


def _read_exclude(
    exclude: Mapping[Any, Ids], user_ids: NDArray[Any], item_index: IdIndex
) -> tuple[Seen, Rows]:
    """Return the rows of the items of each key of a mapping, and the key of each user, or −1."""
    index, keys = make_index(read_ids(list(exclude), "users of exclude"), "users of exclude")
    key_of_user = look_up(index, read_ids(user_ids, "users"), "users", "those of exclude are")
    needed = np.zeros(len(index.ids), np.bool)
    needed[key_of_user[key_of_user >= 0]] = True
    columns = {
        key: (f"exclude[{show(user)}]", as_column(listed(ids)))
        for key, (user, ids) in zip(keys.tolist(), exclude.items(), strict=True)
        if needed[key]
    }
    lengths = [len(ids) for _, ids in columns.values()]
    key_rows = np.repeat(np.fromiter(columns, np.int32, len(columns)), lengths)
    item_rows = _look_up_all(columns.values(), item_index)
    known = item_rows >= 0
    n_rows = len(index.ids), len(item_index.ids)
    return find_seen(key_rows[known], item_rows[known], *n_rows), key_of_user


def listed(ids: Any) -> Any:
    """Return a set as a list, and anything else as it is."""
    return list(ids) if isinstance(ids, Set) else ids


def _look_up_all(columns: Collection[tuple[str, Any]], index: IdIndex) -> Rows:
    """Return the rows of the ids of named columns, −1 if unknown, one column after the other."""
    for name, ids in columns:
        check_column(ids, name)
    together = list(itertools.chain.from_iterable(ids for _, ids in columns))
    try:
        return look_up(index, read_ids(together, "exclude"), "exclude")
    except (TypeError, ValueError):
        for name, ids in columns:  # to raise the error with the name of the column
            look_up(index, read_ids(ids, name), name)
        raise
