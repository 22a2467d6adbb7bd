"""Warn about unknown users and items, ignore them or raise an error."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from factorate._input.id_column import Encoded
from factorate._utils.validation import show
from factorate.exceptions import UnknownIdError, UnknownIdWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Rows

Policy = Literal["warn", "ignore", "raise"]
MAX_SHOWN = 3  # ids in a message

IN_SIMILAR = "nothing is found for them"


class Consequences(NamedTuple):
    """What unknown ids mean for the results of a model, the ends of messages."""

    in_predictions: str
    in_recommendations: str
    in_training: str


RATINGS_MODEL = Consequences(
    in_predictions="their biases and factors count as 0 in predictions",
    in_recommendations="unknown users get the best items by bias, unknown items are left out",
    in_training="their ratings count in biases only",
)
IMPLICIT_MODEL = Consequences(
    in_predictions="unknown users have the mean score of all users, unknown items the score 0",
    in_recommendations="unknown users get the items with the best mean score of all users, "
    "unknown items are left out",
    in_training="their interactions are left out",
)


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
        End of the message, such as `IN_SIMILAR` or one of the `Consequences` of a model.
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
    if check_policy(policy) == "ignore":
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


class UnknownInBatches:
    """Counts the unknown users and items of batches of pairs, to issue one warning for all.

    Parameters
    ----------
    consequence : str
        End of the message, as for `warn_unknown`.
    policy : {"warn", "ignore", "raise"}
        As for `warn_unknown`.
    """

    def __init__(self, consequence: str, policy: Policy) -> None:
        self._consequence = consequence
        self._policy = check_policy(policy)
        self._n_rows = 0
        self._n_unknown = {"users": 0, "items": 0}
        self._first: dict[str, list[Any]] = {"users": [], "items": []}  # ids, to show

    def add(self, users: tuple[Any, Rows], items: tuple[Any, Rows]) -> None:
        """Count the unknown ids of a batch; raise UnknownIdError if the policy is "raise"."""
        self._n_rows += len(users[1])
        if self._policy == "raise":
            warn_unknown(users, items, self._consequence, 1, policy="raise")
        for what, (ids, rows) in (("users", users), ("items", items)):
            unknown = np.flatnonzero(rows < 0)
            self._n_unknown[what] += len(unknown)
            first = self._first[what]
            for entry in unknown.tolist():
                if len(first) > MAX_SHOWN:
                    break
                if ids[entry] not in first:
                    first.append(ids[entry])

    def warn(self, stacklevel: int) -> None:
        """Issue the warning, if there is one; `stacklevel` is counted from the caller."""
        found = []
        for what, n_unknown in self._n_unknown.items():
            if n_unknown:
                first = self._first[what]
                shown = ", ".join(map(show, first[:MAX_SHOWN]))
                more = ", …" if len(first) > MAX_SHOWN else ""
                verb = "name" if n_unknown > 1 else "names"
                rows = f"{n_unknown:,} of {self._n_rows:,} rows {verb}"
                found.append(f"{rows} unknown {what} ({shown}{more})")
        if found and self._policy == "warn":
            message = f"{'; '.join(found)}: {self._consequence}"
            warnings.warn(message, UnknownIdWarning, stacklevel=stacklevel + 1)


def check_policy(policy: Policy) -> Policy:
    """Return a policy; raise ValueError unless it is one."""
    if policy not in ("warn", "ignore", "raise"):
        raise ValueError(f"unknown is {show(policy)}; expected 'warn', 'ignore' or 'raise'")
    return policy


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
