"""What later calls take over from earlier ones, and what decides when training ends."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from factorate._fitted.fitting import hold_out

import factorate as ft
from factorate import reference
from factorate._input.ratings import read_ratings
from factorate._kernels import dispatch as kernels
from factorate._training import epochs as passes
from factorate._training import losses
from factorate._training import trainer as solver
from factorate._training.factors import Factors

if TYPE_CHECKING:
    from collections.abc import Callable, Container

ARRAYS = ("user_factors", "item_factors", "user_bias", "item_bias")


def fitted(columns: Any, **changes: Any) -> ft.MatrixFactorization:
    parameters: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 0, "n_threads": 1}
    return ft.MatrixFactorization(**(parameters | changes)).fit(columns)


def assert_same(a: Factors, b: Factors) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def settings(**changes: Any) -> solver.Settings:
    values: dict[str, Any] = {
        "n_factors": 6, "n_epochs": 4, "rates": (0.02, 0.03, 0.01, 0.015),
        "l2": (0.04, 0.03, 0.02, 0.01), "l1": (0.0,) * 4, "schedule": "constant",
        "rule": losses.UpdateRule(), "fit_mean": True, "seed": 5, "n_threads": 1,
    }  # fmt: skip
    return solver.Settings(**(values | changes))


def doubles(columns: Any) -> Any:
    return read_ratings(columns, dtype=np.dtype(np.float64))


def first_rows(ratings: Any, sign: float = 1.0) -> solver.HeldOut:
    """Hold out what is trained on too; with the other sign, learning makes it worse."""
    return solver.HeldOut(ratings.users[:200], ratings.items[:200], sign * ratings.values[:200])


# partial_fit


def on_the_scale_of_training(model: ft.MatrixFactorization) -> list[Any]:
    """Return P, Q and biases as `reference.train_epoch` takes them."""
    scale = model._fitted.factors.scale
    units = np.sqrt(scale), np.sqrt(scale), scale, scale
    arrays = [getattr(model, f"{name}_") for name in ARRAYS]
    return [array / unit for array, unit in zip(arrays, units, strict=True)]


def test_adagrad_goes_on_with_its_sums_from_call_to_call(columns: Any) -> None:
    model = fitted(
        columns, dtype="float64", learning_rate_schedule="adagrad",
        partial_learning_rate=0.02, regularization=0.1,
    )  # fmt: skip
    factors, sums = model._fitted.factors, model._fitted.accumulators
    assert sums is not None
    P, Q, b, c = expected = on_the_scale_of_training(model)
    expected_sums = sums[0].copy(), sums[1].copy()
    rates = [0.02 * np.sqrt(5)] * 2 + [0.02] * 2
    for rating in (5.0, 0.5, 4.0):
        model.partial_fit(([4], [6], [rating]))
        reference.train_epoch(
            np.array([4]), np.array([6]), np.array([(rating - factors.mean) / factors.scale]),
            P, Q, b, c, rates, 0.1, accumulators=expected_sums,
        )  # fmt: skip
    for got, wanted in zip(on_the_scale_of_training(model), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)
    assert model._fitted.accumulators is not None
    for got, wanted in zip(model._fitted.accumulators, expected_sums, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_partial_fit_weighs_ratings(columns: Any) -> None:
    model = fitted(columns, dtype="float64", partial_learning_rate=0.02, regularization=0.1)
    factors = model._fitted.factors
    P, Q, b, c = expected = on_the_scale_of_training(model)
    model.partial_fit(([4], [6], [5.0]), sample_weight=[0.3])
    reference.train_epoch(
        np.array([4]), np.array([6]), np.array([(5.0 - factors.mean) / factors.scale]),
        P, Q, b, c, 0.02, 0.1, weights=np.array([0.3]),
    )  # fmt: skip
    for got, wanted in zip(on_the_scale_of_training(model), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_new_users_of_two_calls_do_not_begin_alike(columns: Any) -> None:
    model = fitted(columns, dtype="float64", partial_learning_rate=1e-12)
    for user in (900, 901):
        model.partial_fit(([user], [6], [5.0]))
    first, second = model.user_factors_[60:]
    assert (first > 0).all()
    assert (second > 0).all()
    assert np.abs(first - second).max() > 1e-3


def test_ratings_out_of_range_widen_what_predictions_are_clipped_to(columns: Any) -> None:
    model = fitted(columns, clip=True)
    pairs = [4, 5], [6, 7]
    model.partial_fit((*pairs, [60.0, -60.0]))
    clipped = model.predict(pairs)
    assert clipped[0] > max(columns[2])
    assert clipped[1] < min(columns[2])
    np.testing.assert_array_equal(model.set_params(clip=False).predict(pairs), clipped)


# Warm starts


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
def test_a_model_whose_users_were_all_removed_goes_on(
    columns: Any, schedule: str, tmp_path: Any
) -> None:
    """There were no rows to gather, not even for new users."""
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
    with pytest.raises(ValueError, match="there are no users to group"):
        model().group_users(1)
    again = model().set_params(warm_start=True, n_epochs=0).fit(columns)
    assert again.users_.tolist() == list(range(60))
    np.testing.assert_allclose(again.item_factors_, items, rtol=1e-9)


def test_a_warm_start_takes_the_mean_of_the_new_ratings(columns: Any) -> None:
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


def test_the_loss_and_not_the_rmse_says_which_epoch_is_best() -> None:
    users, items, ratings = ft.datasets.synthetic(3000, 100, 60)
    liked = (ratings > 3.5).astype(float)
    training = users[:2000], items[:2000], liked[:2000]
    rest = users[2000:], items[2000:], liked[2000:]
    n_epochs = 12
    how: dict[str, Any] = {
        "n_factors": 5, "loss": "logistic", "learning_rate_schedule": "constant",
        "learning_rate": 0.1, "regularization": 0.001, "random_state": 0, "dtype": "float64",
    }  # fmt: skip
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
    worse = first_rows(ratings, -1)
    chosen = settings(n_epochs=50, patience=5, rates=(0.1,) * 4)
    best = solver.train(ratings, chosen, held=worse).best

    def report(epoch: solver.Epoch) -> None:
        if epoch.number == best + 2:
            raise KeyboardInterrupt

    got = solver.train(ratings, chosen, (report,), held=worse)
    assert isinstance(got.interruption, KeyboardInterrupt)
    assert len(got.history) == best + 2
    assert got.best == best
    expected = solver.train(ratings, dataclasses.replace(chosen, n_epochs=best, patience=None))
    assert_same(got.factors, expected.factors)


# Divergence


class Spoiling:
    """A kernel that spoils the factors in some calls, noticing it or not."""

    def __init__(self, calls: Container[int], squared: Callable[[float], float]) -> None:
        self.count, self.calls, self.squared = itertools.count(), calls, squared

    def train(self, *arguments: Any) -> float:
        squared = float(kernels.active.train(*arguments))
        if next(self.count) not in self.calls:
            return squared
        arguments[5][:] = np.nan
        return self.squared(squared)


def noticed(squared: float) -> float:  # noqa: ARG001
    return np.inf


def unnoticed(squared: float) -> float:
    return squared


def test_after_a_new_beginning_the_best_epoch_is_one_of_the_new_run(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = doubles(columns)
    chosen = settings(patience=9)
    lost: list[float] = []
    monkeypatch.setattr(passes, "active", Spoiling((2, 3), noticed))
    got = solver.train(
        ratings, chosen, (lambda epoch: lost.append(epoch.valid_rmse),), held=first_rows(ratings)
    )
    monkeypatch.setattr(passes, "active", kernels.active)
    errors = [epoch.valid_rmse for epoch in got.history]
    assert min(lost[:2]) < min(errors)  # the run that was given up had come further
    assert got.best == 1 + int(np.argmin(errors))
    slow = dataclasses.replace(chosen, rates=tuple(np.array(chosen.rates) / 4))
    expected = solver.train(ratings, slow, held=first_rows(ratings))
    assert got.best == expected.best
    assert_same(got.factors, expected.factors)


def test_a_validation_that_is_not_finite_is_a_divergence(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = doubles(columns)
    monkeypatch.setattr(passes, "active", Spoiling((1,), unnoticed))
    got = solver.train(ratings, settings(), held=first_rows(ratings))
    assert [epoch.learning_rate for epoch in got.history] == [0.02, 0.01, 0.01, 0.01]
    assert all(np.isfinite(epoch.valid_rmse) for epoch in got.history)


def test_the_rate_may_be_halved_often_but_the_log_has_one_line(
    columns: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(passes, "active", Spoiling((1, 3, 5), noticed))
    with caplog.at_level(logging.WARNING, "factorate"):
        got = solver.train(doubles(columns), settings())
    assert [epoch.learning_rate for epoch in got.history] == [0.02, 0.01, 0.005, 0.0025]
    (record,) = caplog.records
    assert "epoch 2 of 4" in record.getMessage()
