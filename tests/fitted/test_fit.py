"""fit: weights, validation, callbacks and errors."""

from __future__ import annotations

import dataclasses
import weakref
from typing import Any

import numpy as np
import pytest
from training_cases import assert_same as assert_same_factors
from training_cases import first_ratings, make_settings

import factorate as ft
import factorate._fitted.fit as fit_module
from factorate._input.ratings import read_ratings
from factorate._training.epoch import Epoch
from factorate._training.held_out import hold_out
from factorate._training.per_kind import PerKind
from factorate._training.trainer import Trainer


def fitted(columns: Any, **changes: Any) -> ft.MatrixFactorization:
    parameters: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 0, "n_threads": 1}
    return ft.MatrixFactorization(**(parameters | changes)).fit(columns)


def assert_same(a: ft.MatrixFactorization, b: ft.MatrixFactorization) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_predictions_scale_with_the_ratings_in_float64(columns: Any) -> None:
    users, items, ratings = columns
    plain = fitted(columns, dtype="float64").predict((users, items))
    shifted = fitted((users, items, 20 * np.asarray(ratings, float) - 50), dtype="float64")
    np.testing.assert_allclose(shifted.predict((users, items)), 20 * plain - 50, rtol=1e-9)


def test_clip_keeps_predictions_and_the_filled_matrix_in_range(columns: Any) -> None:
    users, items, ratings = columns
    model = fitted(columns, n_epochs=40, learning_rate=0.1, regularization=0.0, shrinkage=0.0)
    low, high = min(ratings), max(ratings)
    free, predicted = model.complete(), model.predict((users, items))
    assert free.min() < low
    assert free.max() > high
    clipped = np.clip(predicted, low, high)
    assert (clipped != predicted).any()
    model.set_params(clip=True)
    np.testing.assert_array_equal(model.complete(), np.clip(free, low, high))
    np.testing.assert_array_equal(model.predict((users, items)), clipped)
    assert model.evaluate(columns)["rmse"] == ft.metrics.rmse(ratings, clipped)


@pytest.mark.parametrize("keep_seen", [True, False])
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_rows_of_ratings_are_released_before_the_first_epoch(
    columns: Any,
    keep_seen: bool,
    early_stopping: bool,
    weighted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    references: list[weakref.ref[Any]] = []

    def read(*args: Any, **kwargs: Any) -> Any:
        ratings = read_ratings(*args, **kwargs)
        references.extend(map(weakref.ref, (ratings.user_rows, ratings.item_rows)))
        return ratings

    monkeypatch.setattr(fit_module, "read_ratings", read)
    alive: list[bool] = []
    model = ft.MatrixFactorization(
        2, 2, random_state=0, keep_seen=keep_seen, early_stopping=early_stopping
    )
    weights = np.arange(len(columns[0])) % 3 if weighted else None
    model.fit(
        columns,
        sample_weight=weights,
        callbacks=[lambda _: alive.extend(found() is not None for found in references)],
    )
    assert alive == [False] * 4


def test_the_range_of_ratings_does_not_depend_on_their_order() -> None:
    """Regression: NumPy's minimum of 0.0 and -0.0 does, and with it the bytes of a model file."""
    users, items = np.divmod(np.arange(36), 6)
    ratings = np.where(users % 2, 5.0, 0.0)
    ratings[0] = -0.0
    for order in (np.arange(36), np.arange(36)[::-1]):
        model = ft.MatrixFactorization(2, 1, random_state=0)
        model.fit((users[order], items[order], ratings[order]))
        assert str(model._fitted.bounds) == "(0.0, 5.0)"
        model.partial_fit(([1], [0], [-0.0]))
        assert str(model._fitted.bounds) == "(0.0, 5.0)"


# Weights


def test_a_rating_of_weight_zero_is_ignored(columns: Any) -> None:
    users, items, ratings = (np.asarray(column) for column in columns)
    count = np.arange(len(users)) % 3 > 0
    wild = np.where(count, ratings, 1e6)
    model = ft.MatrixFactorization(5, 4, random_state=0, n_threads=1)
    model.fit((users, items, wild), sample_weight=count.astype(float))
    assert_same(model, fitted((users[count], items[count], ratings[count])))
    assert model.global_mean_ == pytest.approx(ratings[count].mean())


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_rating_of_weight_zero_is_not_seen(columns: Any, method: str) -> None:
    """Regression: an item whose rating has weight 0 is recommended."""
    users, items = np.append(columns[0], [0, 777]), np.append(columns[1], [999, 0])
    ratings = np.append(columns[2], [4, 4])
    weights = np.append(np.ones(3000), [0, 0])
    model = ft.MatrixFactorization(5, 4, random_state=0)
    if method == "partial_fit":
        model.fit(columns)
    getattr(model, method)((users, items, ratings), sample_weight=weights)
    assert model.users_[-1] == 777
    assert model.items_[-1] == 999
    assert not model.user_factors_[-1].any()
    assert 999 in model.recommend(0, n=81)[0]
    assert 0 in model.recommend(777, n=81)[0]


def test_errors_name_the_index_of_an_invalid_weight() -> None:
    model = ft.MatrixFactorization(2)
    for weights, message in (
        ([1, -1], r"sample_weight\[1\] is -1\.0; expected ≥ 0"),
        ([1, 1, 1], "sample_weight has 3 entries for 2 ratings"),
        ([np.nan, 1], r"sample_weight\[0\] is nan"),
        ([0, 0], "sample_weight is zero for every rating"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(([1, 2], [1, 2], [1.0, 2.0]), sample_weight=weights)


def test_only_proportions_of_weights_matter(columns: Any) -> None:
    """Regression: the unit of the weights does not change the learning rates."""
    weights = np.random.default_rng(0).integers(1, 4, len(columns[0])).astype(float)
    a, b = (
        ft.MatrixFactorization(5, 4, random_state=0, dtype="float64").fit(
            columns, sample_weight=factor * weights
        )
        for factor in (1, 1024)
    )
    np.testing.assert_allclose(a.user_factors_, b.user_factors_, rtol=1e-9)


def test_the_mean_is_weighted() -> None:
    users, items, ratings = [0, 0, 1, 1, 2], [0, 1, 0, 1, 1], [5, 1, 4, 2, 1000.0]
    weights = [1, 1, 1, 2, 1e-9]
    for loss, mean in (("squared", 2.8), ("absolute", 2.0)):
        model = ft.MatrixFactorization(2, loss=loss, dtype="float64")
        model.fit((users, items, ratings), sample_weight=weights)
        assert model.global_mean_ == pytest.approx(mean, rel=1e-6)


def test_held_out_ratings_keep_their_weights(columns: Any) -> None:
    """Regression: early stopping does not validate on ratings of weight 0."""
    users, items, ratings = (np.asarray(column) for column in columns)
    count = np.arange(len(users)) % 2 > 0
    wild = np.where(count, ratings, -ratings)
    model = ft.MatrixFactorization(5, 4, random_state=0, early_stopping=True)
    model.fit((users, items, wild), sample_weight=count.astype(float))
    part = fitted((users[count], items[count], ratings[count]), early_stopping=True)
    np.testing.assert_array_equal(model.history_["valid_rmse"], part.history_["valid_rmse"])


def test_weights_of_one_change_nothing(columns: Any) -> None:
    ones = np.ones(len(columns[0]))
    model = ft.MatrixFactorization(5, 4, random_state=0, dtype="float64", n_threads=2)
    weighted = model.fit(columns, sample_weight=ones).user_factors_
    np.testing.assert_allclose(weighted, fitted(columns, dtype="float64").user_factors_, rtol=1e-9)


def test_weights_do_not_depend_on_the_order_of_ratings(columns: Any) -> None:
    generator = np.random.default_rng(0)
    weights = generator.uniform(0.1, 2, len(columns[0]))
    pairs = np.stack(columns[:2], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    other = generator.permutation(first)
    a, b = (
        ft.MatrixFactorization(5, 4, random_state=0).fit(
            tuple(np.asarray(column)[rows] for column in columns), sample_weight=weights[rows]
        )
        for rows in (first, other)
    )
    assert_same(a, b)


# Validation


def test_early_stopping_holds_out_the_same_ratings_in_any_order(columns: Any) -> None:
    pairs = np.stack(columns[:2], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    a, b = (
        fitted(
            tuple(np.asarray(column)[rows] for column in columns),
            early_stopping=True,
            n_epochs=30,
            validation_fraction=0.2,
        )
        for rows in (first, first[::-1])
    )
    assert_same(a, b)
    for name in ("train_rmse", "valid_rmse", "valid_loss"):
        np.testing.assert_array_equal(a.history_[name], b.history_[name])
    assert a.best_epoch_ <= a.n_epochs_
    best = int(np.argmin(a.history_["valid_rmse"])) + 1
    assert a.best_epoch_ == best
    assert a.history_["valid_rmse"][best - 1] == a.history_["valid_rmse"].min()


def test_an_eval_set_is_evaluated_and_not_used_for_training(columns: Any) -> None:
    users, items, ratings = (np.asarray(column) for column in columns)
    training = users[:2500], items[:2500], ratings[:2500]
    rest = users[2500:], items[2500:], ratings[2500:]
    model = ft.MatrixFactorization(5, 4, random_state=0).fit(training, eval_set=rest)
    assert_same(model, fitted(training))
    assert model.history_["valid_rmse"][-1] == pytest.approx(model.evaluate(rest)["rmse"])
    pairs = np.stack(rest[:2], axis=1)
    again = ft.MatrixFactorization(5, 4, random_state=0).fit(training, eval_set=(pairs, rest[2]))
    np.testing.assert_array_equal(again.history_["valid_rmse"], model.history_["valid_rmse"])
    with pytest.raises(ValueError, match="there are no ratings in eval_set"):
        model.fit(training, eval_set=([], [], []))


def test_ratings_of_one_pair_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="leaves none to train on"):
        fitted(([1, 1], [1, 1], [2.0, 3.0]), early_stopping=True)


def test_callbacks_receive_each_epoch_and_can_stop_training(columns: Any) -> None:
    seen = []

    def callback(epoch: Any) -> bool:
        seen.append((epoch.number, epoch.train_rmse, epoch.learning_rate))
        return bool(epoch.number == 2)

    model = ft.MatrixFactorization(5, 9, random_state=0).fit(columns, callbacks=[callback])
    assert model.n_epochs_ == len(seen) == 2
    np.testing.assert_array_equal(model.history_["train_rmse"], [rmse for _, rmse, _ in seen])
    np.testing.assert_array_equal(model.history_["learning_rate"], [rate for *_, rate in seen])


def test_after_an_error_in_a_callback_the_model_is_unchanged(columns: Any) -> None:
    model = fitted(columns)
    before = model.user_factors_

    def fail(epoch: Any) -> None:
        raise RuntimeError(f"no more after epoch {epoch.number}")

    with pytest.raises(RuntimeError, match="no more after epoch 1"):
        model.fit(columns, callbacks=[fail])
    assert model.user_factors_ is before


def test_errors_name_the_index_of_a_rating_that_a_loss_rejects(columns: Any) -> None:
    """Regression: the index is that of the input, not that of the schedule."""
    users, items, _ = columns
    liked = np.arange(len(users)) % 2
    model = fitted((users, items, liked), loss="logistic")
    odd = liked.astype(float)
    odd[1234] = -7
    with pytest.raises(ValueError, match=r"ratings\[1234\] is -7\.0"):
        fitted((users, items, odd), nonnegative=True)
    odd[1234] = 0.5
    with pytest.raises(ValueError, match=r"ratings\[1234\] is 0\.5 and others are 0\.0 and 1\.0"):
        fitted((users, items, odd), loss="hinge")
    with pytest.raises(ValueError, match=r"ratings\[1\] is 3\.0 and others are 0\.0 and 1\.0"):
        model.partial_fit(([1, 2], [3, 4], [1, 3]))
    model.partial_fit(([1, 2], [3, 4], [1, 1]))


def test_an_eval_set_is_checked_and_named(columns: Any) -> None:
    users, items, ratings = columns
    model = ft.MatrixFactorization(2, 1)
    pairs = np.stack([users, items], axis=1)
    for eval_set, error, message in (
        (([1], [2], [np.nan]), ValueError, r"eval_set: ratings\[0\] is nan"),
        ((["a"], ["b"], [1.0]), TypeError, "eval_set: users are str"),
        ([(pairs, ratings)], TypeError, r"eval_set is a list; expected .* or \(X, y\)"),
    ):
        with pytest.raises(error, match=message):
            model.fit(columns, eval_set=eval_set)
    model.set_params(loss="logistic")
    with pytest.raises(ValueError, match=r"ratings of eval_set\[0\] is 7\.0"):
        model.fit((users, items, ratings > 3), eval_set=([1], [2], [7.0]))


def test_an_eval_set_that_is_not_utf8_is_named(columns: Any) -> None:
    """Regression: UnicodeDecodeError cannot be constructed from a message."""

    class Undecodable:
        def __len__(self) -> int:
            return 1

        def __array__(self, *_: Any, **__: Any) -> Any:
            return b"\xff".decode()

    with pytest.raises(ValueError, match="eval_set: 'utf-8' codec can't decode byte 0xff"):
        ft.MatrixFactorization(2, 1).fit(columns, eval_set=(Undecodable(), [1], [1.0]))


@pytest.mark.parametrize("callbacks", [print, None, [1]])
def test_callbacks_are_functions_in_a_list(columns: Any, callbacks: Any) -> None:
    with pytest.raises(TypeError, match=r"callbacks is .*; expected a list of functions"):
        ft.MatrixFactorization(2, 1).fit(columns, callbacks=callbacks)


def test_numpy_true_from_a_callback_stops_training(columns: Any) -> None:
    model = ft.MatrixFactorization(2, 5).fit(columns, callbacks=[lambda _: np.True_])
    assert model.n_epochs_ == 1


def test_ratings_too_large_to_be_squared_are_fitted(columns: Any) -> None:
    users, items, ratings = columns
    large = users, items, np.asarray(ratings, float) * 2.0**700
    expected = fitted((users, items, np.asarray(ratings, float)), dtype="float64")
    predicted = fitted(large, dtype="float64").predict((users, items)) * 2.0**-700
    np.testing.assert_allclose(predicted, expected.predict((users, items)), rtol=1e-12)


def test_ratings_whose_differences_overflow_are_rejected(columns: Any) -> None:
    users, items, ratings = columns
    with pytest.raises(ValueError, match=r"ratings are up to 1e\+308 in size, too large for"):
        fitted((users, items, np.asarray(ratings, float) * 2e307), dtype="float64")


def test_ratings_that_lose_digits_in_float32_log_a_warning(
    columns: Any, caplog: pytest.LogCaptureFixture
) -> None:
    users, items, ratings = columns
    fitted((users, items, np.asarray(ratings, float) + 1e5))
    assert "leaves few digits in float32" in caplog.text


# Early stopping


def test_training_ratings_keep_their_weights_when_others_are_held_out(columns: Any) -> None:
    training = ~hold_out(columns[0], columns[1], 0.2, 0)
    weights = np.empty(len(training))
    for rows, n in ((training, 1200), (~training, 300)):  # of mean 1, which is not rescaled
        weights[rows] = np.random.default_rng(0).permutation([0.5] * n + [1.5] * n)
    how: dict[str, Any] = {"learning_rate_schedule": "constant", "random_state": 0}
    model = ft.MatrixFactorization(5, 20, early_stopping=True, validation_fraction=0.2, **how)
    model.fit(columns, sample_weight=weights)
    assert 0 < model.best_epoch_ < model.n_epochs_
    by_hand = ft.MatrixFactorization(5, model.best_epoch_, **how).fit(
        tuple(column[training] for column in columns), sample_weight=weights[training]
    )
    assert_same_factors(model._fitted.factors, by_hand._fitted.factors)


def test_the_best_epoch_has_the_lowest_validation_loss() -> None:
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
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    worse = first_ratings(ratings, -1)
    settings = make_settings(
        n_epochs=50, patience=5, rates=PerKind(*(0.1,) * 4), learning_rate_schedule="constant"
    )
    best = Trainer(ratings, settings, held_out=worse).train().best

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == best + 2:
            raise KeyboardInterrupt

    trainer = Trainer(ratings, settings, held_out=worse)
    with pytest.raises(KeyboardInterrupt):
        trainer.run_epochs([interrupt])
    assert len(trainer.history) == best + 2
    got = trainer.result()
    assert got.best == best
    shorter = dataclasses.replace(settings, n_epochs=best, patience=None)
    assert_same_factors(got.factors, Trainer(ratings, shorter).train().factors)
