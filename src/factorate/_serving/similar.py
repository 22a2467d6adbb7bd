"""Neighbours: the users or items whose factors have the largest cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from factorate._input.id_column import as_column, is_scalar
from factorate._input.id_to_row import rows_of
from factorate._input.unknown_ids import IN_SIMILAR, warn_unknown
from factorate._serving.results import Results, read_form
from factorate._serving.top_n import Excluded, Scoring, best, no_results
from factorate._training.factors import NO_ROWS, require_factors
from factorate._utils.validation import check_count

if TYPE_CHECKING:
    from factorate._fitted.fitted_state import FittedState
    from factorate._input.unknown_ids import Policy
    from factorate._utils.types import Floats, Rows


def similar(
    fitted: FittedState,
    side: Literal["user", "item"],
    ids: Any,
    n: int,
    *,
    as_frame: bool = False,
    as_lists: bool = False,
    unknown: Policy = "warn",
    n_threads: int | None = None,
) -> Any:
    """Find the neighbours of users or items, given as ids; see `FactorModel.similar_items`."""
    n, form = check_count("n", n, 1), read_form(as_frame=as_frame, as_lists=as_lists)
    if side == "user":
        index, factors = fitted.user_index, fitted.factors.user_factors
    else:
        index, factors = fitted.item_index, fitted.factors.item_factors
    require_factors(factors, f"similar {side}s")
    query_ids, queries = rows_of(as_column(ids), index, f"{side}s")
    given, none = (query_ids, queries), (None, NO_ROWS)
    users, items = (given, none) if side == "user" else (none, given)
    warn_unknown(users, items, IN_SIMILAR, stacklevel=3, policy=unknown)
    if form != "arrays":  # others have no empty entries, so longer lists would waste memory
        n = min(n, max(1, len(factors)))
    rows, scores = similar_rows(factors, queries, n, n_threads)
    results = Results(query_ids=query_ids, index=index, rows=rows, scores=scores)
    if form == "frame":
        return results.to_frame(side, f"similar_{side}", fitted.library)
    single = is_scalar(ids)
    return results.to_lists(single=single) if form == "lists" else results.to_arrays(single=single)


def similar_rows(
    factors: Floats, queries: Rows, n: int, n_threads: int | None = None
) -> tuple[Rows, Floats]:
    """Find the n other rows of factors with the largest cosine to each query.

    Parameters
    ----------
    factors : ndarray of shape (n_rows, K)
        Factors of users or items.
    queries : ndarray of shape (m,), int32
        Rows; −1 for an unknown one, which has no neighbours.
    n : int
        Length of the lists, at least 1.
    n_threads : int, default=None
        Number of threads; None for one per core. It does not change the result.

    Returns
    -------
    rows, cosines : ndarray of shape (m, n)
        Largest cosine first, equal ones by ascending row; −1 and NaN where there are fewer rows.
        The cosine with a row of zeros is 0.
    """
    known = queries >= 0
    rows, scores = no_results(len(queries), n, factors.dtype)
    known_queries = queries[known]
    candidates = np.arange(len(factors), dtype=np.int32)
    m = len(known_queries)
    itself = Excluded(np.arange(m), np.arange(1, m + 1), known_queries)
    rows[known], scores[known] = best(
        cosines(factors), known_queries, candidates, itself, n=n, n_threads=n_threads
    )
    return rows, np.clip(scores, -1, 1, out=scores)  # rounding can exceed 1


def cosines(factors: Floats) -> Scoring:
    """Return the scoring of rows of factors by cosine; the cosine with a row of zeros is 0."""
    zeros = np.zeros(len(factors), factors.dtype)
    squares = _squared_norms(factors)
    numbers = np.finfo(factors.dtype)
    safe = (squares >= numbers.tiny / numbers.eps) & (squares <= numbers.max * numbers.eps)
    if not safe.all():
        factors = factors.copy()
        factors[~safe] = _scale_by_power_of_two(factors[~safe])
        squares[~safe] = _squared_norms(factors[~safe])
    norms = np.sqrt(squares)
    norms[norms == 0] = np.inf  # so that the inverse is 0
    inverse = 1 / norms
    return Scoring(
        factors, factors, zeros, zeros, mean=0.0, query_scale=inverse, item_scale=inverse
    )


def _squared_norms(factors: Floats) -> Floats:
    """Return the dot product of each row with itself, as `Scoring.exact` sums it."""
    zeros = np.zeros(len(factors), factors.dtype)
    rows = np.arange(len(factors), dtype=np.int32)
    return Scoring(factors, factors, zeros, zeros, mean=0.0).exact(rows, rows)


def _scale_by_power_of_two(rows: Floats) -> Floats:
    """Return rows scaled so that their squares are not out of range, which changes no cosine."""
    exponents = np.frexp(np.abs(rows).max(axis=1, keepdims=True))[1]
    scaled: Floats = np.ldexp(rows, -exponents)
    return scaled
