"""RowConstants: the rates and penalties of rows agree with the reference, and stay in bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import make_settings, reference_rates_and_penalties

from factorate import reference
from factorate._input.ratings import read_ratings
from factorate._training.per_kind import PerKind
from factorate._training.row_constants import (
    CHUNK,
    make_row_constants,
    plain_columns,
    row_penalties,
    row_rates,
    svdpp_decay,
)
from factorate._training.schedule import make_schedule
from factorate._training.update_rule import UpdateRule
from factorate._utils.workers import Workers

COUNTS = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=5).map(np.array)
ANY_COUNTS = st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=5).map(np.array)
PENALTIES = st.floats(0, 100)


def schedule_of(columns: Any, dtype: Any = np.float64, weights: Any = None) -> Any:
    ratings = read_ratings(columns, dtype=np.dtype(dtype))
    return make_schedule(ratings, make_settings(), weights)


@given(COUNTS, st.floats(1e-4, 10), st.floats(1e-3, 1e6) | st.just(np.inf), PENALTIES, PENALTIES)
def test_rates_and_penalties_equal_the_reference(
    counts: Any, rate: float, count_scale: float, l2: float, shrinkage: float
) -> None:
    rates = row_rates(rate, counts, count_scale)
    np.testing.assert_allclose(rates, reference.row_rates(rate, counts, count_scale), rtol=1e-14)
    penalties = row_penalties(l2, shrinkage, counts, rates)
    expected = reference.row_penalties(l2, shrinkage, counts, rates)
    np.testing.assert_allclose(penalties, expected, rtol=1e-12)


@given(COUNTS, st.floats(1e-4, 10), st.floats(1e-3, 1e6), PENALTIES, PENALTIES)
def test_the_penalties_of_an_epoch_sum_to_those_of_the_objective(
    counts: Any, rate: float, count_scale: float, l2: float, shrinkage: float
) -> None:
    """λ n + c, unless one update with all of λ + c would move a parameter beyond 0."""
    rates = row_rates(rate, counts, count_scale)
    total = counts * row_penalties(l2, shrinkage, counts, rates)
    whole = rates * (l2 + shrinkage) <= 1
    np.testing.assert_allclose(
        total[whole], l2 * counts[whole] + shrinkage, rtol=1e-12, atol=1e-300
    )
    lowered = total[~whole] - l2 * counts[~whole]
    assert (lowered <= shrinkage * (1 + 1e-9) + 1e-9 * total[~whole]).all()
    limited = rates[~whole] * (lowered + l2)
    assert (limited <= np.maximum(1, rates[~whole] * l2) * (1 + 1e-6) + 1e-6 * total[~whole]).all()


@given(ANY_COUNTS, st.floats(1e-300, 1e300), st.floats(1e-300, 1e300), st.floats(0, 1e300))
def test_no_penalty_is_nan_or_negative(
    counts: Any, rate: float, count_scale: float, shrinkage: float
) -> None:
    with np.errstate(over="ignore"):
        rates = row_rates(rate, counts, count_scale)
    assert (rates >= 0).all()
    assert (row_penalties(0.1, shrinkage, counts, rates) >= 0.1).all()


def ones(schedule: Any) -> tuple[Any, Any]:
    return np.ones(len(schedule.user_counts)), np.ones(len(schedule.item_counts))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("adagrad", [False, True])
def test_columns_of_each_side_are_those_of_its_kinds(
    columns: Any, weighted: bool, adagrad: bool
) -> None:
    weights = np.random.default_rng(0).uniform(0.1, 2, len(columns[0])) if weighted else None
    schedule = schedule_of(columns, weights=weights)
    settings = make_settings(n_factors=4)
    if adagrad:
        settings = dataclasses.replace(settings, rule=UpdateRule(adagrad=True), count_scale=np.inf)
    got = make_row_constants(schedule, settings, 0.5, ones(schedule))
    counts = schedule.user_counts, schedule.item_counts
    assert counts[0].sum() == pytest.approx(len(columns[0]) if weights is None else weights.sum())
    rates, penalties = reference_rates_and_penalties(settings, counts, 0.5)
    for side, constants in enumerate(got):
        root = 2.0 if adagrad else 1.0  # √K
        expected = rates[side] * root, penalties[side], rates[side + 2], penalties[side + 2]
        np.testing.assert_allclose(constants, np.column_stack(expected), rtol=1e-14)


@pytest.mark.parametrize("shrinkage", [0.5, 100.0])
def test_constants_do_not_depend_on_threads_or_on_other_rows(shrinkage: float) -> None:
    """With the larger shrinkage, the penalties of some rows are limited."""
    generator = np.random.default_rng(0)
    users = np.arange(4 * CHUNK, dtype=np.int32) % (2 * CHUNK + 5)
    items = generator.integers(0, 7, len(users)).astype(np.int32)
    schedule = schedule_of((users, items, generator.random(len(users))))
    settings = make_settings(shrinkage=PerKind(shrinkage, shrinkage, shrinkage, shrinkage))
    scales = generator.random(len(schedule.user_counts)), generator.random(7)
    expected = make_row_constants(schedule, settings, 0.5, scales)
    for side, counts in enumerate((schedule.user_counts, schedule.item_counts)):
        rates = 0.5 * scales[side] * row_rates(settings.rates[side], counts, settings.count_scale)
        penalties = row_penalties(settings.l2[side], shrinkage, counts, rates)
        np.testing.assert_allclose(expected[side][:, 0], rates, rtol=1e-14)
        np.testing.assert_allclose(expected[side][:, 1], penalties, rtol=1e-12)
    for n_threads in (2, 4):
        got = make_row_constants(schedule, settings, 0.5, scales, Workers(n_threads))
        for one, many in zip(expected, got, strict=True):
            np.testing.assert_array_equal(many, one)
        bias = generator.random(len(expected.users))
        columns = plain_columns(expected.users, bias, Workers(n_threads))
        np.testing.assert_array_equal(columns, plain_columns(expected.users, bias))
        np.testing.assert_array_equal(columns[:, 0], bias)


def test_columns_of_the_plain_kernel_are_the_bias_a_rate_and_decays() -> None:
    constants = np.array([[0.5, 0.2, 0.25, 0.4], [1.0, 0.0, 0.5, 1.0]])
    expected = [[7.0, 0.5, 0.9, 0.9], [8.0, 1.0, 1.0, 0.5]]
    np.testing.assert_allclose(plain_columns(constants, np.array([7.0, 8.0])), expected)


def test_svdpp_terms_decay_by_the_rates_of_users_and_the_counts_of_items(columns: Any) -> None:
    schedule = schedule_of(columns)
    settings = make_settings()
    constants = make_row_constants(schedule, settings, 1.0, ones(schedule))
    of_users, of_items = svdpp_decay(constants, schedule, settings, ones(schedule)[1])
    np.testing.assert_allclose(of_users, 1 - constants.users[:, 0] * constants.users[:, 1])
    rates = row_rates(settings.rates.user_factors, schedule.item_counts, settings.count_scale)
    penalties = row_penalties(0.04, 0.5, schedule.item_counts, rates)
    np.testing.assert_allclose(of_items, 1 - rates * penalties)
    fast = dataclasses.replace(settings, l2=PerKind(1e9, 1e9, 1e9, 1e9))
    for decay in svdpp_decay(
        make_row_constants(schedule, fast, 1.0, ones(schedule)), schedule, fast, ones(schedule)[1]
    ):
        assert (decay == 0).all()  # not negative
