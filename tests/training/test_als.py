"""Alternating least squares: descent of the objective, threads, stopping, fold-in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from factorate import reference
from factorate._training.als import AlsEpoch, train_als
from factorate._training.als_runner import LocalAlsRunner
from factorate._training.als_settings import AlsSettings
from factorate._training.als_weights import default_unobserved_weight
from factorate._training.interactions import Interactions, make_interactions
from factorate._training.solve_rows import solve_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._utils.types import Floats

SETTINGS = AlsSettings(
    n_factors=20,
    n_epochs=4,
    regularization=0.01,
    unobserved_weight=0.1,
    dtype=np.dtype("float64"),
    seed=3,
)


def random_interactions(dtype: str = "float64", weighted: bool = True) -> Interactions:
    """Return interactions of 300 users and 200 items; user 5 and item 7 have none."""
    generator = np.random.default_rng(1)
    users, items = generator.integers(0, 300, 4000), (200 * generator.random(4000) ** 2).astype(int)
    chosen = (users != 5) & (items != 7)
    rows = users[chosen].astype(np.int32), items[chosen].astype(np.int32)
    weights = generator.uniform(0.5, 2, len(rows[0])) if weighted else None
    return make_interactions(*rows, weights, (300, 200), np.dtype(dtype))


def users_of(interactions: Interactions) -> Any:
    return np.repeat(np.arange(interactions.shape[0]), np.diff(interactions.user_starts))


def objective(interactions: Interactions, P: Floats, Q: Floats, settings: AlsSettings) -> float:
    return reference.als_objective(
        users_of(interactions),
        interactions.user_items,
        interactions.user_weights,
        P,
        Q,
        regularization=settings.regularization,
        unobserved_weight=settings.unobserved_weight,
        exponent=settings.exponent,
    )


def recorder(epochs: list[AlsEpoch], stop_after: int = 99) -> Callable[[AlsEpoch], bool]:
    def record(epoch: AlsEpoch) -> bool:
        epochs.append(epoch)
        return epoch.number == stop_after

    return record


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_the_loss_is_the_objective_and_never_rises(exponent: float) -> None:
    interactions, settings = random_interactions(), replace(SETTINGS, exponent=exponent)
    epochs: list[AlsEpoch] = []
    train_als(interactions, settings, after_epoch=recorder(epochs))
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    for epoch in epochs:
        value = objective(interactions, epoch.user_factors, epoch.item_factors, settings)
        assert epoch.loss == pytest.approx(value, rel=1e-9)
    losses = [epoch.loss for epoch in epochs]
    assert losses == sorted(losses, reverse=True)


def test_the_columns_of_the_user_factors_are_orthogonal() -> None:
    users, _ = train_als(random_interactions(), SETTINGS)
    products = users.T @ users
    np.testing.assert_allclose(products, np.diag(np.diag(products)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_bits_do_not_depend_on_the_number_of_threads(dtype: str, weighted: bool) -> None:
    interactions = random_interactions(dtype, weighted)
    results = [
        train_als(interactions, replace(SETTINGS, dtype=np.dtype(dtype), n_threads=n_threads))
        for n_threads in (1, 2, 3, 8)
    ]
    for users, items in results:
        np.testing.assert_array_equal(users, results[0][0])
        np.testing.assert_array_equal(items, results[0][1])


def test_rows_without_interactions_are_zeros() -> None:
    users, items = train_als(random_interactions(), SETTINGS)
    assert users.shape == (300, 20)
    assert items.shape == (200, 20)
    np.testing.assert_array_equal(np.flatnonzero(~users.any(axis=1)), 5)
    np.testing.assert_array_equal(np.flatnonzero(~items.any(axis=1)), 7)


def test_a_user_equals_its_fold_in_bit_for_bit(dtype: str) -> None:
    interactions, settings = random_interactions(dtype), replace(SETTINGS, dtype=np.dtype(dtype))
    _, items = train_als(interactions, settings)
    users = LocalAlsRunner(interactions, settings).solve_users(items)
    begin, end = interactions.user_starts[[17, 18]]
    got = solve_rows(
        items,
        np.array([0, end - begin]),
        interactions.user_items[begin:end],
        interactions.user_weights[begin:end],
        settings,
    )
    np.testing.assert_array_equal(got[0], users[17])


def test_solved_users_are_those_of_the_reference() -> None:
    interactions = random_interactions()
    _, items = train_als(interactions, SETTINGS)
    users = LocalAlsRunner(interactions, SETTINGS).solve_users(items)
    expected = reference.als_half_epoch(
        interactions.user_starts,
        interactions.user_items,
        interactions.user_weights,
        items,
        regularization=SETTINGS.regularization,
        unobserved_weight=SETTINGS.unobserved_weight,
        exponent=SETTINGS.exponent,
    )
    np.testing.assert_allclose(users, expected, rtol=0, atol=1e-9)


def test_training_stops_when_the_callback_returns_true() -> None:
    epochs: list[AlsEpoch] = []
    _, items = train_als(random_interactions(), SETTINGS, after_epoch=recorder(epochs, 2))
    assert len(epochs) == 2
    np.testing.assert_array_equal(items, epochs[-1].item_factors)


def test_later_epochs_do_not_change_the_factors_of_earlier_ones() -> None:
    epochs: list[AlsEpoch] = []
    train_als(random_interactions(), SETTINGS, after_epoch=recorder(epochs))
    first: list[AlsEpoch] = []
    train_als(random_interactions(), SETTINGS, after_epoch=recorder(first, 1))
    np.testing.assert_array_equal(epochs[0].user_factors, first[0].user_factors)
    np.testing.assert_array_equal(epochs[0].item_factors, first[0].item_factors)


def test_training_continues_from_initial_factors() -> None:
    interactions, epochs = random_interactions(), list[AlsEpoch]()
    train_als(interactions, SETTINGS, after_epoch=recorder(epochs))
    halfway = epochs[1].user_factors, epochs[1].item_factors
    _, items = train_als(interactions, replace(SETTINGS, n_epochs=2), initial=halfway)
    np.testing.assert_array_equal(items, epochs[-1].item_factors)


def test_by_default_all_pairs_weigh_8_times_the_interactions() -> None:
    interactions = random_interactions()
    expected = 8 * interactions.user_weights.sum() / (300 * 200)
    assert default_unobserved_weight(interactions) == pytest.approx(expected)
