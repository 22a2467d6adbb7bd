"""The kernel of alternating least squares agrees with the reference, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate import reference
from factorate._training.als_settings import AlsSettings
from factorate._training.eigenvectors import eigenvectors
from factorate._training.gram import gram
from factorate._training.improve_rows import improve_rows
from factorate._training.interaction_side import Side
from factorate._training.pad import pad
from factorate._training.solve_rows import solve_rows

# Relative to the largest factor. float32: an epsilon of 6e-8, times the condition of the equations.
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


def make_rows(
    seed: int, counts: list[int], n_others: int, K: int, dtype: str
) -> tuple[Any, Any, Any, Any]:
    """Return random starts, others and weights of rows, and factors of the others."""
    generator = np.random.default_rng(seed)
    starts = np.cumsum([0, *counts])
    others = generator.integers(0, n_others, starts[-1], np.int32)
    weights = generator.uniform(0.5, 2, starts[-1]).astype(dtype)
    factors = 0.3 * generator.standard_normal((n_others, K))
    return starts, others, weights, factors.astype(dtype)


def make_settings(K: int, dtype: str, **changes: Any) -> AlsSettings:
    values: dict[str, Any] = {
        "n_factors": K,
        "n_epochs": 1,
        "regularization": 0.1,
        "unobserved_weight": 0.2,
        "dtype": np.dtype(dtype),
    }
    return AlsSettings(**(values | changes))


@pytest.mark.usefixtures("isa")
class TestSolveRows:
    @given(
        seed=st.integers(0, 1000),
        counts=st.lists(st.integers(0, 200), min_size=1, max_size=5),
        n_others=st.integers(1, 60),
        K=st.integers(1, 70),
        exponent=st.sampled_from([0.0, 0.7, 1.0]),
        mean_weight=st.sampled_from([1.0, 20.0]),
        unobserved_weight=st.sampled_from([0.0, 0.3]),
    )
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_rows_equal_those_of_the_reference(
        self,
        dtype: str,
        seed: int,
        counts: list[int],
        n_others: int,
        K: int,
        exponent: float,
        mean_weight: float,
        unobserved_weight: float,
    ) -> None:
        starts, others, weights, Q = make_rows(seed, counts, n_others, K, dtype)
        objective: dict[str, Any] = {
            "regularization": 5.0,
            "unobserved_weight": unobserved_weight,
            "exponent": exponent,
            "mean_weight": mean_weight,
        }
        got = solve_rows(Q, starts, others, weights, make_settings(K, dtype, **objective))
        expected = reference.als_half_epoch(starts, others, weights, Q, **objective)
        assert got.dtype == dtype
        tolerance = TOLERANCE[dtype] * np.abs(expected).max(initial=0)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)

    def test_no_weights_are_weights_of_one(self, dtype: str) -> None:
        starts, others, weights, Q = make_rows(0, [3, 100, 7], 20, 24, dtype)
        settings = make_settings(24, dtype)
        np.testing.assert_array_equal(
            solve_rows(Q, starts, others, weights[:0], settings),
            solve_rows(Q, starts, others, np.ones_like(weights), settings),
        )

    def test_rows_without_interactions_are_zeros(self, dtype: str) -> None:
        starts, others, weights, Q = make_rows(0, [0, 5, 0], 20, 24, dtype)
        got = solve_rows(Q, starts, others, weights, make_settings(24, dtype))
        np.testing.assert_array_equal(got[[0, 2]], 0)
        assert got[1].any()

    def test_a_row_does_not_depend_on_the_others(self, dtype: str) -> None:
        starts, others, weights, Q = make_rows(0, [30, 90, 5], 20, 24, dtype)
        settings = make_settings(24, dtype)
        together = solve_rows(Q, starts, others, weights, settings)
        span = slice(starts[1], starts[2])
        alone = solve_rows(
            Q, np.array([0, 90]), others[span], weights[span], settings, gram(Q, n_threads=1)
        )
        np.testing.assert_array_equal(alone[0], together[1])

    def test_singular_equations_have_a_finite_solution(self, dtype: str) -> None:
        starts, others, weights, Q = make_rows(0, [3], 20, 24, dtype)
        settings = make_settings(24, dtype, regularization=0.0, unobserved_weight=0.0)
        p = solve_rows(Q, starts, others, weights, settings)[0]
        np.testing.assert_allclose(Q[others] @ p, 1, atol=1e-2)


@pytest.mark.usefixtures("isa")
@given(
    seed=st.integers(0, 1000),
    counts=st.lists(st.integers(0, 200), min_size=1, max_size=5),
    n_others=st.integers(1, 60),
    K=st.integers(1, 70),
    n_steps=st.integers(0, 3),
    weighted=st.booleans(),
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_improved_rows_equal_those_of_the_reference(
    dtype: str,
    seed: int,
    counts: list[int],
    n_others: int,
    K: int,
    n_steps: int,
    weighted: bool,
) -> None:
    starts, others, weights, Q = make_rows(seed, counts, n_others, K, dtype)
    if not weighted:
        weights = np.ones_like(weights)
    initial = (0.1 * np.random.default_rng(seed).standard_normal((len(counts), K))).astype(dtype)
    objective: dict[str, Any] = {
        "regularization": 5.0,
        "unobserved_weight": 0.3,
        "mean_weight": 2.0,
    }
    settings = make_settings(K, dtype, **objective, n_steps=n_steps)
    side = Side(starts=starts, others=others, weights=weights if weighted else weights[:0])
    got, others_got, loss = improve_rows(side, pad(initial, dtype), pad(Q, dtype), settings)
    expected = reference.als_half_epoch(
        starts, others, weights, Q, **objective, initial=initial, n_steps=n_steps
    )
    _, vectors = eigenvectors(gram(pad(Q, dtype), n_threads=1))
    tolerance = TOLERANCE[dtype] * max(np.abs(rows).max() for rows in (initial, expected))
    for rows, rows_got in ((expected, got), (Q, others_got)):
        found = rows_got @ vectors
        np.testing.assert_allclose(found, pad(rows, np.float64), rtol=0, atol=tolerance)
    users = np.repeat(np.arange(len(counts)), counts)
    whole = reference.als_objective(users, others, weights, expected, Q, **objective)
    of_others = reference.als_objective(
        users, others, weights, 0 * expected, Q, **objective
    ) - float(weights.astype(np.float64).sum())
    assert loss == pytest.approx(whole - of_others, rel=1e-4 if dtype == "float32" else 1e-9)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("n", [1, 63, 5000])
def test_gram_is_the_product_of_the_factors(dtype: str, n: int) -> None:
    Q = np.random.default_rng(0).standard_normal((n, 21)).astype(dtype)
    got = gram(Q, n_threads=2)
    np.testing.assert_allclose(got, Q.astype(np.float64).T @ Q, rtol=0, atol=TOLERANCE[dtype] * n)
    np.testing.assert_array_equal(got, got.T)
