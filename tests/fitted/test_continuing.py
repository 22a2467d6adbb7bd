"""partial_fit and warm starts after a fit, and early stopping."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from training_cases import assert_same, first_ratings, make_settings

import factorate as ft
from factorate import reference
from factorate._input.ratings import read_ratings
from factorate._training.epoch import Epoch
from factorate._training.held_out import hold_out
from factorate._training.per_kind import PerKind
from factorate._training.trainer import Trainer

ARRAYS = ("user_factors", "item_factors", "user_bias", "item_bias")


def fitted(columns: Any, **changes: Any) -> ft.MatrixFactorization:
    parameters: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 0, "n_threads": 1}
    return ft.MatrixFactorization(**(parameters | changes)).fit(columns)


def doubles(columns: Any) -> Any:
    return read_ratings(columns, dtype=np.dtype(np.float64))


# partial_fit


def on_the_scale_of_training(model: ft.MatrixFactorization) -> list[Any]:
    """Return P, Q and biases as `reference.train_epoch` takes them."""
    scale = model._fitted.factors.scale
    units = np.sqrt(scale), np.sqrt(scale), scale, scale
    arrays = [getattr(model, f"{name}_") for name in ARRAYS]
    return [array / unit for array, unit in zip(arrays, units, strict=True)]


def test_partial_fit_continues_the_accumulators_of_adagrad(columns: Any) -> None:
    model = fitted(
        columns,
        dtype="float64",
        learning_rate_schedule="adagrad",
        partial_learning_rate=0.02,
        regularization=0.1,
    )
    factors, accumulators = model._fitted.factors, model._fitted.accumulators
    assert accumulators is not None
    P, Q, b, c = expected = on_the_scale_of_training(model)
    expected_accumulators = accumulators[0].copy(), accumulators[1].copy()
    rates = [0.02 * np.sqrt(5)] * 2 + [0.02] * 2
    for rating in (5.0, 0.5, 4.0):
        model.partial_fit(([4], [6], [rating]))
        reference.train_epoch(
            np.array([4]),
            np.array([6]),
            np.array([(rating - factors.mean) / factors.scale]),
            P,
            Q,
            b,
            c,
            rates,
            0.1,
            accumulators=expected_accumulators,
        )
    for got, wanted in zip(on_the_scale_of_training(model), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)
    assert model._fitted.accumulators is not None
    for got, wanted in zip(model._fitted.accumulators, expected_accumulators, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_partial_fit_applies_weights_as_given(columns: Any) -> None:
    model = fitted(columns, dtype="float64", partial_learning_rate=0.02, regularization=0.1)
    factors = model._fitted.factors
    P, Q, b, c = expected = on_the_scale_of_training(model)
    model.partial_fit(([4], [6], [5.0]), sample_weight=[0.3])
    reference.train_epoch(
        np.array([4]),
        np.array([6]),
        np.array([(5.0 - factors.mean) / factors.scale]),
        P,
        Q,
        b,
        c,
        0.02,
        0.1,
        weights=np.array([0.3]),
    )
    for got, wanted in zip(on_the_scale_of_training(model), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_new_users_of_two_calls_start_differently(columns: Any) -> None:
    model = fitted(columns, dtype="float64", partial_learning_rate=1e-12)
    for user in (900, 901):
        model.partial_fit(([user], [6], [5.0]))
    first, second = model.user_factors_[60:]
    assert (first > 0).all()
    assert (second > 0).all()
    assert np.abs(first - second).max() > 1e-3


def test_further_ratings_extend_the_range_of_clipped_predictions(columns: Any) -> None:
    model = fitted(columns, clip=True)
    pairs = [4, 5], [6, 7]
    model.partial_fit((*pairs, [60.0, -60.0]))
    clipped = model.predict(pairs)
    assert clipped[0] > max(columns[2])
    assert clipped[1] < min(columns[2])
    np.testing.assert_array_equal(model.set_params(clip=False).predict(pairs), clipped)


# Warm starts


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
def test_a_model_without_users_can_be_trained_further(
    columns: Any, schedule: str, tmp_path: Any
) -> None:
    """Regression: new users get factors although there are no rows to gather."""
    empty = fitted(columns, learning_rate_schedule=schedule, dtype="float64")
    items = empty.item_factors_
    empty.remove_users(empty.users_)
    empty.save(tmp_path / "empty.npz")

    def model() -> ft.MatrixFactorization:
        return ft.load(tmp_path / "empty.npz")

    more = [900, 901], [6, 7], [5.0, 1.0]
    assert model().partial_fit(more).users_.tolist() == [900, 901]
    assert model().add_users(more).predict(more[:2]).shape == (2,)
    assert model().complete().shape == (0, 80)
    assert [found.shape for found in model().recommend(n=3)] == [(0, 3), (0, 3)]
    with pytest.raises(ValueError, match="the model has no users to group"):
        model().group_users(1)
    again = model().set_params(warm_start=True, n_epochs=0).fit(columns)
    assert again.users_.tolist() == list(range(60))
    np.testing.assert_allclose(again.item_factors_, items, rtol=1e-9)


def test_a_warm_start_uses_the_mean_of_the_new_ratings(columns: Any) -> None:
    users, items, ratings = columns
    model = fitted(columns, dtype="float64", warm_start=True)
    mean, predicted = model.global_mean_, model.predict((users, items))
    model.set_params(n_epochs=0).fit((users, items, ratings + 10))
    assert model.global_mean_ == pytest.approx(mean + 10)
    np.testing.assert_allclose(model.predict((users, items)), predicted + 10)


# Early stopping


def test_weights_stay_with_their_ratings_when_some_are_held_out(columns: Any) -> None:
    training = ~hold_out(columns[0], columns[1], 0.2, 0)
    weights = np.empty(len(training))
    for part, n in ((training, 1200), (~training, 300)):  # of mean 1, so that none is rescaled
        weights[part] = np.random.default_rng(0).permutation([0.5] * n + [1.5] * n)
    how: dict[str, Any] = {"learning_rate_schedule": "constant", "random_state": 0}
    model = ft.MatrixFactorization(5, 20, early_stopping=True, validation_fraction=0.2, **how)
    model.fit(columns, sample_weight=weights)
    assert 0 < model.best_epoch_ < model.n_epochs_
    by_hand = ft.MatrixFactorization(5, model.best_epoch_, **how).fit(
        tuple(column[training] for column in columns), sample_weight=weights[training]
    )
    assert_same(model._fitted.factors, by_hand._fitted.factors)


def test_the_validation_loss_decides_which_epoch_is_best() -> None:
    users, items, ratings = ft.datasets.synthetic(3000, 100, 60)
    liked = (ratings > 3.5).astype(float)
    training = users[:2000], items[:2000], liked[:2000]
    rest = users[2000:], items[2000:], liked[2000:]
    n_epochs = 12
    how: dict[str, Any] = {
        "n_factors": 5,
        "loss": "logistic",
        "learning_rate_schedule": "constant",
        "learning_rate": 0.1,
        "regularization": 0.001,
        "random_state": 0,
        "dtype": "float64",
    }
    mean_losses = []
    for n in range(1, n_epochs + 1):
        model = ft.MatrixFactorization(n_epochs=n, **how).fit(training)
        margins = (2 * rest[2] - 1) * (2 * model.predict(rest[:2]) - 1)
        mean_losses.append(np.logaddexp(0, -margins).mean())
    best = 1 + int(np.argmin(mean_losses))
    model = ft.MatrixFactorization(n_epochs=n_epochs, early_stopping=True, patience=12, **how)
    model.fit(training, eval_set=rest)
    assert model.best_epoch_ == best
    assert 1 + int(np.argmin(model.history_["valid_rmse"])) != best


def test_an_interrupt_keeps_the_best_epoch_so_far(columns: Any) -> None:
    ratings = doubles(columns)
    worse = first_ratings(ratings, -1)
    settings = make_settings(
        n_epochs=50, patience=5, rates=PerKind(*(0.1,) * 4), learning_rate_schedule="constant"
    )
    best = Trainer(ratings, settings, held_out=worse).train().best

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == best + 2:
            raise KeyboardInterrupt

    trainer = Trainer(ratings, settings, held_out=worse, callbacks=(interrupt,))
    with pytest.raises(KeyboardInterrupt):
        trainer.run_epochs()
    assert len(trainer.history) == best + 2
    got = trainer.result()
    assert got.best == best
    shorter = dataclasses.replace(settings, n_epochs=best, patience=None)
    assert_same(got.factors, Trainer(ratings, shorter).train().factors)
