"""The way from the ids a caller gives to rows, and back."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_columns import read_ids
from factorate._input.id_index import look_up
from factorate._utils.validation import show
from factorate.exceptions import UnknownIdWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.id_index import IdIndex
    from factorate._utils.types import Rows


IN_PREDICTIONS = "what is not known of them is left out of their predictions"
IN_RECOMMENDATIONS = "unknown users get the best items by bias, unknown items are left out"
IN_SIMILAR = "nothing is found for them"
IN_RATINGS = "their ratings are left out"


def is_scalar(ids: object) -> bool:
    """Say whether this is one id, not a column of them; None is neither.

    Examples
    --------
    >>> is_scalar("ann"), is_scalar(7), is_scalar(["ann"]), is_scalar(None)
    (True, True, False, False)
    """
    if isinstance(ids, str | bytes):
        return True
    if isinstance(ids, np.ndarray):
        return ids.ndim == 0
    return ids is not None and not hasattr(ids, "__len__")


def as_column(ids: Any) -> Any:
    """Return one id as a column of one, and a column as it is."""
    if not is_scalar(ids):
        return ids
    return [ids.item() if isinstance(ids, np.ndarray) else ids]


def rows_of(wanted: Any, index: IdIndex, what: str) -> tuple[Any, Rows]:
    """Return a column of ids as an array, and their rows, −1 where unknown; None is all.

    Raises
    ------
    TypeError, ValueError
        If they are not ids of the kind that the model knows.
    """
    if wanted is None:
        return index.ids, np.arange(len(index.ids), dtype=np.int32)
    column = read_ids(wanted, what)
    return column.values, look_up(index, column, what)


def ids_of(index: IdIndex, rows: Rows) -> NDArray[Any]:
    """Return the ids of rows of any shape; that of −1 means nothing.

    Examples
    --------
    >>> from factorate._input.id_columns import read_ids
    >>> from factorate._input.id_index import make_index
    >>> index, _ = make_index(read_ids(["b", "a"], "items"), "items")
    >>> ids_of(index, np.array([[1, -1]], np.int32)).tolist()
    [['b', None]]
    """
    found = rows >= 0
    if found.all():
        return index.ids[rows]
    dtype = index.ids.dtype
    nothing = {"O": None, "M": "NaT", "b": False, "u": 0}.get(dtype.kind, -1)
    out = np.full(rows.shape, nothing, dtype)
    out[found] = index.ids[rows[found]]
    return out


def warn_unknown(
    users: tuple[Any, Rows], items: tuple[Any, Rows], consequence: str, stacklevel: int
) -> None:
    """Warn of the users and items, ids and rows of each, that are unknown.

    The consequence ends the message. The stack level is counted from the caller.
    """
    parts = []
    for what, (ids, rows) in (("users", users), ("items", items)):
        if rows.min(initial=0) < 0:
            unknown = np.flatnonzero(rows < 0)
            names = list(dict.fromkeys(show(ids[where]) for where in unknown[:100].tolist()))[:3]
            parts.append(f"{len(unknown)} of {len(rows)} {what} are unknown ({', '.join(names)})")
    if parts:
        warnings.warn(
            f"{'; '.join(parts)}: {consequence}", UnknownIdWarning, stacklevel=stacklevel + 1
        )
