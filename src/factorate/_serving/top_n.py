"""Top n: the best candidates of each query.

A blocked product proposes candidates: all whose score may be among the n best, given the largest
possible rounding error. The prediction kernel scores these again, so scores equal `predict` bit for
bit and do not depend on how queries are divided into blocks and threads.

Rows are int32. Indexing an array with them may crash in NumPy when memory is short, so this module
uses ``take``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._kernels import dispatch
from factorate._training.factors import NO_ROWS
from factorate._utils.aligned import aligned_zeros
from factorate._utils.cores import count_threads
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from typing import Any

    from factorate._utils.types import Flags, Floats, Offsets, Rows


FEW = 16  # with fewer queries, packing the items into panels costs more than it saves
CHUNK = 1024  # queries that a thread scores at a time
CHUNK_BYTES = 1 << 24  # limit on the candidates proposed for one chunk
BLOCK_BYTES = 1 << 15  # factors of the queries that are multiplied with one panel of items


def best(
    scoring: Scoring,
    queries: Rows,
    candidates: Rows,
    excluded: Excluded | None = None,
    *,
    n: int,
    n_threads: int | None,
    chunk: int = CHUNK,
    block_bytes: int = BLOCK_BYTES,
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
    block_bytes : int, default=32768
        Size of the factors of the queries that are multiplied with one panel of items before the
        next. It does not change the result.

    Returns
    -------
    rows, scores : ndarray of shape (m, n)
        Best first, equal scores by ascending row; -1 and NaN where there are fewer candidates.
    """
    if excluded is None:
        excluded = Excluded.none(len(queries))
    rows, scores = no_results(len(queries), n, scoring.queries.dtype)
    found = Found(rows, scores)
    if not len(candidates):
        return rows, scores
    capacity = _capacity(n, len(candidates))
    if len(queries) < FEW or 2 * capacity > len(candidates):
        for k in range(len(queries)):
            one = slice(k, k + 1)
            _score_all(scoring, queries[k], candidates, excluded.select(one), found.select(one))
        return rows, scores
    threads = count_threads(n_threads)
    packed = _make_candidates(scoring, candidates, block_bytes)
    size = min(chunk, CHUNK_BYTES // (8 * capacity) + 1, -(-len(queries) // threads))

    def score_chunk(first: int) -> None:
        selection = slice(first, first + size)
        _score_some(
            scoring, queries[selection], packed, excluded.select(selection), found.select(selection)
        )

    Workers(threads).map(score_chunk, range(0, len(queries), size))
    return rows, scores


@dataclass(frozen=True)
class Excluded:
    """Candidates left out of each list: ``rows[begin[k]:end[k]]`` for query k, ascending."""

    begin: Offsets
    end: Offsets
    rows: Rows

    @classmethod
    def none(cls, n_queries: int) -> Excluded:
        """Exclude nothing."""
        zeros = np.zeros(n_queries, np.int64)
        return cls(zeros, zeros, NO_ROWS)

    def copy(self) -> Excluded:
        """Return a copy whose `begin` a kernel may change."""
        return Excluded(self.begin.copy(), self.end, self.rows)

    def select(self, chosen: slice | Flags) -> Excluded:
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
        dispatch.predict.predict(queries, items, *arrays, self.mean, out)
        if self.query_scale is not None and self.item_scale is not None:
            out *= self.query_scale.take(queries)
            out *= self.item_scale.take(items)
        return out


class Found(NamedTuple):
    """The best rows of each query and their scores, shapes (m, n)."""

    rows: Rows
    scores: Floats

    def select(self, chosen: slice) -> Found:
        """Return views of those of some queries."""
        return Found(self.rows[chosen], self.scores[chosen])


class Candidates(NamedTuple):
    """Items in panels for the blocked product."""

    rows: Rows
    panels: Floats  # shape (n_panels, K + 1, width): offsets, then factors
    largest_norm: float
    largest_offset: float
    block_bytes: int


class Scratch(NamedTuple):
    """Working memory of the blocked product; see `propose` in _kernels/top_n.pyx."""

    groups: Floats
    group_scores: Floats
    heaps: Floats
    heap_indices: Rows
    heap_sizes: Rows
    thresholds: Floats


class Shortlist(NamedTuple):
    """The candidates of each query that are scored again, by their index among all."""

    scores: Floats
    candidate_indices: Rows
    sizes: Rows


def no_results(m: int, n: int, dtype: np.dtype[Any]) -> tuple[Rows, Floats]:
    """Return empty lists of length n for m queries: rows of -1 and scores of NaN."""
    return np.full((m, n), -1, np.int32), np.full((m, n), np.nan, dtype)


def best_of_one(
    scores: Floats, candidates: Rows, n: int, excluded: Excluded | None = None
) -> tuple[Rows, Floats]:
    """Return the n best of one row of scores, as `best` does; the candidates ascend."""
    if excluded is None:
        excluded = Excluded.none(1)
    best_rows, best_scores = no_results(1, n, scores.dtype)
    ends = np.array([0, len(candidates)])
    dispatch.top_n.select(scores, candidates, ends, excluded.copy(), best_scores, best_rows)
    return best_rows, best_scores


def _score_all(
    scoring: Scoring, query: np.int32, candidates: Rows, excluded: Excluded, found: Found
) -> None:
    """Score every candidate of one query, and write the best."""
    exact = scoring.exact(np.full(len(candidates), query, np.int32), candidates)
    ends = np.array([0, len(candidates)])
    dispatch.top_n.select(exact, candidates, ends, excluded.copy(), found.scores, found.rows)


def _make_candidates(scoring: Scoring, rows: Rows, block_bytes: int) -> Candidates:
    dtype = scoring.items.dtype
    width = dispatch.top_n.PANEL_BYTES // dtype.itemsize
    n_factors = scoring.items.shape[1]
    panels = aligned_zeros((-(-len(rows) // width), n_factors + 1, width), dtype)
    scale = scoring.item_scale
    if scale is None:
        scale = np.ones(len(scoring.items), dtype)
    dispatch.top_n.pack(rows, scoring.items, scale, scoring.item_bias, panels)
    squares = np.einsum("pkw,pkw->pw", panels[:, 1:], panels[:, 1:])
    largest_norm = float(np.sqrt(squares.max()))
    if not math.isfinite(largest_norm):
        largest_norm = math.sqrt(n_factors) * float(np.abs(panels[:, 1:]).max())
    offset = float(np.abs(scoring.item_bias).max())
    return Candidates(rows, panels, largest_norm, offset, block_bytes)


def _capacity(n: int, n_candidates: int) -> int:
    """Return how many candidates of a query are scored again at most."""
    return min(2 * n + 32, n_candidates)


def _slack(scoring: Scoring, queries: Rows, candidates: Candidates) -> Floats:
    """Return the largest difference of two scores that rounding can reverse, for each query.

    The error of a sum of m terms in any order is at most m ε Σ|term| to first order (Higham,
    "Accuracy and Stability of Numerical Algorithms", 2nd ed., 2002, section 4.2), and
    Σ|p_k q_k| ≤ |p||q|. Four sums are involved, the proposed and the exact score of two items; the
    factor 8 doubles this.
    """
    rows = scoring.queries.take(queries, axis=0)
    norms = np.sqrt(np.einsum("nk,nk->n", rows, rows, dtype=np.float64))
    n_terms = rows.shape[1] + 8
    base = np.abs(scoring.mean) + np.abs(scoring.query_bias.take(queries)).astype(np.float64)
    bound: Floats = norms * candidates.largest_norm + candidates.largest_offset + base
    numbers = np.finfo(rows.dtype)
    # Products that underflow add an absolute error, below the smallest normal number.
    slack = 8 * n_terms * (numbers.eps * bound + float(numbers.tiny))
    return np.asarray(np.minimum(slack, float(numbers.max)), rows.dtype)


def _score_some(
    scoring: Scoring, queries: Rows, candidates: Candidates, excluded: Excluded, found: Found
) -> None:
    """Score the candidates that the product proposes, and write the best."""
    capacity = _capacity(found.rows.shape[1], len(candidates.rows))
    shortlist = _make_shortlist(len(queries), capacity, scoring.queries.dtype)
    dispatch.top_n.propose(
        queries,
        scoring.queries,
        candidates.panels,
        candidates.rows,
        excluded.copy(),
        _slack(scoring, queries, candidates),
        _make_scratch(scoring, candidates, found),
        shortlist,
    )
    # When memory is short, NumPy may crash in operations that cast or broadcast.
    sizes = np.maximum(shortlist.sizes, 0).astype(np.intp)
    starts = np.zeros(len(queries) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    entries = np.repeat(np.arange(len(queries)) * capacity - starts[:-1], sizes)
    entries += np.arange(len(entries))
    items = candidates.rows.take(shortlist.candidate_indices.ravel().take(entries))
    exact = scoring.exact(np.repeat(queries, sizes), items)
    none = Excluded.none(len(queries))
    dispatch.top_n.select(exact, items, starts, none, found.scores, found.rows)
    for k in np.flatnonzero(shortlist.sizes < 0).tolist():  # too many scores are nearly equal
        one = slice(k, k + 1)
        _score_all(scoring, queries[k], candidates.rows, excluded.select(one), found.select(one))


def _make_shortlist(m: int, capacity: int, dtype: np.dtype[Any]) -> Shortlist:
    return Shortlist(
        np.empty((m, capacity), dtype), np.empty((m, capacity), np.int32), np.empty(m, np.int32)
    )


def _make_scratch(scoring: Scoring, candidates: Candidates, found: Found) -> Scratch:
    dtype, n_factors = scoring.queries.dtype, scoring.queries.shape[1]
    group, m = dispatch.top_n.GROUP, len(found.rows)
    n_groups = max(1, candidates.block_bytes // (group * max(1, n_factors) * dtype.itemsize))
    return Scratch(
        groups=np.zeros((n_groups, n_factors, group), dtype),
        group_scores=aligned_zeros((group, candidates.panels.shape[2]), dtype),
        heaps=np.empty(found.rows.shape, dtype),
        heap_indices=np.empty(found.rows.shape, np.int32),
        heap_sizes=np.empty(m, np.int32),
        thresholds=np.empty(m, dtype),
    )
