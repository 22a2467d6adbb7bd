"""Top n: the best of all candidates for each of many queries.

A product of blocks proposes, the kernel of predictions scores: every candidate whose score can be
among the best n, given how far rounding can move it, is scored again as `predict` does. So neither
the block nor the thread a user falls into changes a bit of the result.
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


FEW = 16  # queries that are not worth bringing the items into panels for
CHUNK = 1024  # queries a thread takes at a time
CHUNK_BYTES = 1 << 24  # of their candidates
BLOCK_BYTES = 1 << 15  # factors of the queries that one panel of items meets
NO_ROWS: Rows = np.empty(0, np.int32)


@dataclass(frozen=True)
class Excluded:
    """Rows that are left out: those of query k are ``rows[begin[k]:end[k]]``, ascending."""

    begin: Offsets
    end: Offsets
    rows: Rows

    def part(self, chosen: slice | Rows) -> Excluded:
        """Return those of some queries."""
        return Excluded(self.begin[chosen], self.end[chosen], self.rows)


@dataclass(frozen=True)
class Scoring:
    """How queries and items are scored: mean + biases + p·q, divided by both norms if given.

    Attributes
    ----------
    queries, items
        Factors, shapes (n_queries, K) and (n_items, K).
    query_bias, item_bias
        Biases, shapes (n_queries,) and (n_items,).
    mean
        μ.
    query_scale, item_scale
        What scores are multiplied by, shapes (n_queries,) and (n_items,); None for 1. With them,
        biases and μ are 0.
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


def cosines(rows: Floats) -> Scoring:
    """Return how to score rows of factors by their cosine; that of a row of zeros is 0."""
    zeros = np.zeros(len(rows), rows.dtype)
    every = np.arange(len(rows), dtype=np.int32)
    norms = np.sqrt(Scoring(rows, rows, zeros, zeros, 0.0).exact(every, every))
    inverse = np.divide(1, norms, out=zeros.copy(), where=norms > 0)
    return Scoring(rows, rows, zeros, zeros, 0.0, inverse, inverse)


def best(
    scoring: Scoring, queries: Rows, candidates: Rows, excluded: Excluded | None, n: int,
    n_threads: int | None,
) -> tuple[Rows, Floats]:  # fmt: skip
    """Find the n best candidates of each query.

    Parameters
    ----------
    scoring
        How they are scored.
    queries
        Rows of queries, int32, shape (m,).
    candidates
        Rows of items, int32, ascending.
    excluded
        Candidates to leave out, query by query; None for none.
    n
        At least 1.
    n_threads
        How many may run; None for one on each core. Without influence on the result.

    Returns
    -------
    rows, scores
        Shape (m, n) each, best first, equal scores by row; -1 and NaN where there are fewer.
    """
    if excluded is None:
        none = np.zeros(len(queries), np.int64)
        excluded = Excluded(none, none, NO_ROWS)
    rows, scores = no_results(len(queries), n, scoring.queries.dtype)
    room = min(2 * n + 32, len(candidates))
    if not len(candidates):
        return rows, scores
    if len(queries) < FEW or 2 * room > len(candidates):
        for k in range(len(queries)):
            _score_all(scoring, queries[k], candidates, excluded.part(slice(k, k + 1)),
                       rows[k : k + 1], scores[k : k + 1])  # fmt: skip
        return rows, scores
    threads = count_threads(n_threads)
    panels, largest = _panels(scoring, candidates)
    size = min(CHUNK, CHUNK_BYTES // (8 * room) + 1, -(-len(queries) // threads))

    def one(first: int) -> None:
        part = slice(first, first + size)
        _score_some(scoring, queries[part], candidates, excluded.part(part), panels, largest, room,
                    rows[part], scores[part])  # fmt: skip

    chunks = range(0, len(queries), size)
    if threads == 1:
        for first in chunks:
            one(first)
    else:
        with ThreadPoolExecutor(min(threads, len(chunks)), "factorate") as pool:
            list(pool.map(one, chunks))
    return rows, scores


def no_results(m: int, n: int, dtype: np.dtype[Any]) -> tuple[Rows, Floats]:
    """Return rows and scores of empty places, -1 and NaN."""
    return np.full((m, n), -1, np.int32), np.full((m, n), np.nan, dtype)


def best_of_one(scores: Floats, codes: Rows, n: int) -> tuple[Rows, Floats]:
    """Return the n best of one row of scores, as `best` does; their codes are ascending."""
    best_codes, best_scores = no_results(1, n, scores.dtype)
    ends, zero = np.array([0, len(codes)]), np.zeros(1, np.int64)
    topk.select(scores, codes, ends, zero, zero, NO_ROWS, best_scores, best_codes)
    return best_codes, best_scores


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
    """Bring the candidates into panels; return them, the largest norm and the largest |offset|."""
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
    """Return by how much rounding can bring the scores of two items in another order.

    Summing m terms in any order errs by at most m ε Σ|term| to first order (Higham, "Accuracy and
    Stability of Numerical Algorithms", 2nd ed., 2002, section 4.2), and Σ|p_k q_k| ≤ |p||q|. Two
    sums of each of two items are compared, the proposed and the exact one; twice that is safe.
    """
    rows = scoring.queries[queries]
    norms = np.sqrt(np.einsum("nk,nk->n", rows, rows, dtype=np.float64))
    n_terms = rows.shape[1] + 8
    base = np.abs(scoring.mean) + np.abs(scoring.query_bias[queries]).astype(np.float64)
    bound: Floats = norms * largest[0] + largest[1] + base
    return np.asarray(8 * n_terms * np.finfo(rows.dtype).eps * bound, rows.dtype)


def _score_some(
    scoring: Scoring, queries: Rows, candidates: Rows, excluded: Excluded, panels: Floats,
    largest: tuple[float, float], room: int, rows: Rows, scores: Floats,
) -> None:  # fmt: skip
    """Score the candidates that the product proposes."""
    m, dtype, n_factors = len(queries), scoring.queries.dtype, scoring.queries.shape[1]
    n_groups = max(1, BLOCK_BYTES // (topk.GROUP * n_factors * dtype.itemsize))
    proposed, places = np.empty((m, room), dtype), np.empty((m, room), np.int32)
    sizes = np.empty(m, np.int32)
    topk.propose(
        queries, scoring.queries, panels, candidates,
        excluded.begin.copy(), excluded.end, excluded.rows,
        _slack(scoring, queries, largest),
        np.zeros((n_groups, n_factors, topk.GROUP), dtype),
        aligned_zeros((topk.GROUP, panels.shape[2]), dtype),
        np.empty(rows.shape, dtype), np.empty(rows.shape, np.int32), np.empty(m, np.int32),
        np.empty(m, dtype), proposed, places, sizes,
    )  # fmt: skip
    found = np.maximum(sizes, 0)
    items = candidates[places[np.arange(room, dtype=np.int32) < found[:, None]]]
    exact = scoring.exact(np.repeat(queries, found), items)
    starts = np.concatenate([[0], np.cumsum(found)], dtype=np.int64)
    none = np.zeros(m, np.int64)
    topk.select(exact, items, starts, none, none, excluded.rows, scores, rows)
    for k in np.flatnonzero(sizes < 0).tolist():  # too many whose scores are nearly equal
        _score_all(scoring, queries[k], candidates, excluded.part(slice(k, k + 1)),
                   rows[k : k + 1], scores[k : k + 1])  # fmt: skip
