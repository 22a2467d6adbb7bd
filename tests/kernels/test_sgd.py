"""The kernel does what the specification says, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate import reference
from factorate._kernels import dispatch as kernels
from factorate._training import losses
from factorate._training.schedule import padded
from factorate._utils.aligned import aligned_zeros

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


def step_table(rates: Any, l2: Any, l1: Any, dtype: str) -> Any:
    columns = [np.broadcast_to(np.asarray(each, float), 4) for each in (rates, l2, l1)]
    return np.stack(columns, axis=1).astype(dtype)


def train_both(
    isa: str, columns: Any, state: Any, n_epochs: int, rates: Any, l2: Any, fit_bias: bool
) -> tuple[Any, list[float], Any, list[float]]:
    compiled: Any = [array.copy() for array in state]
    specified: Any = [array.astype(np.float64) for array in state]
    how: Any = rates, l2, fit_bias
    steps = step_table(rates, l2, 0, state[0].dtype.name)
    n = len(columns[0])
    errors, expected_errors = [], []
    for _ in range(n_epochs):
        errors.append(
            kernels.kernel(isa).train(*map(pad, columns), 0, n, *compiled, steps, fit_bias)
        )
        expected_errors.append(reference.train_epoch(*columns, *specified, *how))
    return compiled, errors, specified, expected_errors


EACH_ITS_OWN = (0.02, 0.03, 0.01, 0.005), (0.05, 0.02, 0.01, 0.1)


@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("K", [1, 3, 16, 17, 64])
def test_ten_epochs_agree_with_the_reference_factor_by_factor(
    isa: str, dtype: str, K: int, fit_bias: bool
) -> None:
    columns, state = problem(0, 400, 23, 31, K, dtype)
    got, errors, expected, expected_errors = train_both(
        isa, columns, state, 10, *EACH_ITS_OWN, fit_bias
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


# Every other rule


def train_generally_both(
    isa: str, columns: Any, state: Any, n_epochs: int, rates: Any, l2: Any, l1: Any, rule: Any,
    weights: Any, fit_bias: bool,
) -> tuple[Any, Any]:  # fmt: skip
    dtype = state[0].dtype.name
    K = state[0].shape[1]
    sums = [np.tile([float(K), 1.0], (len(rows), 1)) for rows in state[:2]]
    compiled: Any = [array.copy() for array in (*state, *(each.astype(dtype) for each in sums))]
    specified: Any = [array.astype(np.float64) for array in (*state, *sums)]
    steps = step_table(rates, l2, l1, dtype)
    n = len(columns[0])
    for _ in range(n_epochs):
        squared = kernels.kernel(isa).train_generally(
            *map(pad, columns), np.empty(0, dtype) if weights is None else weights, 0, n,
            *compiled, steps, rule.code, rule.loss_parameter, rule.minimum,
            rule.nonnegative or bool(np.any(l1)), rule.adagrad, fit_bias,
        )  # fmt: skip
        arguments: Any = *columns, *specified[:4], rates, l2, fit_bias
        expected = reference.train_epoch(
            *arguments, l1=l1, weights=weights, loss=rule.loss,
            width=rule.loss_parameter, nonnegative=rule.nonnegative,
            accumulators=tuple(specified[4:]) if rule.adagrad else None,
        )  # fmt: skip
        assert squared == pytest.approx(expected, rel=TOLERANCE[dtype] * 10)
    used = slice(None) if rule.adagrad else slice(4)
    return compiled[used], specified[used]


def of_two_values(columns: Any) -> Any:
    return [*columns[:2], np.where(columns[2] > 0, 1, -1).astype(columns[2].dtype)]


def suited(columns: Any, state: Any, rule: Any) -> Any:
    """Return ratings and state that the loss is meant for, away from its kinks."""
    if rule.loss in losses.TWO_VALUED:
        columns = of_two_values(columns)
    if rule.nonnegative:
        columns = [*columns[:2], np.abs(columns[2]) + columns[2].dtype.type(0.5)]
        state = [np.abs(array) for array in state]
    return columns, state


RULES = {
    **{loss: losses.UpdateRule(loss) for loss in losses.NAMES[:-1]},
    "kullback_leibler": losses.UpdateRule("kullback_leibler", nonnegative=True),
    "nonnegative": losses.UpdateRule(nonnegative=True),
    "adagrad": losses.UpdateRule(adagrad=True),
    "adagrad, huber": losses.UpdateRule("huber", 0.7, adagrad=True),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l1", [0.0, (0.02, 0.03, 0.01, 0.04)])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_ten_epochs_of_every_rule_agree_with_the_reference(
    isa: str, dtype: str, rule: Any, l1: Any, weighted: bool
) -> None:
    columns, state = suited(*problem(5, 120, 11, 13, 7, dtype), rule)
    weights = np.random.default_rng(6).uniform(0, 2, 120).astype(dtype) if weighted else None
    got, expected = train_generally_both(
        isa, columns, state, 10, *EACH_ITS_OWN, l1, rule, weights, True
    )
    assert_close(got, expected, dtype)


def test_the_general_kernel_without_anything_general_is_the_plain_one(isa: str) -> None:
    columns, state = problem(7, 300, 17, 19, 20, "float64")
    plain, *_ = train_both(isa, columns, state, 5, *EACH_ITS_OWN, True)
    general, _ = train_generally_both(
        isa, columns, state, 5, *EACH_ITS_OWN, 0.0, losses.UpdateRule(), None, True
    )
    assert_close(general, plain, "float64")


def test_l1_makes_zeros_and_nonnegative_keeps_the_sign(isa: str, dtype: str) -> None:
    columns, state = problem(8, 400, 11, 13, 8, dtype)
    got, _ = train_generally_both(
        isa, columns, state, 20, 0.05, 0.0, 0.5, losses.UpdateRule(), None, True
    )
    assert (got[0] == 0).mean() > 0.3
    columns, state = suited(columns, state, RULES["nonnegative"])
    got, _ = train_generally_both(
        isa, columns, state, 20, 0.05, 0.0, 0.0, RULES["nonnegative"], None, True
    )
    assert all((array >= 0).all() for array in got)


def test_a_weight_of_two_is_the_rating_twice_to_first_order(isa: str) -> None:
    columns, state = problem(9, 1, 1, 1, 4, "float64")
    twice = [np.repeat(column, 2) for column in columns]
    rate = 1e-6
    weighted, _ = train_generally_both(
        isa, columns, state, 1, rate, 0.1, 0.0, losses.UpdateRule(), np.array([2.0]), True
    )
    repeated, *_ = train_both(isa, twice, state, 1, rate, 0.1, True)
    for a, b in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=10 * rate**2)


@pytest.mark.parametrize("loss", losses.NAMES)
@given(rating=st.floats(0.1, 5), predicted=st.floats(0.1, 5), sign=st.sampled_from([-1.0, 1.0]))
def test_descent_is_minus_the_slope_of_the_mean_loss(
    loss: str, rating: float, predicted: float, sign: float
) -> None:
    rule = losses.UpdateRule(loss)
    if loss in losses.TWO_VALUED:
        rating = sign
    h = 1e-6

    def at(x: float) -> float:
        return losses.mean_loss(rule, np.array([rating]), np.array([x]))

    slopes = (at(predicted) - at(predicted - h)) / h, (at(predicted + h) - at(predicted)) / h
    descent = reference.descent(loss, rating, predicted, rule.loss_parameter)
    # At a kink, any slope between those of both sides will do.
    assert min(slopes) - 1e-4 <= -descent <= max(slopes) + 1e-4


def test_a_part_of_the_ratings_is_visited_and_no_more(isa: str, dtype: str) -> None:
    columns, state = problem(1, 50, 8, 8, 5, dtype)
    part = [column[10:30] for column in columns]
    whole, sliced = [array.copy() for array in state], [array.copy() for array in state]
    train = kernels.kernel(isa).train
    steps = step_table(0.01, 0.02, 0, dtype)
    a = train(*map(pad, columns), 10, 30, *whole, steps, True)
    b = train(*map(pad, part), 0, 20, *sliced, steps, True)
    assert a == b
    for left, right in zip(whole, sliced, strict=True):
        np.testing.assert_array_equal(left, right)


def test_padding_stays_zero(isa: str, dtype: str) -> None:
    columns, state = problem(2, 300, 8, 8, 5, dtype)
    steps = step_table(0.05, 0.02, 0, dtype)
    kernels.kernel(isa).train(*map(pad, columns), 0, 300, *state, steps, True)
    assert not state[0][:, 5:].any()
    assert not state[1][:, 5:].any()


def test_nan_is_not_lost(isa: str, dtype: str) -> None:
    columns, state = problem(3, 20, 4, 4, 4, dtype)
    columns[2][7] = np.nan
    steps = step_table(0.01, 0, 0, dtype)
    assert np.isnan(kernels.kernel(isa).train(*map(pad, columns), 0, 20, *state, steps, True))


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
