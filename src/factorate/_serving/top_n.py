"""Top n: the best candidates of each query.

A blocked product proposes candidates: all whose score may be among the n best, given the largest
possible rounding error. The prediction kernel scores these again, so scores equal `predict` bit for
bit and do not depend on how queries are divided into blocks and threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels.dispatch import active, topk
from factorate._utils.aligned import aligned_zeros
from factorate._utils.threads import count_threads

if TYPE_CHECKING:
    from typing import Any

    from factorate._utils.types import Floats, Offsets, Rows


FEW = 16  # with fewer queries, packing the items into panels costs more than it saves
CHUNK = 1024  # queries that a thread scores at a time
CHUNK_BYTES = 1 << 24  # limit on the candidates proposed for one chunk
BLOCK_BYTES = 1 << 15  # factors of the queries that are multiplied with one panel of items
NO_ROWS: Rows = np.empty(0, np.int32)


def best(
    scoring: Scoring,
    queries: Rows,
    candidates: Rows,
    excluded: Excluded | None,
    *,
    n: int,
    n_threads: int | None,
    chunk: int = CHUNK,
) -> tuple[Rows, Floats]:
    """Find the n best candidates of each query.

    Parameters
    ----------
    scoring : Scoring
        How pairs of query and item are scored.
    queries : ndarray of shape (m,), int32
        Rows of queries.
    candidates : ndarray, int32
        Rows of items, ascending.
    excluded : Excluded or None
        Candidates to leave out of the list of each query; None for none.
    n : int
        Length of the lists, at least 1.
    n_threads : int or None
        Number of threads; None for one per core. It does not change the result.
    chunk : int, default=1024
        Queries that a thread scores at a time. It does not change the result.

    Returns
    -------
    rows, scores : ndarray of shape (m, n)
        Best first, equal scores by ascending row; -1 and NaN where there are fewer candidates.
    """
    if excluded is None:
        none = np.zeros(len(queries), np.int64)
        excluded = Excluded(none, none, NO_ROWS)
    rows, scores = no_results(len(queries), n, scoring.queries.dtype)
    capacity = min(2 * n + 32, len(candidates))
    if not len(candidates):
        return rows, scores
    if len(queries) < FEW or 2 * capacity > len(candidates):
        for k in range(len(queries)):
            one = slice(k, k + 1)
            _score_all(scoring, queries[k], candidates, excluded.part(one), rows[one], scores[one])
        return rows, scores
    threads = count_threads(n_threads)
    panels, largest = _panels(scoring, candidates)
    size = min(chunk, CHUNK_BYTES // (8 * capacity) + 1, -(-len(queries) // threads))

    def score_chunk(first: int) -> None:
        some = slice(first, first + size)
        _score_some(
            scoring,
            queries[some],
            candidates,
            excluded.part(some),
            panels,
            largest,
            capacity,
            rows[some],
            scores[some],
        )

    chunks = range(0, len(queries), size)
    if threads == 1:
        for first in chunks:
            score_chunk(first)
    else:
        with ThreadPoolExecutor(min(threads, len(chunks)), "factorate") as pool:
            list(pool.map(score_chunk, chunks))
    return rows, scores


@dataclass(frozen=True)
class Excluded:
    """Candidates left out of each list: ``rows[begin[k]:end[k]]`` for query k, ascending."""

    begin: Offsets
    end: Offsets
    rows: Rows

    def part(self, chosen: slice | Rows) -> Excluded:
        """Return the excluded rows of some queries."""
        return Excluded(self.begin[chosen], self.end[chosen], self.rows)


@dataclass(frozen=True)
class Scoring:
    """The score of a query and an item: μ + biases + p·q, multiplied by both scales if given.

    Attributes
    ----------
    queries, items : ndarray of shapes (n_queries, K) and (n_items, K)
        Factors.
    query_bias, item_bias : ndarray of shapes (n_queries,) and (n_items,)
        Biases.
    mean : float
        μ.
    query_scale, item_scale : ndarray of shapes (n_queries,) and (n_items,), default=None
        Factors of the score, None for 1. Biases and μ must then be 0.
    """

    queries: Floats
    items: Floats
    query_bias: Floats
    item_bias: Floats
    mean: float
    query_scale: Floats | None = None
    item_scale: Floats | None = None

    def exact(self, queries: Rows, items: Rows) -> Floats:
        """Return the score of each pair of rows, as `predict` computes it."""
        out = np.empty(len(queries), self.queries.dtype)
        arrays = self.queries, self.items, self.query_bias, self.item_bias
        active.predict(queries, items, *arrays, self.mean, out)
        if self.query_scale is not None and self.item_scale is not None:
            out *= self.query_scale[queries]
            out *= self.item_scale[items]
        return out


def no_results(m: int, n: int, dtype: np.dtype[Any]) -> tuple[Rows, Floats]:
    """Return empty lists of length n for m queries: rows of -1 and scores of NaN."""
    return np.full((m, n), -1, np.int32), np.full((m, n), np.nan, dtype)


def best_of_one(scores: Floats, rows: Rows, n: int) -> tuple[Rows, Floats]:
    """Return the n best of one list of scores, as `best` does; the rows are ascending."""
    best_rows, best_scores = no_results(1, n, scores.dtype)
    ends, zero = np.array([0, len(rows)]), np.zeros(1, np.int64)
    topk.select(scores, rows, ends, zero, zero, NO_ROWS, best_scores, best_rows)
    return best_rows, best_scores


def _score_all(
    scoring: Scoring, query: np.int32, candidates: Rows, excluded: Excluded, rows: Rows,
    scores: Floats,
) -> None:  # fmt: skip
    """Score every candidate of one query."""
    exact = scoring.exact(np.full(len(candidates), query, np.int32), candidates)
    ends = np.array([0, len(candidates)])
    topk.select(
        exact, candidates, ends, excluded.begin.copy(), excluded.end, excluded.rows, scores, rows
    )


def _panels(scoring: Scoring, candidates: Rows) -> tuple[Floats, tuple[float, float]]:
    """Pack the candidates into panels; return them with the largest norm and |bias| of an item."""
    dtype = scoring.items.dtype
    width = topk.PANEL_BYTES // dtype.itemsize
    n_factors = scoring.items.shape[1]
    panels = aligned_zeros((-(-len(candidates) // width), n_factors + 1, width), dtype)
    scale = scoring.item_scale
    if scale is None:
        scale = np.ones(len(scoring.items), dtype)
    topk.pack(candidates, scoring.items, scale, scoring.item_bias, panels)
    squares = np.einsum("pkw,pkw->pw", panels[:, 1:], panels[:, 1:])
    offset = np.abs(scoring.item_bias).max()
    return panels, (float(np.sqrt(squares.max())), float(offset))


def _slack(scoring: Scoring, queries: Rows, largest: tuple[float, float]) -> Floats:
    """Return the largest difference of two scores that rounding can reverse, for each query.

    The error of a sum of m terms in any order is at most m ε Σ|term| to first order (Higham,
    "Accuracy and Stability of Numerical Algorithms", 2nd ed., 2002, section 4.2), and
    Σ|p_k q_k| ≤ |p||q|. Four sums are involved, the proposed and the exact score of two items; the
    factor 8 doubles this.
    """
    rows = scoring.queries[queries]
    norms = np.sqrt(np.einsum("nk,nk->n", rows, rows, dtype=np.float64))
    n_terms = rows.shape[1] + 8
    base = np.abs(scoring.mean) + np.abs(scoring.query_bias[queries]).astype(np.float64)
    bound: Floats = norms * largest[0] + largest[1] + base
    return np.asarray(8 * n_terms * np.finfo(rows.dtype).eps * bound, rows.dtype)


def _score_some(
    scoring: Scoring, queries: Rows, candidates: Rows, excluded: Excluded, panels: Floats,
    largest: tuple[float, float], capacity: int, rows: Rows, scores: Floats,
) -> None:  # fmt: skip
    """Score the candidates that the blocked product proposes."""
    m, dtype, n_factors = len(queries), scoring.queries.dtype, scoring.queries.shape[1]
    n_groups = max(1, BLOCK_BYTES // (topk.GROUP * n_factors * dtype.itemsize))
    proposed, positions = np.empty((m, capacity), dtype), np.empty((m, capacity), np.int32)
    sizes = np.empty(m, np.int32)
    topk.propose(
        queries, scoring.queries, panels, candidates,
        excluded.begin.copy(), excluded.end, excluded.rows,
        _slack(scoring, queries, largest),
        np.zeros((n_groups, n_factors, topk.GROUP), dtype),
        aligned_zeros((topk.GROUP, panels.shape[2]), dtype),
        np.empty(rows.shape, dtype), np.empty(rows.shape, np.int32), np.empty(m, np.int32),
        np.empty(m, dtype), proposed, positions, sizes,
    )  # fmt: skip
    found = np.maximum(sizes, 0)
    items = candidates[positions[np.arange(capacity, dtype=np.int32) < found[:, None]]]
    exact = scoring.exact(np.repeat(queries, found), items)
    starts = np.concatenate([[0], np.cumsum(found)], dtype=np.int64)
    none = np.zeros(m, np.int64)
    topk.select(exact, items, starts, none, none, excluded.rows, scores, rows)
    for k in np.flatnonzero(sizes < 0).tolist():  # nearly equal scores exceeded the capacity
        _score_all(scoring, queries[k], candidates, excluded.part(slice(k, k + 1)),
                   rows[k : k + 1], scores[k : k + 1])  # fmt: skip
