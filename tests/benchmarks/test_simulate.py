"""The simulation of threads: times that can be computed by hand, and limits of all others."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._training.block_order import crossings


@pytest.fixture(scope="module")
def simulate() -> Any:
    """Import the benchmark, which is not part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])
        return importlib.import_module("benchmarks.simulate")


def square(n: int) -> list[tuple[int, int]]:
    return crossings(list(range(n)), list(range(n)))


def test_a_square_of_equal_blocks_is_divided_equally(simulate: Any) -> None:
    for n_threads, expected in ((1, 16), (2, 8), (4, 4), (9, 4)):
        assert simulate.list_schedule(square(4), np.ones((4, 4)), n_threads)[0] == expected


def test_one_thread_goes_through_each_row_band_twice_at_most(simulate: Any) -> None:
    assert simulate.list_schedule(square(4), np.ones((4, 4)), 1) == (16, 7)


def test_blocks_begin_one_at_a_time(simulate: Any) -> None:
    assert simulate.list_schedule(square(2), np.zeros((2, 2)), 2, task=1.0)[0] == 4
    assert simulate.list_schedule(square(2), np.ones((2, 2)), 2, task=0.25)[0] == 3


def test_a_block_waits_for_its_row_band_and_its_column_band(simulate: Any) -> None:
    blocks, seconds = [(0, 0), (1, 1), (0, 1)], np.array([[1.0, 2.0], [0.0, 5.0]])
    assert simulate.list_schedule(blocks, seconds, 2)[0] == 7
    assert simulate.list_schedule(blocks[::2], seconds, 2)[0] == 3


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_no_time_is_below_that_of_the_longest_band_or_of_equal_loads(
    simulate: Any, n_rows: int, n_columns: int, n_threads: int, seed: int
) -> None:
    seconds = np.random.default_rng(seed).random((n_rows, n_columns))
    blocks = crossings(list(range(n_rows)), list(range(n_columns)))
    shortest = max(seconds.sum() / n_threads, seconds.sum(axis=0).max(), seconds.sum(axis=1).max())
    got, n_changes = simulate.list_schedule(blocks, seconds, n_threads)
    assert shortest - 1e-9 <= got <= seconds.sum() + 1e-9
    assert n_rows <= n_changes <= len(blocks)


def test_blocks_hold_all_ratings_and_fewer_rows_than_there_are(simulate: Any) -> None:
    case = simulate.make_case(100_000, (5, 3), row_bytes=64)
    n_users, n_items = simulate.shape_of(100_000)
    assert case.counts.shape == (5, 3)
    assert case.counts.sum() == pytest.approx(100_000)
    np.testing.assert_allclose(case.counts.sum(axis=1), 20_000, rtol=0.05)
    moved = 2 * (64 + simulate.COLUMN_BYTES)
    assert 0 < case.row_bytes.sum() < moved * n_users
    assert 0 < case.column_bytes.sum() < moved * n_items
    assert case.n_rows == n_users + n_items


def test_two_threads_halve_the_time_unless_memory_or_the_interpreter_is_the_limit(
    simulate: Any,
) -> None:
    case = simulate.make_case(100_000, (8, 8), row_bytes=64)
    names = "call", "task", "plan", "copied_row", "row", "serial_row", "start"
    free = simulate.Costs(rating=np.array([1e-6]), **dict.fromkeys(names, 0.0))
    one = simulate.predict(case, free, 1, np.inf)
    assert one == pytest.approx(0.1)
    assert simulate.predict(case, free, 2, np.inf) == pytest.approx(0.05, rel=0.02)
    n_bytes = case.row_bytes.sum() * 8 + case.column_bytes.sum() * 8 + 100_000 * 5
    slow = simulate.predict(case, free, 2, n_bytes)  # a second in all
    assert slow == pytest.approx(1.0, rel=0.02)
