"""Warn about unknown users and items, ignore them or raise an error."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from factorate._input.id_column import Encoded
from factorate._utils.validation import show
from factorate.exceptions import UnknownIdError, UnknownIdWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Rows

Policy = Literal["warn", "ignore", "raise"]
MAX_SHOWN = 3  # ids in a message

# Consequences of unknown ids, for `warn_unknown`.
IN_PREDICTIONS = "their biases and factors count as 0 in predictions"
IN_RECOMMENDATIONS = "unknown users get the best items by bias, unknown items are left out"
IN_SIMILAR = "nothing is found for them"
IN_RATINGS = "their ratings count in biases only"


def warn_unknown(
    users: tuple[Any, Rows],
    items: tuple[Any, Rows],
    consequence: str,
    stacklevel: int,
    *,
    policy: Policy = "warn",
) -> None:
    """Issue one UnknownIdWarning, or raise UnknownIdError, if users or items are unknown.

    Parameters
    ----------
    users, items : tuple of array-like and ndarray of int32
        Ids, and the row of each, −1 if unknown.
    consequence : str
        End of the message, such as `IN_PREDICTIONS`.
    stacklevel : int
        As for `warnings.warn`, counted from the caller.
    policy : {"warn", "ignore", "raise"}, default="warn"
        Whether to warn, do nothing or raise an error.

    Raises
    ------
    ValueError
        If `policy` is not one of these.
    UnknownIdError
        If a row is −1 and `policy` is "raise".

    Warns
    -----
    UnknownIdWarning
        If a row is −1 and `policy` is "warn".
    """
    if policy not in ("warn", "ignore", "raise"):
        raise ValueError(f"unknown is {show(policy)}; expected 'warn', 'ignore' or 'raise'")
    if policy == "ignore":
        return
    unknowns = []
    for what, (ids, rows) in (("users", users), ("items", items)):
        if rows.min(initial=0) < 0:
            unknown = np.flatnonzero(rows < 0)
            unknowns.append(
                _describe(what, ids, unknown, len(rows)),
            )
    if not unknowns:
        return
    found = "; ".join(unknowns)
    if policy == "raise":
        raise UnknownIdError(f"{found}; with unknown='ignore', {consequence}")
    warnings.warn(f"{found}: {consequence}", UnknownIdWarning, stacklevel=stacklevel + 1)


def _describe(what: str, ids: Any, unknown: NDArray[np.intp], n_rows: int) -> str:
    """Return how many rows have unknown ids, how many distinct ones, and the first of them."""
    if isinstance(ids, Encoded):
        indices = dict.fromkeys(ids.indices[unknown].tolist())
        distinct = [ids.distinct[index] for index in indices]
    else:
        distinct = list(dict.fromkeys(ids[entry] for entry in unknown.tolist()))
    side = what if len(distinct) > 1 else what.removesuffix("s")
    verb = "name" if len(unknown) > 1 else "names"
    shown = ", ".join(map(show, distinct[:MAX_SHOWN]))
    more = ", …" if len(distinct) > MAX_SHOWN else ""
    return (
        f"{len(unknown):,} of {n_rows:,} rows {verb} {len(distinct):,} unknown {side} "
        f"({shown}{more})"
    )
