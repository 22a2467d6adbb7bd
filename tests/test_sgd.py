"""The kernel does what the specification says, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate import kernels, reference
from factorate.kernels import aligned_zeros
from factorate.solver import padded

# Relative to the largest number of the state. float32: an epsilon of 6e-8, grown by the visits.
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


def problem(seed: int, n: int, n_users: int, n_items: int, K: int, dtype: str) -> tuple[Any, Any]:
    """Return columns of ratings, and P, Q and biases padded as the kernel wants them."""
    generator = np.random.default_rng(seed)
    columns = [
        generator.integers(0, n_users, n, np.int32),
        generator.integers(0, n_items, n, np.int32),
        generator.standard_normal(n).astype(dtype),
    ]
    state = []
    for rows in (n_users, n_items):
        factors = aligned_zeros((rows, padded(K)), np.dtype(dtype))
        factors[:, :K] = 0.3 * generator.standard_normal((rows, K))
        state.append(factors)
    state += [0.1 * generator.standard_normal(rows).astype(dtype) for rows in (n_users, n_items)]
    return columns, state


def assert_close(got: Any, expected: Any, dtype: str) -> None:
    tolerance = TOLERANCE[dtype] * max(np.abs(array).max() for array in expected)
    for array, reference_array in zip(got, expected, strict=True):
        np.testing.assert_allclose(array, reference_array, rtol=0, atol=tolerance)


def pad(column: Any) -> Any:
    return np.concatenate([column, np.zeros(kernels.LOOKAHEAD, column.dtype)])


def train_both(
    isa: str, columns: Any, state: Any, n_epochs: int, rate: float, reg: float,
    fit_bias: bool,
) -> tuple[Any, list[float], Any, list[float]]:  # fmt: skip
    compiled: Any = [array.copy() for array in state]
    specified: Any = [array.astype(np.float64) for array in state]
    how: Any = rate, reg, fit_bias
    n = len(columns[0])
    errors, expected_errors = [], []
    for _ in range(n_epochs):
        errors.append(kernels.kernel(isa).train(*map(pad, columns), 0, n, *compiled, *how))
        expected_errors.append(reference.train_epoch(*columns, *specified, *how))
    return compiled, errors, specified, expected_errors


@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("K", [1, 3, 16, 17, 64])
def test_ten_epochs_agree_with_the_reference_factor_by_factor(
    isa: str, dtype: str, K: int, fit_bias: bool
) -> None:
    columns, state = problem(0, 400, 23, 31, K, dtype)
    got, errors, expected, expected_errors = train_both(
        isa, columns, state, 10, 0.02, 0.05, fit_bias
    )
    assert_close(got, expected, dtype)
    np.testing.assert_allclose(errors, expected_errors, rtol=TOLERANCE[dtype])


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 60),
    n_users=st.integers(1, 9),
    n_items=st.integers(1, 9),
    K=st.integers(1, 40),
    rate=st.floats(1e-4, 0.1),
    reg=st.floats(0, 1),
    fit_bias=st.booleans(),
)
@pytest.mark.parametrize("kernel_dtype", ["float32", "float64"])
@pytest.mark.parametrize("instruction_set", kernels.available())
def test_any_shape_agrees_with_the_reference(
    instruction_set: str, kernel_dtype: str, seed: int, n: int, n_users: int, n_items: int, K: int,
    rate: float, reg: float, fit_bias: bool,
) -> None:  # fmt: skip
    columns, state = problem(seed, n, n_users, n_items, K, kernel_dtype)
    got, _, expected, _ = train_both(instruction_set, columns, state, 3, rate, reg, fit_bias)
    assert_close(got, expected, kernel_dtype)


def test_a_part_of_the_ratings_is_visited_and_no_more(isa: str, dtype: str) -> None:
    columns, state = problem(1, 50, 8, 8, 5, dtype)
    part = [column[10:30] for column in columns]
    whole, sliced = [array.copy() for array in state], [array.copy() for array in state]
    train = kernels.kernel(isa).train
    a = train(*map(pad, columns), 10, 30, *whole, 0.01, 0.02, True)
    b = train(*map(pad, part), 0, 20, *sliced, 0.01, 0.02, True)
    assert a == b
    for left, right in zip(whole, sliced, strict=True):
        np.testing.assert_array_equal(left, right)


def test_padding_stays_zero(isa: str, dtype: str) -> None:
    columns, state = problem(2, 300, 8, 8, 5, dtype)
    kernels.kernel(isa).train(*map(pad, columns), 0, 300, *state, 0.05, 0.02, True)
    assert not state[0][:, 5:].any()
    assert not state[1][:, 5:].any()


def test_nan_is_not_lost(isa: str, dtype: str) -> None:
    columns, state = problem(3, 20, 4, 4, 4, dtype)
    columns[2][7] = np.nan
    assert np.isnan(kernels.kernel(isa).train(*map(pad, columns), 0, 20, *state, 0.01, 0.0, True))


@pytest.mark.parametrize("K", [1, 3, 16, 33])
def test_predictions_agree_with_the_reference(isa: str, dtype: str, K: int) -> None:
    columns, state = problem(4, 200, 23, 31, K, dtype)
    P, Q = (np.ascontiguousarray(rows[:, :K]) for rows in state[:2])
    out = np.empty(200, dtype)
    kernels.kernel(isa).predict(*columns[:2], P, Q, *state[2:], 3.5, out)
    arguments: Any = (*columns[:2], P, Q, *state[2:], 3.5)
    expected = reference.predict(*arguments)
    np.testing.assert_allclose(out, expected, rtol=TOLERANCE[dtype])


def test_the_specification_itself_on_one_visit_by_hand() -> None:
    P, Q = np.array([[1.0, 2.0]]), np.array([[0.5, -1.0]])
    user_bias, item_bias = np.array([0.25]), np.array([0.5])
    zero = np.array([0])
    squared = reference.train_epoch(
        zero, zero, np.array([1.0]), P, Q, user_bias, item_bias, 0.1, 0.2
    )
    e = 1.0 - (0.25 + 0.5 + 1 * 0.5 - 2 * 1.0)
    assert squared == e**2
    np.testing.assert_allclose(P, [[1 + 0.1 * (e * 0.5 - 0.2), 2 + 0.1 * (-e - 0.4)]])
    np.testing.assert_allclose(Q, [[0.5 + 0.1 * (e - 0.1), -1 + 0.1 * (2 * e + 0.2)]])
    np.testing.assert_allclose(user_bias, [0.25 + 0.1 * (e - 0.05)])
    np.testing.assert_allclose(item_bias, [0.5 + 0.1 * (e - 0.1)])
