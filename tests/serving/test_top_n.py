"""The best n agree with sorting all scores, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate import reference
from factorate._kernels import dispatch
from factorate._serving import top_n
from factorate._serving.top_n import Excluded, Scoring, best
from factorate._utils.aligned import aligned_zeros


def problem(
    seed: int, n_queries: int, n_items: int, K: int, dtype: Any, spread: int = 0
) -> Scoring:
    """Draw random factors and biases; integers up to `spread`, summed exactly, if it is not 0."""
    generator = np.random.default_rng(seed)

    def numbers(*shape: int) -> Any:
        if spread:
            return generator.integers(-spread, spread + 1, shape).astype(dtype)
        return generator.standard_normal(shape).astype(dtype)

    return Scoring(
        queries=numbers(n_queries, K),
        items=numbers(n_items, K),
        query_bias=numbers(n_queries),
        item_bias=numbers(n_items),
        mean=3.0,
    )


def random_exclusion(seed: int, n_queries: int, n_items: int, fraction: float) -> Excluded:
    generator = np.random.default_rng(seed)
    rows = [np.flatnonzero(generator.random(n_items) < fraction) for _ in range(n_queries)]
    ends = np.cumsum([len(some) for some in rows])
    return Excluded(
        ends - [len(some) for some in rows], ends, np.concatenate(rows).astype(np.int32)
    )


def best_by_sorting(
    scoring: Scoring, queries: Any, candidates: Any, excluded: Excluded | None, n: int
) -> tuple[Any, Any]:
    """Score all candidates by the kernel of predictions and sort."""
    rows, scores = [], []
    for k, query in enumerate(queries):
        exact = scoring.exact(np.full(len(candidates), query, np.int32), candidates)
        if excluded is not None:
            unwanted = excluded.rows[excluded.begin[k] : excluded.end[k]]
            exact = np.where(np.isin(candidates, unwanted), -np.inf, exact).astype(exact.dtype)
        indices, found = reference.best(exact, n)
        rows.append(np.where(indices < 0, -1, candidates[indices] if len(candidates) else -1))
        scores.append(found)
    return np.array(rows).reshape(-1, n), np.array(scores).reshape(-1, n)


def assert_same(got: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])  # bit for bit; NaN equals NaN


@pytest.mark.parametrize("spread", [0, 2])
@pytest.mark.parametrize("K", [1, 7, 64])
@pytest.mark.usefixtures("isa")
def test_the_best_are_those_of_the_predictions_bit_for_bit(dtype: str, K: int, spread: int) -> None:
    scoring = problem(0, 50, 333, K, dtype, spread)
    queries, candidates = np.arange(50, dtype=np.int32), np.arange(333, dtype=np.int32)
    excluded = random_exclusion(1, 50, 333, 0.2)
    expected = best_by_sorting(scoring, queries, candidates, excluded, 10)
    assert_same(best(scoring, queries, candidates, n=10, excluded=excluded, n_threads=1), expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(
        st.integers(0, 40), st.integers(1, 250), st.integers(1, 20), st.integers(1, 30)
    ),
    spread=st.integers(0, 3),
    excluded_fraction=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    candidate_fraction=st.sampled_from([0.0, 0.5, 1.0]),
    kernel_dtype=st.sampled_from(["float32", "float64"]),
    n_threads=st.integers(1, 3),
)
@pytest.mark.usefixtures("isa")
def test_any_shape_agrees_with_sorting(
    seed: int,
    sizes: Any,
    spread: int,
    excluded_fraction: float,
    candidate_fraction: float,
    kernel_dtype: str,
    n_threads: int,
) -> None:
    n_queries, n_items, K, n = sizes
    scoring = problem(seed, 45, n_items, K, kernel_dtype, spread)
    generator = np.random.default_rng(seed)
    queries = generator.integers(0, 45, n_queries).astype(np.int32)
    candidates = np.flatnonzero(generator.random(n_items) < candidate_fraction).astype(np.int32)
    excluded = random_exclusion(seed, n_queries, n_items, excluded_fraction) if n_queries else None
    how: Any = {"excluded": excluded, "n_threads": n_threads, "chunk": 7, "block_bytes": 2000}
    got = best(scoring, queries, candidates, n=n, **how)
    assert_same(got, best_by_sorting(scoring, queries, candidates, excluded, n))


def test_threads_and_chunks_do_not_change_a_bit(dtype: str) -> None:
    scoring = problem(3, 300, 2000, 16, dtype)
    queries, candidates = np.arange(300, dtype=np.int32), np.arange(2000, dtype=np.int32)
    one = best(scoring, queries, candidates, n=20, n_threads=1)
    for n_threads, chunk, block in ((2, 1024, 1 << 15), (4, 33, 1 << 9), (3, 17, 1)):
        sizes: Any = {"chunk": chunk, "block_bytes": block}
        got = best(scoring, queries, candidates, n=20, n_threads=n_threads, **sizes)
        assert_same(got, one)
    some = best(scoring, queries[40:60], candidates, n=20, n_threads=1)
    few = best(scoring, queries[45:50], candidates, n=20, n_threads=1)
    assert_same(some, (one[0][40:60], one[1][40:60]))
    assert_same(few, (one[0][45:50], one[1][45:50]))


@pytest.mark.usefixtures("isa")
def test_equal_scores_are_ordered_by_row() -> None:
    """Also if the number of equal scores exceeds the capacity of the shortlist."""
    zeros = np.zeros((20, 3), np.float32), np.zeros((500, 3), np.float32)
    scoring = Scoring(
        queries=zeros[0],
        items=zeros[1],
        query_bias=np.zeros(20, np.float32),
        item_bias=np.zeros(500, np.float32),
        mean=1.5,
    )
    excluded = Excluded(np.zeros(20, np.int64), np.full(20, 2), np.array([0, 2], np.int32))
    queries, candidates = np.arange(20, dtype=np.int32), np.arange(500, dtype=np.int32)
    rows, scores = best(scoring, queries, candidates, n=4, excluded=excluded, n_threads=1)
    assert (rows == [1, 3, 4, 5]).all()
    assert (scores == 1.5).all()


@pytest.mark.usefixtures("isa")
def test_scores_that_differ_only_by_rounding_agree_with_sorting(dtype: str) -> None:
    """Items are permutations of each other, so their products differ only by rounding."""
    generator = np.random.default_rng(5)
    numbers = generator.standard_normal(40)
    items = np.array([generator.permutation(numbers) for _ in range(400)]).astype(dtype)
    queries = np.ones((32, 40), dtype) * np.logspace(-3, 3, 32, dtype=dtype)[:, None]
    scoring = Scoring(
        queries=queries,
        items=items,
        query_bias=np.zeros(32, dtype),
        item_bias=np.zeros(400, dtype),
        mean=100.0,
    )
    every = np.arange(32, dtype=np.int32), np.arange(400, dtype=np.int32)
    assert_same(best(scoring, *every, n=5, n_threads=1), best_by_sorting(scoring, *every, None, 5))


@pytest.mark.parametrize("huge", [1e30, 3e38])
@pytest.mark.usefixtures("isa")
def test_scores_that_overflow_are_left_out(huge: float) -> None:
    scoring = problem(6, 20, 300, 4, "float32")
    scoring.items[7], scoring.items[8], scoring.items[9, :2] = huge, -huge, [huge, -huge]
    every = np.arange(20, dtype=np.int32), np.arange(300, dtype=np.int32)
    with np.errstate(over="ignore", invalid="ignore"):
        got = best(scoring, *every, n=5, n_threads=1)
        assert_same(got, best_by_sorting(scoring, *every, None, 5))
    assert not np.isnan(got[1]).any()


def packed(scoring: Scoring, dtype: str, scale: Any) -> Any:
    n_items, K = scoring.items.shape
    width = dispatch.top_n.PANEL_BYTES // np.dtype(dtype).itemsize
    panels = aligned_zeros((-(-n_items // width), K + 1, width), np.dtype(dtype))
    every = np.arange(n_items, dtype=np.int32)
    dispatch.top_n.pack(every, scoring.items, scale, scoring.item_bias, panels)
    return panels


@pytest.mark.usefixtures("isa")
def test_panels_contain_offsets_and_scaled_factors(dtype: str) -> None:
    scoring = problem(8, 1, 100, 9, dtype)
    scale = np.linspace(1, 2, 100, dtype=dtype)
    by_row = packed(scoring, dtype, scale).transpose(0, 2, 1).reshape(-1, 10)
    np.testing.assert_array_equal(by_row[:100, 0], scoring.item_bias)
    np.testing.assert_array_equal(by_row[:100, 1:], scoring.items * scale[:, None])
    assert (by_row[100:, 0] == -np.inf).all()
    assert not by_row[100:, 1:].any()


@pytest.mark.usefixtures("isa")
def test_scores_of_the_blocked_product_agree_with_numpy(dtype: str) -> None:
    scoring = problem(9, 21, 100, 9, dtype)
    scale = np.linspace(1, 2, 100, dtype=dtype)
    candidates = top_n.Candidates(
        np.arange(100, dtype=np.int32), packed(scoring, dtype, scale), 0.0, 0.0, 1 << 12
    )
    queries = np.arange(21, dtype=np.int32)
    found = top_n.Found(*top_n.no_results(21, 3, np.dtype(dtype)))
    shortlist = top_n._make_shortlist(21, 100, np.dtype(dtype))
    dispatch.top_n.propose(
        queries,
        scoring.queries,
        candidates.panels,
        candidates.rows,
        Excluded.none(21),
        np.full(21, np.inf, dtype),
        top_n._make_scratch(scoring, candidates, found),
        shortlist,
    )
    expected = scoring.item_bias + scoring.queries @ (scoring.items * scale[:, None]).T
    assert (shortlist.sizes == 100).all()
    assert (shortlist.candidate_indices == np.arange(100)).all()
    np.testing.assert_allclose(shortlist.scores, expected, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("isa")
def test_the_best_of_repeated_queries_agree_with_sorting() -> None:
    scoring = problem(10, 1, 500, 4, "float32", spread=9)
    rows, scores = best(
        scoring, np.zeros(20, np.int32), np.arange(500, dtype=np.int32), n=2, n_threads=1
    )
    exact = scoring.exact(np.zeros(500, np.int32), np.arange(500, dtype=np.int32))
    order = np.lexsort((np.arange(500), -exact))[:2]
    assert (rows == order).all()
    assert (scores == exact[order]).all()
