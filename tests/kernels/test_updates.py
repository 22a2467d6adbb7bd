"""The kernels of updates and predictions agree with the reference, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate import reference
from factorate._kernels import dispatch
from factorate._kernels.plain import LOOKAHEAD
from factorate._training import losses
from factorate._training.schedule import padded
from factorate._utils.aligned import aligned_zeros

# Relative to the largest number of the state. float32: an epsilon of 6e-8, grown by the updates.
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


def problem(seed: int, n: int, n_users: int, n_items: int, K: int, dtype: str) -> tuple[Any, Any]:
    """Return columns of ratings, and P, Q and biases padded for the kernels."""
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
    return np.concatenate([column, np.zeros(LOOKAHEAD, column.dtype)])


def kernel_rule(rates: Any, l2: Any, l1: Any, rule: Any, fit_bias: bool) -> dict[str, Any]:
    rate, l2, l1 = (
        np.broadcast_to(np.asarray(each, float), 4).tolist() for each in (rates, l2, l1)
    )
    return {
        "rate": rate,
        "l2": l2,
        "l1": l1,
        "loss": rule.loss_number,
        "loss_parameter": rule.loss_parameter,
        "minimum": rule.minimum,
        "proximal": rule.nonnegative or any(l1),
        "adagrad": rule.adagrad,
        "fit_bias": fit_bias,
    }


def plain_rule(rates: Any, l2: Any, fit_bias: bool = True) -> dict[str, Any]:
    return kernel_rule(rates, l2, 0, losses.UpdateRule(), fit_bias)


def train_plain(columns: Any, state: Any, rule: dict[str, Any]) -> float:
    users, items, ratings = columns
    arguments: Any = pad(users), pad(items), ratings, *state, rule
    return float(dispatch.plain.train(*arguments))


def train_both(
    columns: Any, state: Any, n_epochs: int, rates: Any, l2: Any, fit_bias: bool
) -> tuple[Any, list[float], Any, list[float]]:
    """Train copies of a state by the kernel and by the reference."""
    compiled: Any = [array.copy() for array in state]
    specified: Any = [array.astype(np.float64) for array in state]
    rule = plain_rule(rates, l2, fit_bias)
    errors, expected_errors = [], []
    for _ in range(n_epochs):
        errors.append(train_plain(columns, compiled, rule))
        arguments: Any = *columns, *specified, rates, l2, fit_bias
        expected_errors.append(reference.train_epoch(*arguments))
    return compiled, errors, specified, expected_errors


RATES_AND_L2 = (0.02, 0.03, 0.01, 0.005), (0.05, 0.02, 0.01, 0.1)


@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("K", [1, 3, 16, 17, 64])
@pytest.mark.usefixtures("isa")
def test_ten_epochs_agree_with_the_reference_factor_by_factor(
    dtype: str, K: int, fit_bias: bool
) -> None:
    columns, state = problem(0, 400, 23, 31, K, dtype)
    got, errors, expected, expected_errors = train_both(columns, state, 10, *RATES_AND_L2, fit_bias)
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
@pytest.mark.usefixtures("isa")
def test_any_shape_agrees_with_the_reference(
    kernel_dtype: str, seed: int, n: int, n_users: int, n_items: int, K: int,
    rate: float, reg: float, fit_bias: bool,
) -> None:  # fmt: skip
    columns, state = problem(seed, n, n_users, n_items, K, kernel_dtype)
    got, _, expected, _ = train_both(columns, state, 3, rate, reg, fit_bias)
    assert_close(got, expected, kernel_dtype)


# The general kernel


def train_general_both(
    columns: Any, state: Any, n_epochs: int, rates: Any, l2: Any, l1: Any, rule: Any,
    weights: Any, fit_bias: bool,
) -> tuple[Any, Any]:  # fmt: skip
    dtype = state[0].dtype.name
    K = state[0].shape[1]
    sums = [np.tile([float(K), 1.0], (len(rows), 1)) for rows in state[:2]]
    compiled: Any = [array.copy() for array in (*state, *(each.astype(dtype) for each in sums))]
    specified: Any = [array.astype(np.float64) for array in (*state, *sums)]
    how = kernel_rule(rates, l2, l1, rule, fit_bias)
    for _ in range(n_epochs):
        given: Any = *columns, np.empty(0, dtype) if weights is None else weights, *compiled, how
        squared = dispatch.general.train(*given)
        arguments: Any = *columns, *specified[:4], rates, l2, fit_bias
        expected = reference.train_epoch(
            *arguments, l1=l1, weights=weights, loss=rule.loss,
            loss_parameter=rule.loss_parameter, nonnegative=rule.nonnegative,
            accumulators=tuple(specified[4:]) if rule.adagrad else None,
        )  # fmt: skip
        assert squared == pytest.approx(expected, rel=TOLERANCE[dtype] * 10)
    used = slice(None) if rule.adagrad else slice(4)
    return compiled[used], specified[used]


def of_two_values(columns: Any) -> Any:
    return [*columns[:2], np.where(columns[2] > 0, 1, -1).astype(columns[2].dtype)]


def suitable(columns: Any, state: Any, rule: Any) -> Any:
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
@pytest.mark.usefixtures("isa")
def test_ten_epochs_of_every_rule_agree_with_the_reference(
    dtype: str, rule: Any, l1: Any, weighted: bool
) -> None:
    columns, state = suitable(*problem(5, 120, 11, 13, 7, dtype), rule)
    weights = np.random.default_rng(6).uniform(0, 2, 120).astype(dtype) if weighted else None
    got, expected = train_general_both(columns, state, 10, *RATES_AND_L2, l1, rule, weights, True)
    assert_close(got, expected, dtype)


@pytest.mark.usefixtures("isa")
def test_the_general_kernel_agrees_with_the_plain_one_on_the_plain_rule() -> None:
    columns, state = problem(7, 300, 17, 19, 20, "float64")
    plain, *_ = train_both(columns, state, 5, *RATES_AND_L2, True)
    general, _ = train_general_both(
        columns, state, 5, *RATES_AND_L2, 0.0, losses.UpdateRule(), None, True
    )
    assert_close(general, plain, "float64")


@pytest.mark.usefixtures("isa")
def test_l1_makes_zeros_and_nonnegative_keeps_the_sign(dtype: str) -> None:
    columns, state = problem(8, 400, 11, 13, 8, dtype)
    got, _ = train_general_both(columns, state, 20, 0.05, 0.0, 0.5, losses.UpdateRule(), None, True)
    assert (got[0] == 0).mean() > 0.3
    columns, state = suitable(columns, state, RULES["nonnegative"])
    got, _ = train_general_both(
        columns, state, 20, 0.05, 0.0, 0.0, RULES["nonnegative"], None, True
    )
    assert all((array >= 0).all() for array in got)


@pytest.mark.usefixtures("isa")
def test_a_weight_of_two_is_the_rating_twice_to_first_order() -> None:
    columns, state = problem(9, 1, 1, 1, 4, "float64")
    twice = [np.repeat(column, 2) for column in columns]
    rate = 1e-6
    weighted, _ = train_general_both(
        columns, state, 1, rate, 0.1, 0.0, losses.UpdateRule(), np.array([2.0]), True
    )
    repeated, *_ = train_both(twice, state, 1, rate, 0.1, True)
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
    descent = reference.negative_gradient(loss, rating, predicted, rule.loss_parameter)
    # At a kink, any slope between those of both sides will do.
    assert min(slopes) - 1e-4 <= -descent <= max(slopes) + 1e-4


@pytest.mark.usefixtures("isa")
def test_ratings_beyond_the_last_are_not_used(dtype: str) -> None:
    columns, state = problem(1, 50 + LOOKAHEAD, 8, 8, 5, dtype)
    users, items, ratings = columns
    part = [column[:50] for column in columns]
    followed, padded_state = [array.copy() for array in state], [array.copy() for array in state]
    rule = plain_rule(0.01, 0.02)
    arguments: Any = users, items, ratings[:50], *followed, rule
    a = dispatch.plain.train(*arguments)
    b = train_plain(part, padded_state, rule)
    assert a == b
    for left, right in zip(followed, padded_state, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.usefixtures("isa")
def test_padding_stays_zero(dtype: str) -> None:
    columns, state = problem(2, 300, 8, 8, 5, dtype)
    train_plain(columns, state, plain_rule(0.05, 0.02))
    assert not state[0][:, 5:].any()
    assert not state[1][:, 5:].any()


@pytest.mark.usefixtures("isa")
def test_nan_shows_in_the_sum_of_errors(dtype: str) -> None:
    columns, state = problem(3, 20, 4, 4, 4, dtype)
    columns[2][7] = np.nan
    assert np.isnan(train_plain(columns, state, plain_rule(0.01, 0)))


@pytest.mark.parametrize("K", [1, 3, 16, 33])
@pytest.mark.usefixtures("isa")
def test_predictions_agree_with_the_reference(dtype: str, K: int) -> None:
    columns, state = problem(4, 200, 23, 31, K, dtype)
    P, Q = (np.ascontiguousarray(rows[:, :K]) for rows in state[:2])
    out = np.empty(200, dtype)
    arguments: Any = (*columns[:2], P, Q, *state[2:], 3.5)
    expected = reference.predict(*arguments)
    given: Any = *arguments, out
    dispatch.predict.predict(*given)
    np.testing.assert_allclose(out, expected, rtol=TOLERANCE[dtype])


def test_the_reference_agrees_with_one_update_by_hand() -> None:
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
