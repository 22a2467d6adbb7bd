"""The kernels of updates and predictions agree with the reference, on every instruction set."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import pack

from factorate import reference
from factorate._kernels import dispatch
from factorate._training import losses
from factorate._training.row_constants import plain_columns
from factorate._training.schedule import padded
from factorate._training.update_rule import LOSSES, UpdateRule
from factorate._utils.aligned import aligned_zeros

if TYPE_CHECKING:
    from factorate._training.packed_ratings import PackedRatings

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
    tolerance = TOLERANCE[dtype] * max(np.abs(array).max(initial=0) for array in expected)
    for array, reference_array in zip(got, expected, strict=True):
        np.testing.assert_allclose(array, reference_array, rtol=0, atol=tolerance)


PLAIN = UpdateRule()


@dataclass(frozen=True, kw_only=True)
class Training:
    """The arguments of an epoch besides ratings and parameters."""

    rates: Any
    l2: Any
    l1: Any = 0.0
    rule: UpdateRule = PLAIN
    weights: Any = None

    def constants(self, state: Any) -> tuple[Any, Any]:
        """Return the learning rates and penalties of each row, as the kernels take them."""
        rates, l2 = self.rates, self.l2
        users, items = (np.empty((len(rows), 4), rows.dtype) for rows in (state[0], state[1]))
        for side, array in enumerate((users, items)):
            for column, each in enumerate((rates, l2, rates, l2)):
                kind = side + 2 * (column // 2)
                array[:, column] = each if isinstance(each, float) else each[kind]
        return users, items

    def bias_ratios(self) -> list[float]:
        """Return the learning rate of biases divided by that of factors, of users and of items."""
        if isinstance(self.rates, float):
            return [1.0, 1.0]
        first = [float(np.ravel(rate)[0]) for rate in self.rates]
        return [first[2] / first[0], first[3] / first[1]]

    def for_kernel(self) -> dict[str, Any]:
        l1 = np.broadcast_to(np.asarray(self.l1, float), 4).tolist()
        return {
            "l1": l1,
            "loss": self.rule.loss_number,
            "loss_parameter": self.rule.loss_parameter,
            "minimum": self.rule.minimum,
            "proximal": self.rule.nonnegative or any(l1),
            "adagrad": self.rule.adagrad,
            "fit_bias": self.rule.fit_bias,
        }


def train_plain(columns: Any, state: Any, training: Training, **packing: Any) -> float:
    packed = pack(*columns, **packing)
    return train_tiles(packed, (0, len(packed.tile_starts) - 1), state, training)


def train_tiles(
    packed: PackedRatings, tiles: tuple[int, int], state: Any, training: Training
) -> float:
    P, Q, *biases = state
    columns = [
        plain_columns(constants, bias)
        for constants, bias in zip(training.constants(state), biases, strict=True)
    ]
    ratios = training.bias_ratios()
    if not training.rule.fit_bias:
        ratios = [0.0, 0.0]
        for column in columns:
            column[:, 0] = 0
    arguments: Any = P, Q, *columns, *ratios
    squared = dispatch.plain.train(packed, *tiles, *arguments)
    if not training.rule.fit_bias:
        return float(squared)
    for bias, column in zip(biases, columns, strict=True):
        bias[:] = column[:, 0]
    return float(squared)


def train_both(
    columns: Any, state: Any, training: Training, n_epochs: int, **packing: Any
) -> tuple[Any, list[float], Any, list[float]]:
    """Train copies of a state by the plain kernel and by the reference."""
    compiled: Any = [array.copy() for array in state]
    errors = [train_plain(columns, compiled, training, **packing) for _ in range(n_epochs)]
    specified, expected_errors = train_by_reference(
        columns, state, Training(rates=training.rates, l2=training.l2, rule=training.rule), n_epochs
    )
    return compiled, errors, specified, expected_errors


RESULTS: dict[bytes, Any] = {}  # of the reference, which are the same for all instruction sets


def train_by_reference(
    columns: Any, state: Any, training: Training, n_epochs: int
) -> tuple[Any, list[float]]:
    """Return the state after training by the reference, and the sum of errors of each epoch."""
    key = pickle.dumps((columns, state, training, n_epochs))
    if key not in RESULTS:
        rule = training.rule
        specified: Any = [array.astype(np.float64) for array in state]
        arguments: Any = *columns, *specified[:4]
        errors = [
            reference.train_epoch(
                *arguments,
                rates=training.rates,
                l2=training.l2,
                fit_bias=rule.fit_bias,
                l1=training.l1,
                weights=training.weights,
                loss=rule.loss,
                loss_parameter=rule.loss_parameter,
                nonnegative=rule.nonnegative,
                accumulators=tuple(specified[4:]) if rule.adagrad else None,
            )
            for _ in range(n_epochs)
        ]
        RESULTS[key] = specified, errors
    specified, errors = RESULTS[key]
    return specified, errors


RATES_AND_L2: Any = {"rates": (0.02, 0.03, 0.01, 0.005), "l2": (0.05, 0.02, 0.01, 0.1)}


def rates_of_rows(seed: int, n_users: int, n_items: int) -> dict[str, Any]:
    """Return a learning rate and a penalty for each row of each kind."""
    generator = np.random.default_rng(seed)
    rates = [generator.uniform(0.001, 0.05, size) for size in (n_users, n_items)]
    l2 = [generator.uniform(0, 0.5, size) for size in (n_users, n_items) * 2]
    return {"rates": [*rates, 0.5 * rates[0], 0.4 * rates[1]], "l2": l2}


@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("K", [0, 1, 3, 16, 17, 64])
@pytest.mark.usefixtures("isa")
def test_ten_epochs_agree_with_the_reference_factor_by_factor(
    dtype: str, K: int, fit_bias: bool
) -> None:
    columns, state = problem(0, 400, 23, 31, K, dtype)
    training = Training(**RATES_AND_L2, rule=UpdateRule(fit_bias=fit_bias))
    got, errors, expected, expected_errors = train_both(columns, state, training, 10)
    assert_close(got, expected, dtype)
    np.testing.assert_allclose(errors, expected_errors, rtol=TOLERANCE[dtype])


@pytest.mark.usefixtures("isa")
def test_every_row_has_its_own_rates_and_penalties(dtype: str) -> None:
    columns, state = problem(10, 300, 23, 31, 16, dtype)
    training = Training(**rates_of_rows(11, 23, 31))
    got, _, expected, _ = train_both(columns, state, training, 5)
    assert_close(got, expected, dtype)
    got, expected = train_general_both(columns, state, training, 5)
    assert_close(got, expected, dtype)


PACKINGS: dict[str, Any] = {
    "tiles": {"cuts": (1, 1, 40, 250, 260)},
    "codes of 8 bits": {"coded": True, "n_levels": 5, "cuts": (33, 90)},
    "codes of 16 bits": {"coded": True, "n_levels": 300, "cuts": (33, 90)},
}


@pytest.mark.parametrize("packing", PACKINGS.values(), ids=PACKINGS)
@pytest.mark.usefixtures("isa")
def test_ratings_are_the_same_in_tiles_and_as_codes(dtype: str, packing: Any) -> None:
    columns, state = problem(12, 600, 23, 31, 20, dtype)
    n_levels = packing.get("n_levels", 0)
    if n_levels:
        levels = np.random.default_rng(0).standard_normal(n_levels).astype(dtype)
        columns[2] = np.resize(levels, 600)
    given = {name: each for name, each in packing.items() if name != "n_levels"}
    packed: PackedRatings = pack(*columns, **given)
    assert (len(packed.codes8) > 0, len(packed.codes16) > 0) == (n_levels == 5, n_levels == 300)
    training = Training(**rates_of_rows(13, 23, 31))
    for train in (train_both, train_general_both):
        expected, got = (train(columns, state, training, 2, **each)[0] for each in ({}, given))
        for left, right in zip(expected, got, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.usefixtures("isa")
def test_values_are_standardized(dtype: str) -> None:
    columns, state = problem(14, 200, 23, 31, 20, dtype)
    given = [*columns[:2], 0.5 * columns[2] + 3]
    standardized = [*columns[:2], ((given[2].astype(float) - 3) / 0.5).astype(dtype)]
    training = Training(**RATES_AND_L2)
    expected, got = ([array.copy() for array in state] for _ in range(2))
    train_plain(standardized, expected, training)
    train_tiles(replace(pack(*given), centre=3.0, scale=0.5), (0, 1), got, training)
    for left, right in zip(expected, got, strict=True):
        np.testing.assert_array_equal(left, right)


@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(0, 60), st.integers(1, 9), st.integers(1, 9), st.integers(0, 40)),
    rate=st.floats(1e-4, 0.1),
    l2=st.floats(0, 1),
    fit_bias=st.booleans(),
)
@pytest.mark.parametrize("kernel_dtype", ["float32", "float64"])
@pytest.mark.usefixtures("isa")
def test_any_shape_agrees_with_the_reference(
    kernel_dtype: str, seed: int, sizes: Any, rate: float, l2: float, fit_bias: bool
) -> None:
    n, n_users, n_items, K = sizes
    columns, state = problem(seed, n, n_users, n_items, K, kernel_dtype)
    training = Training(rates=rate, l2=l2, rule=UpdateRule(fit_bias=fit_bias))
    got, _, expected, _ = train_both(columns, state, training, 3)
    assert_close(got, expected, kernel_dtype)


# The general kernel


def train_general_both(
    columns: Any, state: Any, training: Training, n_epochs: int, **packing: Any
) -> tuple[Any, Any]:
    """Train copies of a state by the general kernel and by the reference."""
    dtype, n_factors = state[0].dtype.name, state[0].shape[1]
    rule, weights = training.rule, training.weights
    accumulators = [np.tile([float(n_factors), 1.0], (len(rows), 1)) for rows in state[:2]]
    compiled: Any = [array.astype(dtype) for array in (*state, *accumulators)]
    users, items, ratings = columns
    packed = pack(users, items, ratings, weights, **packing)
    tiles = 0, len(packed.tile_starts) - 1
    errors = []
    for _ in range(n_epochs):
        constants = training.constants(compiled)
        arrays = *compiled[:4], *constants, *compiled[4:]
        given: Any = packed, *tiles, *arrays, training.for_kernel()
        errors.append(dispatch.general.train(*given))
    specified, expected = train_by_reference(columns, [*state, *accumulators], training, n_epochs)
    assert errors == pytest.approx(expected, rel=TOLERANCE[dtype] * 10)
    used = slice(None) if rule.adagrad else slice(4)
    return compiled[used], specified[used]


def with_two_values(columns: Any) -> Any:
    return [*columns[:2], np.where(columns[2] > 0, 1, -1).astype(columns[2].dtype)]


def suitable(columns: Any, state: Any, rule: Any) -> Any:
    """Return ratings and a state for which the rule is defined."""
    if rule.loss in losses.TWO_VALUED:
        columns = with_two_values(columns)
    if rule.nonnegative:
        columns = [*columns[:2], np.abs(columns[2]) + columns[2].dtype.type(0.5)]
        state = [np.abs(array) for array in state]
    return columns, state


RULES = {
    **{loss: UpdateRule(loss) for loss in LOSSES[:-1]},
    "kullback_leibler": UpdateRule("kullback_leibler", nonnegative=True),
    "nonnegative": UpdateRule(nonnegative=True),
    "adagrad": UpdateRule(adagrad=True),
    "adagrad, huber": UpdateRule("huber", 0.7, adagrad=True),
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
    training = Training(**RATES_AND_L2, l1=l1, rule=rule, weights=weights)
    got, expected = train_general_both(columns, state, training, 10)
    assert_close(got, expected, dtype)


@pytest.mark.usefixtures("isa")
def test_the_general_kernel_agrees_with_the_plain_one_on_the_plain_rule() -> None:
    columns, state = problem(7, 300, 17, 19, 20, "float64")
    training = Training(**RATES_AND_L2)
    plain, *_ = train_both(columns, state, training, 5)
    general, _ = train_general_both(columns, state, training, 5)
    assert_close(general, plain, "float64")


@pytest.mark.usefixtures("isa")
def test_l1_makes_factors_zero_and_nonnegative_factors_stay_nonnegative(dtype: str) -> None:
    columns, state = problem(8, 400, 11, 13, 8, dtype)
    got, _ = train_general_both(columns, state, Training(rates=0.05, l2=0.0, l1=0.5), 20)
    assert (got[0] == 0).mean() > 0.3
    columns, state = suitable(columns, state, RULES["nonnegative"])
    training = Training(rates=0.05, l2=0.0, rule=RULES["nonnegative"])
    got, _ = train_general_both(columns, state, training, 20)
    assert all((array >= 0).all() for array in got)


@pytest.mark.usefixtures("isa")
def test_a_weight_of_two_equals_two_updates_to_first_order() -> None:
    columns, state = problem(9, 1, 1, 1, 4, "float64")
    twice = [np.repeat(column, 2) for column in columns]
    rate = 1e-6
    training = Training(rates=rate, l2=0.1, weights=np.array([2.0]))
    weighted, _ = train_general_both(columns, state, training, 1)
    repeated, *_ = train_both(twice, state, training, 1)
    for a, b in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=10 * rate**2)


@pytest.mark.parametrize("loss", LOSSES)
@given(rating=st.floats(0.1, 5), predicted=st.floats(0.1, 5), sign=st.sampled_from([-1.0, 1.0]))
def test_the_negative_gradient_is_minus_the_slope_of_the_mean_loss(
    loss: str, rating: float, predicted: float, sign: float
) -> None:
    rule = UpdateRule(loss)
    if loss in losses.TWO_VALUED:
        rating = sign
    h = 1e-6

    def at(x: float) -> float:
        return losses.mean_loss(rule, np.array([rating]), np.array([x]))

    slopes = (at(predicted) - at(predicted - h)) / h, (at(predicted + h) - at(predicted)) / h
    descent = reference.negative_gradient(loss, rating, predicted, rule.loss_parameter)
    # At a kink, any slope between those on both sides is correct.
    assert min(slopes) - 1e-4 <= -descent <= max(slopes) + 1e-4


@pytest.mark.usefixtures("isa")
def test_ratings_of_other_tiles_are_not_used(dtype: str) -> None:
    columns, state = problem(1, 90, 8, 8, 5, dtype)
    some, alone = ([array.copy() for array in state] for _ in range(2))
    training = Training(rates=0.01, l2=0.02)
    got = train_tiles(pack(*columns, cuts=(20, 70)), (1, 2), some, training)
    assert got == train_plain([column[20:70] for column in columns], alone, training)
    for left, right in zip(some, alone, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.usefixtures("isa")
def test_padding_stays_zero(dtype: str) -> None:
    columns, state = problem(2, 300, 8, 8, 5, dtype)
    train_plain(columns, state, Training(rates=0.05, l2=0.02))
    assert not state[0][:, 5:].any()
    assert not state[1][:, 5:].any()


@pytest.mark.usefixtures("isa")
def test_nan_shows_in_the_sum_of_errors(dtype: str) -> None:
    columns, state = problem(3, 20, 4, 4, 4, dtype)
    columns[2][7] = np.nan
    assert np.isnan(train_plain(columns, state, Training(rates=0.01, l2=0.0)))


@pytest.mark.parametrize("K", [0, 1, 3, 16, 33])
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
        zero, zero, np.array([1.0]), P, Q, user_bias, item_bias, rates=0.1, l2=0.2
    )
    e = 1.0 - (0.25 + 0.5 + 1 * 0.5 - 2 * 1.0)
    assert squared == e**2
    np.testing.assert_allclose(P, [[1 + 0.1 * (e * 0.5 - 0.2), 2 + 0.1 * (-e - 0.4)]])
    np.testing.assert_allclose(Q, [[0.5 + 0.1 * (e - 0.1), -1 + 0.1 * (2 * e + 0.2)]])
    np.testing.assert_allclose(user_bias, [0.25 + 0.1 * (e - 0.05)])
    np.testing.assert_allclose(item_bias, [0.5 + 0.1 * (e - 0.1)])
