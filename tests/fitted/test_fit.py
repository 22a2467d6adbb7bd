"""fit, partial_fit, warm_start, weights and validation, through the public interface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft


def fitted(columns: Any, **changes: Any) -> ft.MatrixFactorization:
    parameters: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 0, "n_threads": 1}
    return ft.MatrixFactorization(**(parameters | changes)).fit(columns)


def assert_same(a: ft.MatrixFactorization, b: ft.MatrixFactorization) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_the_scale_of_ratings_changes_nothing_but_the_scale_of_predictions(columns: Any) -> None:
    users, items, ratings = columns
    plain = fitted(columns, dtype="float64").predict((users, items))
    shifted = fitted((users, items, 20 * np.asarray(ratings, float) - 50), dtype="float64")
    np.testing.assert_allclose(shifted.predict((users, items)), 20 * plain - 50, rtol=1e-9)


def test_clip_keeps_predictions_and_the_filled_matrix_in_range(columns: Any) -> None:
    users, items, ratings = columns
    model = fitted(columns, n_epochs=40, learning_rate=0.1, regularization=0.0)
    low, high = min(ratings), max(ratings)
    free = model.complete()
    assert free.min() < low
    assert free.max() > high
    model.set_params(clip=True)
    np.testing.assert_array_equal(model.complete(), np.clip(free, low, high))
    assert model.predict((users, items)).max() <= high
    assert model.evaluate(columns)["rmse"] > 0


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


def test_wrong_weights_are_named_by_their_index() -> None:
    model = ft.MatrixFactorization(2)
    for weights, message in (
        ([1, -1], r"sample_weight\[1\] is -1\.0; expected ≥ 0"),
        ([1, 1, 1], "sample_weight has 3 entries for 2 ratings"),
        ([np.nan, 1], r"sample_weight\[0\] is nan"),
        ([0, 0], "sample_weight is 0 for every rating"),
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


def test_ratings_held_out_keep_their_weights(columns: Any) -> None:
    """Regression: early stopping does not validate on ratings of weight 0."""
    users, items, ratings = (np.asarray(column) for column in columns)
    count = np.arange(len(users)) % 2 > 0
    wild = np.where(count, ratings, -ratings)
    model = ft.MatrixFactorization(5, 4, random_state=0, early_stopping=True)
    model.fit((users, items, wild), sample_weight=count.astype(float))
    part = fitted((users[count], items[count], ratings[count]), early_stopping=True)
    np.testing.assert_array_equal(model.history_["valid_rmse"], part.history_["valid_rmse"])


def test_weights_of_one_are_no_weights(columns: Any) -> None:
    ones = np.ones(len(columns[0]))
    model = ft.MatrixFactorization(5, 4, random_state=0, dtype="float64", n_threads=2)
    weighted = model.fit(columns, sample_weight=ones).user_factors_
    np.testing.assert_allclose(weighted, fitted(columns, dtype="float64").user_factors_, rtol=1e-9)


def test_weights_follow_their_ratings_into_any_order(columns: Any) -> None:
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


def test_an_eval_set_is_measured_and_not_trained_on(columns: Any) -> None:
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


def test_callbacks_see_each_epoch_and_may_stop(columns: Any) -> None:
    seen = []

    def callback(epoch: Any) -> bool:
        seen.append((epoch.number, epoch.train_rmse, epoch.learning_rate))
        return bool(epoch.number == 2)

    model = ft.MatrixFactorization(5, 9, random_state=0).fit(columns, callbacks=[callback])
    assert model.n_epochs_ == len(seen) == 2
    np.testing.assert_array_equal(model.history_["train_rmse"], [rmse for _, rmse, _ in seen])
    np.testing.assert_array_equal(model.history_["learning_rate"], [rate for *_, rate in seen])


def test_an_error_in_a_callback_leaves_the_old_model(columns: Any) -> None:
    model = fitted(columns)
    before = model.user_factors_

    def fail(epoch: Any) -> None:
        raise RuntimeError(f"no more after epoch {epoch.number}")

    with pytest.raises(RuntimeError, match="no more after epoch 1"):
        model.fit(columns, callbacks=[fail])
    assert model.user_factors_ is before


# Continuing


def test_a_warm_start_continues_from_the_fitted_factors(columns: Any) -> None:
    cold = fitted(columns, n_epochs=8)
    first_rmse = cold.history_["train_rmse"]
    model = fitted(columns, n_epochs=8, warm_start=True)
    assert_same(model, cold)
    model.fit(columns)
    assert model.history_["train_rmse"][0] < first_rmse[1]
    assert model.history_["learning_rate"][0] == cold.history_["learning_rate"][0]
    assert model.n_epochs_ == 8


def test_a_warm_start_without_an_epoch_keeps_the_factors_of_known_ids(columns: Any) -> None:
    users, items, ratings = (np.asarray(column) for column in columns)
    model = fitted(columns, dtype="float64")
    old = model.user_factors_
    model.set_params(warm_start=True, n_epochs=0)
    some = users >= 10
    model.fit((np.append(users[some], 777), np.append(items[some], 3), np.append(ratings[some], 4)))
    assert model.users_.tolist() == [*range(10, 60), 777]
    np.testing.assert_allclose(model.user_factors_[:-1], old[10:], rtol=1e-12)
    assert (model.user_factors_[-1] > 0).any()


def test_a_warm_start_with_other_factors_is_rejected(columns: Any) -> None:
    model = fitted(columns, warm_start=True)
    with pytest.raises(ValueError, match=r"continues from n_factors=5 .* n_factors=6"):
        model.set_params(n_factors=6).fit(columns)
    with pytest.raises(ValueError, match=r"dtype='float32', but .* dtype='float64'"):
        model.set_params(n_factors=5, dtype="float64").fit(columns)


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
def test_partial_fit_changes_only_rated_users_and_items(columns: Any, schedule: str) -> None:
    model = fitted(columns, learning_rate_schedule=schedule)
    before = [model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_]
    mean = model.global_mean_
    model.partial_fit(([3, 5, 3], [7, 7, 900], [5.0, 1.0, 4.0]))
    after = [model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_]
    assert model.users_.tolist() == list(range(60))
    assert model.items_.tolist() == [*range(80), 900]
    assert model.global_mean_ == mean
    for old, new, touched in zip(before, after, ([3, 5], [7], [3, 5], [7]), strict=True):
        changed = (old != new[: len(old)]).reshape(len(old), -1).any(axis=1)
        assert np.flatnonzero(changed).tolist() == touched
    assert model.item_factors_[80].any()


def test_partial_fit_is_one_pass_of_the_specification() -> None:
    columns = ft.datasets.synthetic(200, 30, 20)
    model = fitted(columns, dtype="float64", partial_learning_rate=0.02, regularization=0.1)
    factors = vars(model)["_fitted"].factors
    root, scale = np.sqrt(factors.scale), factors.scale
    p, q = model.user_factors_[4] / root, model.item_factors_[6] / root
    b, c = model.user_bias_[4] / scale, model.item_bias_[6] / scale
    user, item = model.users_[4], model.items_[6]
    model.partial_fit(([user], [item], [5.0]))
    e = (5.0 - factors.mean) / scale - b - c - p @ q
    np.testing.assert_allclose(model.user_factors_[4] / root, p + 0.02 * (e * q - 0.1 * p))
    np.testing.assert_allclose(model.item_factors_[6] / root, q + 0.02 * (e * p - 0.1 * q))
    assert model.user_bias_[4] / scale == pytest.approx(b + 0.02 * (e - 0.1 * b))
    assert model.item_bias_[6] / scale == pytest.approx(c + 0.02 * (e - 0.1 * c))


def test_partial_fit_first_is_fit(columns: Any) -> None:
    model = ft.MatrixFactorization(5, 4, random_state=0, n_threads=1).partial_fit(columns)
    assert_same(model, fitted(columns))


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
def test_a_loaded_model_is_trained_further_bit_for_bit(
    columns: Any, schedule: str, tmp_path: Any
) -> None:
    more = [1, 2, 999, 1], [3, 4, 3, 888], [1.0, 5.0, 3.0, 2.0]
    model = fitted(columns, learning_rate_schedule=schedule, random_state=None)
    model.partial_fit(more)
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    for _ in range(2):
        assert_same(model.partial_fit(more), again.partial_fit(more))


def test_partial_fit_adds_the_rated_items_to_those_seen(columns: Any) -> None:
    model = fitted(columns).partial_fit(([0, 999], [79, 5], [4.0, 3.0]))
    seen = vars(model)["_fitted"].seen
    assert 79 in seen.items[seen.starts[0] : seen.starts[1]]
    assert seen.items[seen.starts[60] : seen.starts[61]].tolist() == [5]


def test_an_error_in_partial_fit_leaves_the_model(columns: Any) -> None:
    model = fitted(columns)
    before = vars(model)["_fitted"]
    with pytest.raises(ValueError, match=r"ratings\[1\] is nan"):
        model.partial_fit(([1, 2], [3, 4], [1.0, np.nan]))
    with pytest.raises(TypeError, match="users are str"):
        model.partial_fit((["a"], [3], [1.0]))
    with pytest.raises(ft.DivergenceError):
        model.set_params(partial_learning_rate=1e30).partial_fit(([1] * 9, [3] * 9, [1.0] * 9))
    assert vars(model)["_fitted"] is before


def test_a_rating_that_a_loss_rejects_is_named_by_its_index(columns: Any) -> None:
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


def test_partial_fit_accepts_a_rating_far_from_its_prediction(columns: Any) -> None:
    """Regression: a large first error is not a divergence."""
    model = fitted(columns, n_epochs=40, learning_rate=0.1, regularization=0.0)
    filled = model.complete()
    user, item = np.unravel_index(filled.argmax(), filled.shape)
    before = filled.max()
    model.partial_fit(([user], [item], [model.global_mean_ - 2]))
    assert model.predict(([user], [item]))[0] < before


def test_a_warm_start_accepts_ratings_of_a_smaller_scale(columns: Any) -> None:
    users, items, ratings = columns
    model = fitted((users, items, 20 * ratings), warm_start=True)
    model.fit(columns)
    assert model.evaluate(columns)["rmse"] < np.std(ratings)


def test_divergence_names_the_learning_rate_of_partial_fit(columns: Any) -> None:
    model = fitted(columns, partial_learning_rate=1e30)
    with pytest.raises(ft.DivergenceError, match=r"partial_learning_rate=1e\+30"):
        model.partial_fit(([1] * 9, [3] * 9, [1.0] * 9))


def test_a_warm_start_without_biases_drops_the_fitted_ones(columns: Any) -> None:
    model = fitted(columns)
    model.set_params(fit_bias=False, warm_start=True).fit(columns)
    assert not model.user_bias_.any()
    assert not model.item_bias_.any()


@pytest.mark.parametrize(
    "changes", [{"fit_bias": False}, {"nonnegative": True}, {"loss": "huber"}], ids=str
)
def test_a_model_cannot_be_trained_further_with_another_rule(
    columns: Any, changes: dict[str, Any]
) -> None:
    model = fitted(columns).set_params(**changes)
    (name,) = changes
    for learn in (model.partial_fit, model.add_users):
        with pytest.raises(ValueError, match=f"{name} is .*, but the model was fitted with"):
            learn(([1], [2], [3.0]))


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
    """Regression: UnicodeDecodeError cannot be made from a message."""

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


def test_a_numpy_true_stops_training_too(columns: Any) -> None:
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


def test_a_warm_start_holds_out_the_same_ratings_again(columns: Any) -> None:
    """Regression: no rating that the model was trained on is held out."""
    model = fitted(columns, early_stopping=True, warm_start=True, random_state=None, n_epochs=1)
    first = vars(model)["_fitted"].seed
    model.fit(columns)
    assert vars(model)["_fitted"].seed == first
