"""partial_fit: one pass over further ratings, and training of loaded or emptied models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import reference
from factorate._fitted.fold_in_fixed_order import MAX_CELLS

ARRAYS = ("user_factors", "item_factors", "user_bias", "item_bias")


def fitted(columns: Any, **changes: Any) -> ft.MatrixFactorization:
    parameters: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 0, "n_threads": 1}
    return ft.MatrixFactorization(**(parameters | changes)).fit(columns)


def assert_same(a: ft.MatrixFactorization, b: ft.MatrixFactorization) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def on_the_scale_of_training(model: ft.MatrixFactorization) -> list[Any]:
    """Return P, Q and biases on the scale of `reference.train_epoch`."""
    scale = model._fitted.factors.scale
    units = np.sqrt(scale), np.sqrt(scale), scale, scale
    arrays = [getattr(model, f"{name}_") for name in ARRAYS]
    return [array / unit for array, unit in zip(arrays, units, strict=True)]


def rates_and_penalties(
    model: ft.MatrixFactorization, user: int, item: int, weight: float, rates: Any
) -> tuple[list[Any], list[Any]]:
    """Return the constants of a pass over one rating, from the counts of its user and item.

    `rates` are None for those of `partial_fit` with partial_learning_rate=0.02.
    """
    counts = [
        progress[[row], 0]
        for progress, row in zip(model._fitted.progress, (user, item), strict=True)
    ] * 2
    together = [n + weight for n in counts]
    if rates is None:
        pairs = zip(counts, together, strict=True)
        rates = [reference.partial_rates(0.02, before, n, 150.0) for before, n in pairs]
    shrinkage = 4.5, 4.5, 3.3, 2.2
    penalties = [
        reference.row_penalties(0.1, c, n, np.broadcast_to(rate, 1))
        for c, n, rate in zip(shrinkage, together, rates, strict=True)
    ]
    return rates, penalties


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
        _, penalties = rates_and_penalties(model, 4, 6, 1.0, rates)
        model.partial_fit(([4], [6], [rating]))
        reference.train_epoch(
            np.array([4]),
            np.array([6]),
            np.array([(rating - factors.mean) / factors.scale]),
            P,
            Q,
            b,
            c,
            rates=rates,
            l2=penalties,
            accumulators=expected_accumulators,
        )
    for got, wanted in zip(on_the_scale_of_training(model), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)
    assert model._fitted.accumulators is not None
    for got, wanted in zip(model._fitted.accumulators, expected_accumulators, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


@pytest.mark.parametrize("weight", [None, 0.3, 1.0])
def test_partial_fit_agrees_with_the_reference(columns: Any, weight: float | None) -> None:
    model = fitted(columns, dtype="float64", partial_learning_rate=0.02, regularization=0.1)
    factors = model._fitted.factors
    P, Q, b, c = expected = on_the_scale_of_training(model)
    sample_weight = None if weight is None else np.array([weight])
    for rating in (5.0, 0.5):
        constants = rates_and_penalties(model, 4, 6, weight or 1.0, None)
        model.partial_fit(([4], [6], [rating]), sample_weight=sample_weight)
        reference.train_epoch(
            np.array([4]),
            np.array([6]),
            np.array([(rating - factors.mean) / factors.scale]),
            P,
            Q,
            b,
            c,
            rates=constants[0],
            l2=constants[1],
            weights=sample_weight,
        )
    for got, wanted in zip(on_the_scale_of_training(model), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_new_users_and_items_are_those_of_add_users_and_add_items(columns: Any, loss: str) -> None:
    model = fitted(columns, dtype="float64", loss=loss, partial_learning_rate=1e-12)
    again = fitted(columns, dtype="float64", loss=loss)
    users, items = [900, 900, 3, 901, 3], [6, 7, 800, 800, 5]
    model.partial_fit((users, items, [5.0, 4.0, 1.0, 2.0, 3.0]))
    again.add_users(([900, 900], [6, 7], [5.0, 4.0]))
    # With the squared loss, both are exact; else, both are trained.
    relative, absolute = (1e-6, 1e-9) if loss == "squared" else (0.02, 1e-3)
    row, expected_row = model.user_factors_[60], again.user_factors_[60]
    np.testing.assert_allclose(row, expected_row, relative, absolute)
    assert model.user_bias_[60] == pytest.approx(again.user_bias_[60], rel=relative)
    assert model.users_[60:].tolist() == [900, 901]
    assert model.items_[80:].tolist() == [800]
    expected = again.add_items(([3], [800], [1.0])).item_bias_[80]
    assert np.sign(model.item_bias_[80]) == np.sign(expected)
    np.testing.assert_array_equal(model._fitted.progress[0][60:], [[2, 1], [1, 1]])


def test_many_new_users_are_nearly_those_of_add_users(columns: Any) -> None:
    """The factors of many ratings are trained, because that takes less time."""
    n = MAX_CELLS // 6 // 40 + 1
    generator = np.random.default_rng(5)
    users = np.repeat(np.arange(1000, 1000 + n), 40)
    items = np.concatenate([generator.choice(80, 40, replace=False) for _ in range(n)])
    more = users, items, generator.integers(1, 6, len(users)).astype(float)
    model = fitted(columns, partial_learning_rate=1e-12).partial_fit(more)
    exact = fitted(columns).add_users(more)
    errors = model.user_factors_[60:] - exact.user_factors_[60:]
    assert np.sqrt(np.mean(errors**2)) < 0.03 * np.abs(exact.user_factors_[60:]).max()
    np.testing.assert_array_equal(model._fitted.progress[0][60:], [[40, 1]] * n)


def test_the_sizes_of_the_factors_are_known_after_partial_fit(columns: Any) -> None:
    """They bound predictions, so that only the changed rows need to be checked."""
    model = fitted(columns)
    for pairs in (([3, 900], [7, 8]), ([3, 901], [7, 801])):
        model.partial_fit((*pairs, [50.0, -40.0]))
        factors = model._fitted.factors
        for name, size in factors.sizes._asdict().items():
            assert np.abs(getattr(factors, name)).max() <= size


def test_weighted_new_users_of_two_calls_start_differently(columns: Any) -> None:
    model = fitted(columns, dtype="float64", partial_learning_rate=1e-12)
    for user in (900, 901):
        model.partial_fit(([user], [6], [5.0]), sample_weight=[0.5])
    first, second = model.user_factors_[60:]
    assert (first > 0).all()
    assert (second > 0).all()
    assert np.abs(first - second).max() > 1e-3


def test_a_row_with_many_ratings_changes_less_than_one_with_few(columns: Any) -> None:
    users, items, ratings = (np.asarray(column) for column in columns)
    few = (users != 0) | (np.cumsum(users == 0) <= 2)
    model = fitted((users[few], items[few], ratings[few]), dtype="float64")
    before = model.predict(([0, 1], [6, 6]))
    for user, error in zip((0, 1), before, strict=True):
        model.partial_fit(([user], [6 + user], [error + 2]))
    changes = np.abs(
        model.user_bias_[:2]
        - fitted((users[few], items[few], ratings[few]), dtype="float64").user_bias_[:2]
    )
    assert changes[0] > 2 * changes[1] > 0


def test_further_ratings_extend_the_range_of_clipped_predictions(columns: Any) -> None:
    model = fitted(columns, clip=True)
    pairs = [4, 5], [6, 7]
    model.partial_fit((*pairs, [1000.0, -1000.0]))
    clipped = model.predict(pairs)
    assert clipped[0] > max(columns[2])
    assert clipped[1] < min(columns[2])
    np.testing.assert_array_equal(model.set_params(clip=False).predict(pairs), clipped)


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
def test_a_model_without_users_can_be_trained(columns: Any, schedule: str, tmp_path: Any) -> None:
    """Regression: new users get factors although there are no rows to gather."""
    empty = fitted(columns, learning_rate_schedule=schedule, dtype="float64")
    items = empty.item_factors_
    empty.remove_users(empty.users_)
    empty.save(tmp_path / "empty.npz")

    def model() -> ft.MatrixFactorization:
        loaded: ft.MatrixFactorization = ft.load(tmp_path / "empty.npz")
        return loaded

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


def test_partial_fit_of_an_unfitted_model_is_fit(columns: Any) -> None:
    model = ft.MatrixFactorization(5, 4, random_state=0, n_threads=1).partial_fit(columns)
    assert_same(model, fitted(columns))


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
def test_a_loaded_model_continues_bit_for_bit(columns: Any, schedule: str, tmp_path: Any) -> None:
    more = [1, 2, 999, 1], [3, 4, 3, 888], [1.0, 5.0, 3.0, 2.0]
    model = fitted(columns, learning_rate_schedule=schedule, random_state=None)
    model.partial_fit(more)
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    for _ in range(2):
        assert_same(model.partial_fit(more), again.partial_fit(more))


def test_partial_fit_adds_seen_items(columns: Any) -> None:
    model = fitted(columns).partial_fit(([0, 999], [79, 5], [4.0, 3.0]))
    seen = vars(model)["_fitted"].seen
    assert 79 in seen.items[seen.starts[0] : seen.starts[1]]
    assert seen.items[seen.starts[60] : seen.starts[61]].tolist() == [5]


def test_after_an_error_in_partial_fit_the_model_is_unchanged(columns: Any) -> None:
    model = fitted(columns)
    before = vars(model)["_fitted"]
    with pytest.raises(ValueError, match=r"ratings\[1\] is nan"):
        model.partial_fit(([1, 2], [3, 4], [1.0, np.nan]))
    with pytest.raises(TypeError, match="users are str"):
        model.partial_fit((["a"], [3], [1.0]))
    with pytest.raises(ft.DivergenceError):
        model.set_params(partial_learning_rate=1e30).partial_fit(([1] * 9, [3] * 9, [1.0] * 9))
    assert vars(model)["_fitted"] is before


def test_partial_fit_accepts_a_rating_far_from_its_prediction(columns: Any) -> None:
    """Regression: a large first error is not a divergence."""
    model = fitted(columns, n_epochs=40, learning_rate=0.1, regularization=0.0)
    filled = model.complete()
    user, item = np.unravel_index(filled.argmax(), filled.shape)
    before = filled.max()
    model.partial_fit(([user], [item], [model.global_mean_ - 2]))
    assert model.predict(([user], [item]))[0] < before


def test_divergence_names_the_learning_rate_of_partial_fit(columns: Any) -> None:
    model = fitted(columns, partial_learning_rate=1e30)
    with pytest.raises(ft.DivergenceError, match=r"partial_learning_rate=1e\+30"):
        model.partial_fit(([1] * 9, [3] * 9, [1.0] * 9))


@pytest.mark.parametrize(
    "changes", [{"fit_bias": False}, {"nonnegative": True}, {"loss": "huber"}], ids=str
)
def test_partial_fit_with_another_update_rule_raises(columns: Any, changes: dict[str, Any]) -> None:
    model = fitted(columns).set_params(**changes)
    (name,) = changes
    for learn in (model.partial_fit, model.add_users):
        with pytest.raises(ValueError, match=f"{name} is .*, but the model was fitted with"):
            learn(([1], [2], [3.0]))
