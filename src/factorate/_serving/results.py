"""Results: the rows found for each query, as arrays of ids and scores, lists or a DataFrame."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from factorate._input.id_to_row import ids_of
from factorate._serving.frames import table_frame
from factorate._utils.validation import check_flag

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.id_index import IdIndex
    from factorate._utils.types import Floats, Rows

Form = Literal["arrays", "frame", "lists"]


@dataclass(frozen=True, kw_only=True)
class Results:
    """Rows and scores found for queries, best first.

    Attributes
    ----------
    query_ids : ndarray of shape (m,)
        Ids of the queries.
    index : IdIndex
        Ids of the rows found.
    rows, scores : ndarray of shape (m, n)
        Rows and their scores; −1 and NaN where a list has fewer than n entries.
    """

    query_ids: NDArray[Any]
    index: IdIndex
    rows: Rows
    scores: Floats

    def to_arrays(self, *, single: bool) -> tuple[NDArray[Any], Floats]:
        """Return ids and scores, of shape (n,) for a single query and (m, n) otherwise."""
        ids = ids_of(self.index, self.rows)
        return (ids[0], self.scores[0]) if single else (ids, self.scores)

    def to_frame(self, query_name: str, result_name: str, library: str | None) -> Any:
        """Return a DataFrame of `library` with one row per result; columns query, result, score."""
        found = self.rows >= 0
        columns = {
            query_name: np.repeat(self.query_ids, found.sum(axis=1)),
            result_name: ids_of(self.index, self.rows[found]),
            "score": self.scores[found],
        }
        return table_frame(columns, library)

    def to_lists(self, *, single: bool) -> Any:
        """Return Python values without empty entries: ``{query: [(id, score), ...]}``.

        For a single query, only its list is returned.
        """
        found = self.rows >= 0
        ids = _to_python(ids_of(self.index, self.rows[found]))
        pairs = list(zip(ids, self.scores[found].tolist(), strict=True))
        ends = np.cumsum(found.sum(axis=1)).tolist()
        lists = [pairs[begin:end] for begin, end in itertools.pairwise([0, *ends])]
        return lists[0] if single else dict(zip(_to_python(self.query_ids), lists, strict=True))


def read_form(*, as_frame: bool, as_lists: bool) -> Form:
    """Return the form of results that two flags ask for.

    Raises
    ------
    TypeError
        If a flag is not True or False.
    ValueError
        If both are True.
    """
    as_frame, as_lists = check_flag("as_frame", as_frame), check_flag("as_lists", as_lists)
    if as_frame and as_lists:
        raise ValueError("as_frame and as_lists are both True; expected at most one of them")
    return "frame" if as_frame else "lists" if as_lists else "arrays"


def _to_python(ids: NDArray[Any]) -> list[Any]:
    """Return ids as Python values; datetimes that Python cannot represent remain NumPy's."""
    if ids.dtype.kind != "M":
        values: list[Any] = ids.tolist()
        return values
    exact = ids.astype("datetime64[us]")
    values = exact.tolist()
    representable = all(not isinstance(value, int) for value in values)
    return values if representable and (exact == ids).all() else list(ids)
