"""Results: the rows found for each query, as arrays of ids and scores or as a DataFrame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_to_row import ids_of
from factorate._serving.frames import table_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.id_index import IdIndex
    from factorate._utils.types import Floats, Rows


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
