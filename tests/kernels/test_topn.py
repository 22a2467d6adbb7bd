"""The kernels of the top n find what sorting all scores finds, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate import reference
from factorate._kernels import dispatch as kernels
from factorate._serving import top_n as topn
from factorate._serving.top_n import Excluded, Scoring, best
from factorate._utils.aligned import aligned_zeros


def use(isa: str, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(topn, "topk", kernels.kernel(isa, "topn"))
    patch.setattr(topn, "active", kernels.kernel(isa))


def problem(
    seed: int, n_queries: int, n_items: int, K: int, dtype: Any, spread: int = 0
) -> Scoring:
    """Make a scoring; with a spread, of small whole numbers, whose sums have no rounding."""
    generator = np.random.default_rng(seed)

    def numbers(*shape: int) -> Any:
        if spread:
            return generator.integers(-spread, spread + 1, shape).astype(dtype)
        return generator.standard_normal(shape).astype(dtype)

    return Scoring(numbers(n_queries, K), numbers(n_items, K), numbers(n_queries), numbers(n_items),
                   3.0)  # fmt: skip


def hide(seed: int, n_queries: int, n_items: int, share: float) -> Excluded:
    generator = np.random.default_rng(seed)
    rows = [np.flatnonzero(generator.random(n_items) < share) for _ in range(n_queries)]
    ends = np.cumsum([len(some) for some in rows])
    return Excluded(
        ends - [len(some) for some in rows], ends, np.concatenate(rows).astype(np.int32)
    )


def sorted_out(
    scoring: Scoring, queries: Any, candidates: Any, excluded: Excluded | None, n: int
) -> tuple[Any, Any]:
    """Score everything by the kernel of predictions and sort."""
    rows, scores = [], []
    for k, query in enumerate(queries):
        exact = scoring.exact(np.full(len(candidates), query, np.int32), candidates)
        if excluded is not None:
            unwanted = excluded.rows[excluded.begin[k] : excluded.end[k]]
            exact = np.where(np.isin(candidates, unwanted), -np.inf, exact).astype(exact.dtype)
        places, found = reference.best(exact, n)
        rows.append(np.where(places < 0, -1, candidates[places] if len(candidates) else -1))
        scores.append(found)
    return np.array(rows).reshape(-1, n), np.array(scores).reshape(-1, n)


def assert_same(got: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])  # bit for bit; NaN equals NaN


@pytest.mark.parametrize("spread", [0, 2])
@pytest.mark.parametrize("K", [1, 7, 64])
def test_the_best_are_those_of_the_predictions_bit_for_bit(
    isa: str, dtype: str, K: int, spread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(isa, monkeypatch)
    scoring = problem(0, 50, 333, K, dtype, spread)
    queries, candidates = np.arange(50, dtype=np.int32), np.arange(333, dtype=np.int32)
    excluded = hide(1, 50, 333, 0.2)
    expected = sorted_out(scoring, queries, candidates, excluded, 10)
    assert_same(best(scoring, queries, candidates, excluded, n=10, n_threads=1), expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_queries=st.integers(0, 40),
    n_items=st.integers(1, 250),
    K=st.integers(1, 20),
    n=st.integers(1, 30),
    spread=st.integers(0, 3),
    share=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    kept=st.sampled_from([0.0, 0.5, 1.0]),
    number=st.sampled_from(["float32", "float64"]),
    n_threads=st.integers(1, 3),
)
@pytest.mark.parametrize("instruction_set", kernels.available())
def test_any_shape_agrees_with_sorting(
    instruction_set: str, seed: int, n_queries: int, n_items: int, K: int, n: int, spread: int,
    share: float, kept: float, number: str, n_threads: int,
) -> None:  # fmt: skip
    scoring = problem(seed, 45, n_items, K, number, spread)
    generator = np.random.default_rng(seed)
    queries = generator.integers(0, 45, n_queries).astype(np.int32)
    candidates = np.flatnonzero(generator.random(n_items) < kept).astype(np.int32)
    excluded = hide(seed, n_queries, n_items, share) if n_queries else None
    with pytest.MonkeyPatch.context() as patch:
        use(instruction_set, patch)
        patch.setattr(topn, "BLOCK_BYTES", 2000)
        got = best(scoring, queries, candidates, excluded, n=n, n_threads=n_threads, chunk=7)
        assert_same(got, sorted_out(scoring, queries, candidates, excluded, n))


def test_threads_and_chunks_change_no_bit(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scoring = problem(3, 300, 2000, 16, dtype)
    queries, candidates = np.arange(300, dtype=np.int32), np.arange(2000, dtype=np.int32)
    one = best(scoring, queries, candidates, None, n=20, n_threads=1)
    for n_threads, chunk, block in ((2, 1024, 1 << 15), (4, 33, 1 << 9), (3, 17, 1)):
        monkeypatch.setattr(topn, "BLOCK_BYTES", block)
        assert_same(
            best(scoring, queries, candidates, None, n=20, n_threads=n_threads, chunk=chunk), one
        )
    some = best(scoring, queries[40:60], candidates, None, n=20, n_threads=1)
    few = best(scoring, queries[45:50], candidates, None, n=20, n_threads=1)
    assert_same(some, (one[0][40:60], one[1][40:60]))
    assert_same(few, (one[0][45:50], one[1][45:50]))


def test_all_scores_equal_go_by_row(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More candidates within the rounding of each other than there is room for."""
    use(isa, monkeypatch)
    zeros = np.zeros((20, 3), np.float32), np.zeros((500, 3), np.float32)
    scoring = Scoring(*zeros, np.zeros(20, np.float32), np.zeros(500, np.float32), 1.5)
    excluded = Excluded(np.zeros(20, np.int64), np.full(20, 2), np.array([0, 2], np.int32))
    queries, candidates = np.arange(20, dtype=np.int32), np.arange(500, dtype=np.int32)
    rows, scores = best(scoring, queries, candidates, excluded, n=4, n_threads=1)
    assert (rows == [1, 3, 4, 5]).all()
    assert (scores == 1.5).all()


def test_scores_that_differ_by_rounding_alone(
    isa: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items that are permutations of each other: the product errs as much as their order says."""
    use(isa, monkeypatch)
    generator = np.random.default_rng(5)
    numbers = generator.standard_normal(40)
    items = np.array([generator.permutation(numbers) for _ in range(400)]).astype(dtype)
    queries = np.ones((32, 40), dtype) * np.logspace(-3, 3, 32, dtype=dtype)[:, None]
    zeros = np.zeros(32, dtype), np.zeros(400, dtype)
    scoring = Scoring(queries, items, *zeros, 100.0)
    every = np.arange(32, dtype=np.int32), np.arange(400, dtype=np.int32)
    assert_same(best(scoring, *every, None, n=5, n_threads=1), sorted_out(scoring, *every, None, 5))


@pytest.mark.parametrize("huge", [1e30, 3e38])
def test_scores_that_overflow_are_left_out(
    isa: str, huge: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(isa, monkeypatch)
    scoring = problem(6, 20, 300, 4, "float32")
    scoring.items[7], scoring.items[8], scoring.items[9, :2] = huge, -huge, [huge, -huge]
    every = np.arange(20, dtype=np.int32), np.arange(300, dtype=np.int32)
    with np.errstate(over="ignore", invalid="ignore"):
        got = best(scoring, *every, None, n=5, n_threads=1)
        assert_same(got, sorted_out(scoring, *every, None, 5))
    assert not np.isnan(got[1]).any()


def test_the_product_is_that_of_numpy(isa: str, dtype: str) -> None:
    kernel = kernels.kernel(isa, "topn")
    scoring = problem(8, 1, 100, 9, dtype)
    width = kernel.PANEL_BYTES // np.dtype(dtype).itemsize
    panels = aligned_zeros((-(-100 // width), 10, width), np.dtype(dtype))
    scale = np.linspace(1, 2, 100, dtype=dtype)
    every = np.arange(100, dtype=np.int32)
    kernel.pack(every, scoring.items, scale, scoring.item_bias, panels)
    by_place = panels.transpose(0, 2, 1).reshape(-1, 10)
    np.testing.assert_array_equal(by_place[:100, 0], scoring.item_bias)
    np.testing.assert_array_equal(by_place[:100, 1:], scoring.items * scale[:, None])
    assert (by_place[100:, 0] == -np.inf).all()
    assert not by_place[100:, 1:].any()
