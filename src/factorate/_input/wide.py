"""Wide: a table with a row for each user and a column for each item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input.column_names import ALIASES, plain_name
from factorate._input.frame_columns import read_series
from factorate._input.id_column import read_ids
from factorate._input.make_index import make_index
from factorate._utils.validation import check_flag, check_numeric, show, show_names, to_numbers

if TYPE_CHECKING:
    import narwhals as nw
    from numpy.typing import NDArray

# Names of columns that do not hold an item, as `plain_name` returns them.
ID_COLUMNS = frozenset({*ALIASES["user"], "id", "index", "unnamed:0"})


@dataclass(frozen=True)
class Wide:
    """A DataFrame or array of users × items.

    Without this mark, a DataFrame has a row for each rating, and an array of two or three columns
    is ambiguous.
    """

    table: Any


class Table(NamedTuple):
    """The content of a wide table.

    Parameters
    ----------
    user_ids, item_ids : array-like of shape (n_users,) and (n_items,)
        Ids of the rows and columns; `user_ids` is None if the table has none.
    ratings : ndarray of shape (n_users, n_items)
        Real numbers; NaN where a rating is missing.
    """

    user_ids: Any
    item_ids: Any
    ratings: NDArray[Any]


def as_wide(data: Any, wide: object) -> Any:
    """Return ratings marked as `Wide` if `wide` is True; raise TypeError unless it is a bool."""
    return Wide(data) if check_flag("wide", wide) else data


def read_table(frame: nw.DataFrame[Any], *, needs_ids: bool = True) -> Table:
    """Read a DataFrame of users × items, such as pandas' ``pivot`` returns.

    Parameters
    ----------
    frame : narwhals.DataFrame
        Of a library with an index, such as pandas: users are the index, items the columns. Of any
        other library: users are the first column, items the names of the other columns.
    needs_ids : bool, default=True
        Whether a frame without an index has user ids. Otherwise all its columns are items, except a
        first column with a common name of user ids.

    Returns
    -------
    Table
        Ids and ratings.

    Raises
    ------
    ValueError
        If user ids are a column beside an index, or the frame has a row for each rating.
    TypeError
        If an entry is not a real number.
    """
    names = frame.columns
    known = {role: [n for n in names if plain_name(n) in ALIASES[role]] for role in ALIASES}
    if known["user"] and known["item"]:
        raise ValueError(
            f"the columns {show_names(names)} are those of a table with a row for each pair; "
            f"a wide table has a row for each user and a column for each item, as pandas' "
            f"frame.pivot(index={show(known['user'][0])}, columns={show(known['item'][0])}, "
            f"values=…) returns"
        )
    native = frame.to_native()
    if hasattr(native, "index"):
        for name in names:
            if plain_name(name) in ID_COLUMNS:
                raise ValueError(
                    f"the column {show(name)} of a wide table is not an item; make it the index "
                    f"with frame.set_index({show(name)})"
                )
        user_ids, item_ids = (
            read_series(ids.to_series(), what)
            for ids, what in ((native.index, "users"), (native.columns, "items"))
        )
        return Table(user_ids, item_ids, _to_ratings(frame.to_numpy()))
    has_ids = needs_ids or (len(names) > 0 and plain_name(names[0]) in ID_COLUMNS)
    if not has_ids or not names:
        return Table(None, names, _to_ratings(frame.to_numpy()))
    user_ids = read_series(frame.get_column(names[0]).to_native(), "users")
    ratings = frame.select(names[1:]).to_numpy() if names[1:] else np.empty((len(frame), 0))
    return Table(user_ids, names[1:], _to_ratings(ratings))


def find_observed(
    table: Table, *, zeros_are_missing: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the observed entries of a wide table, those that are not NaN.

    Parameters
    ----------
    table : Table
        The wide table.
    zeros_are_missing : bool, default=False
        Whether zeros are not observed either.

    Raises
    ------
    ValueError
        If an entry is infinite, if the table has zeros but no NaN, so that a zero may stand for a
        missing rating, or if an id occurs twice.
    """
    ratings = table.ratings
    for ids, what in ((table.user_ids, "users"), (table.item_ids, "items")):
        if len(ids):
            _check_distinct(ids, what)
    infinite = np.argwhere(np.isinf(ratings))
    if len(infinite):
        row, column = infinite[0].tolist()
        raise ValueError(
            f"the entry of user {show(table.user_ids[row])} and item "
            f"{show(table.item_ids[column])} is {show(ratings[row, column])}; entries are finite, "
            f"and missing entries are NaN"
        )
    observed = ~np.isnan(ratings)
    n_zeros = int(np.count_nonzero(ratings == 0))
    if zeros_are_missing:
        observed &= ratings != 0
    elif n_zeros and observed.all():
        raise ValueError(
            f"the wide table has {n_zeros:,} zeros and no NaN, so zeros can be ratings or missing "
            f"ratings; replace them with NaN if they are missing, as frame.where(frame != 0) does "
            f"in pandas, or pass a table with a row for each rating"
        )
    rows, columns = np.nonzero(observed)
    return rows, columns


def _to_ratings(entries: NDArray[Any]) -> NDArray[Any]:
    if entries.dtype.kind in "OUS":
        entries = to_numbers(entries, "wide table", missing=np.nan)
    check_numeric(entries, "the wide table")
    return entries


def _check_distinct(ids: Any, what: str) -> None:
    """Raise ValueError if an id of a wide table occurs twice."""
    index, rows = make_index(read_ids(ids, what), what)
    if len(index.ids) == len(ids):
        return
    first_rows = dict(zip(rows[::-1].tolist(), reversed(range(len(ids))), strict=True))
    again = next(entry for entry, row in enumerate(rows.tolist()) if first_rows[row] != entry)
    raise ValueError(
        f"{what}[{again}] and {what}[{first_rows[int(rows[again])]}] of the wide table are both "
        f"{show(ids[again])}; expected one {'row' if what == 'users' else 'column'} for each"
    )
