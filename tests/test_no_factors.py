"""The model of biases alone, n_factors=0: every method works, or raises an error that says why."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from optional import matplotlib, present, sklearn

import factorate as ft
from factorate import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOSSES = [
    {},
    {"loss": "huber"},
    {"loss": "absolute"},
    {"nonnegative": True},
    {"loss": "kullback_leibler", "nonnegative": True},
    {"learning_rate_schedule": "adagrad"},
    {"l1_regularization": 0.01},
]


def biases_only(columns: Any, **parameters: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(**{"n_factors": 0, "random_state": 0, **parameters}).fit(columns)


@pytest.fixture
def model(columns: Any) -> ft.MatrixFactorization:
    return biases_only(columns)


@pytest.mark.parametrize("parameters", LOSSES, ids=repr)
def test_predictions_are_the_mean_plus_biases(columns: Any, parameters: Any) -> None:
    users, items, ratings = columns
    model = biases_only((users, items, np.abs(ratings)), n_epochs=20, **parameters)
    predicted = model.global_mean_ + model.user_bias_[users] + model.item_bias_[items]
    np.testing.assert_allclose(model.predict((users, items)), predicted, rtol=1e-5)
    assert model.user_bias_.any()
    assert model.item_bias_.any()
    centre = np.median(np.abs(ratings)) if parameters.get("loss") else np.abs(ratings).mean()
    assert model.evaluate((users, items, np.abs(ratings)))["rmse"] < ft.metrics.rmse(
        np.abs(ratings), np.full(len(ratings), centre)
    )


def test_the_error_is_near_that_of_the_baseline() -> None:
    """Biases alone predict held-out ratings about as well as damped biases."""
    columns = ft.datasets.synthetic(40_000, 400, 200, n_factors=2, noise=0.5)
    training, test = (tuple(c[part] for c in columns) for part in np.s_[:36_000, 36_000:])
    errors = biases_only(training).evaluate(test, baselines=training)
    assert errors["rmse"] == pytest.approx(errors["biases_rmse"], rel=0.01)


@pytest.mark.parametrize("parameters", [{}, {"learning_rate_schedule": "adagrad"}], ids=repr)
def test_the_number_of_threads_and_the_order_do_not_affect_the_bits(
    columns: Any, parameters: Any
) -> None:
    order = np.random.default_rng(1).permutation(len(columns[0]))
    one = biases_only(columns, n_threads=1, **parameters)
    other = biases_only(tuple(c[order] for c in columns), n_threads=2, **parameters)
    np.testing.assert_array_equal(one.user_bias_, other.user_bias_)
    np.testing.assert_array_equal(one.item_bias_, other.item_bias_)


def test_vectors_have_no_columns_or_two(model: ft.MatrixFactorization) -> None:
    assert model.user_factors_.shape == model.user_vectors().shape == (60, 0)
    assert model.item_factors_.shape == model.item_vectors().shape == (80, 0)
    products = model.user_vectors(augmented=True) @ model.item_vectors(augmented=True).T
    np.testing.assert_allclose(products, model.complete(), rtol=1e-5)


def test_items_are_recommended_by_their_bias(model: ft.MatrixFactorization, columns: Any) -> None:
    order = np.argsort(-model.item_bias_, kind="stable")
    for users in (model.users_, model.users_[:3]):  # two algorithms, for many and for few
        items, scores = model.recommend(users, n=7)
        for user, row, row_scores in zip(users, items, scores, strict=True):
            rated = columns[1][columns[0] == user]
            expected = order[~np.isin(order, rated)][:7]
            np.testing.assert_array_equal(
                np.sort(model.item_bias_[row])[::-1], model.item_bias_[expected]
            )
            pairs = np.full(7, user), row
            np.testing.assert_array_equal(row_scores, model.predict(pairs))
    best, _ = model.recommend(999, n=1, unknown="ignore")
    assert best[0] == order[0]


def test_equal_biases_are_ranked_by_row() -> None:
    users, items = (index.ravel() for index in np.indices((40, 30)))
    model = biases_only((users, items, np.where(users % 2, 2.0, 4.0)), n_epochs=0)
    found, _ = model.recommend(n=4, exclude_seen=False)
    assert (found == [0, 1, 2, 3]).all()


def test_files_and_pickles_keep_the_model(
    model: ft.MatrixFactorization, columns: Any, tmp_path: Path
) -> None:
    pairs = columns[:2]
    model.save(tmp_path / "m.npz")
    for mmap in (False, True):
        again = ft.load(tmp_path / "m.npz", mmap=mmap)
        assert again.get_params() == model.get_params()
        np.testing.assert_array_equal(again.predict(pairs), model.predict(pairs))
        again.add_users(([900], [1], [5.0]))
    model.save(tmp_path / "half.npz", dtype="float16")
    half = ft.load(tmp_path / "half.npz").predict(pairs)
    np.testing.assert_allclose(half, model.predict(pairs), rtol=1e-2)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    np.testing.assert_array_equal(again.predict(pairs), model.predict(pairs))


@pytest.mark.parametrize("regularization", [0.05, 0.0, {"factors": 0.0, "biases": 0.05}])
def test_a_fold_in_is_that_of_a_model_whose_factors_are_zero(
    columns: Any, regularization: Any
) -> None:
    model = biases_only(columns, dtype="float64", regularization=regularization)
    zeros = biases_only(columns, dtype="float64", regularization=regularization)
    factors = dataclasses.replace(
        zeros._fitted.factors, user_factors=np.zeros((60, 1)), item_factors=np.zeros((80, 1))
    )
    zeros._fitted = dataclasses.replace(zeros._fitted, factors=factors)
    new = [100, 100, 101, 3], [0, 1, 5, 2], [5.0, 4.0, 1.0, 2.0]
    for one in (model, zeros):
        one.add_users(new).add_items((new[1], [200, 201, 200, 201], new[2]))
    np.testing.assert_allclose(model.user_bias_, zeros.user_bias_, rtol=1e-9)
    np.testing.assert_allclose(model.item_bias_, zeros.item_bias_, rtol=1e-9)
    assert model.user_factors_.shape == (62, 0)
    assert model.item_factors_.shape == (82, 0)
    assert model.user_bias_[60] > model.user_bias_[61]


@pytest.mark.parametrize("parameters", LOSSES[1:], ids=repr)
def test_fold_ins_by_training(columns: Any, parameters: Any) -> None:
    users, items, ratings = columns
    model = biases_only((users, items, np.abs(ratings)), **parameters)
    high, low = np.abs(ratings).max(), np.abs(ratings).min()
    model.add_users(([100] * 9 + [101] * 9, [*range(9)] * 2, [high] * 9 + [low] * 9))
    assert model.user_bias_[60] > model.user_bias_[61]
    assert np.isfinite(model.user_bias_).all()


def test_recommendations_for_ratings_are_ranked_by_the_bias_of_items(
    model: ft.MatrixFactorization,
) -> None:
    best = int(np.argmax(model.item_bias_))
    items, scores = model.recommend_for({best: 1.0}, n=79)
    order = np.argsort(-model.item_bias_, kind="stable")
    np.testing.assert_array_equal(items[:3], order[1:4])
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("parameters", LOSSES, ids=repr)
def test_partial_fit_changes_the_biases_of_the_rated(columns: Any, parameters: Any) -> None:
    users, items, ratings = columns
    model = biases_only((users, items, np.abs(ratings)), **parameters)
    before = model.user_bias_.copy(), model.item_bias_.copy()
    model.partial_fit(([0, 70], [1, 90], np.abs(ratings[:2])))
    assert (np.flatnonzero(model.user_bias_[:60] != before[0]) == [0]).all()
    assert (np.flatnonzero(model.item_bias_[:80] != before[1]) == [1]).all()
    assert model.user_factors_.shape == (61, 0)
    assert model.item_factors_.shape == (81, 0)
    assert np.isfinite(model.predict(([70], [90]))).all()


@pytest.mark.parametrize("parameters", LOSSES, ids=repr)
def test_warm_starts_continue_from_the_biases(columns: Any, parameters: Any) -> None:
    users, items, ratings = columns
    ratings = np.abs(ratings)
    model = biases_only((users, items, ratings), warm_start=True, **parameters)
    before = model.user_bias_.copy()
    model.set_params(n_epochs=0).fit((users, items, ratings))
    np.testing.assert_allclose(model.user_bias_, before, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"continues from n_factors=0 .* but n_factors=2"):
        model.set_params(n_factors=2).fit((users, items, ratings))


def test_users_and_items_are_removed(model: ft.MatrixFactorization) -> None:
    model.remove_users([0]).remove_items([1, 2])
    assert model.complete().shape == (59, 78)


def test_early_stopping_and_weights(columns: Any) -> None:
    weights = np.random.default_rng(0).uniform(0, 2, len(columns[0]))
    model = ft.MatrixFactorization(0, early_stopping=True, random_state=0, n_epochs=30)
    model.fit(columns, sample_weight=weights)
    assert np.isfinite(model.history_["valid_rmse"]).all()
    np.testing.assert_allclose(
        model.history_["valid_rmse"].min(), model.history_["valid_rmse"][model.best_epoch_ - 1]
    )


def test_two_valued_ratings(columns: Any) -> None:
    users, items, _ = columns
    likes = (users % 2 == 0).astype(float)
    model = biases_only((users, items, likes), loss="logistic", n_epochs=30)
    assert ((model.predict_proba((users, items))[:, 1] > 0.5) == (likes == 1)).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.similar_items(model.items_[0]),
        lambda model: model.similar_users(model.users_[0]),
        lambda model: model.group_users(2),
        lambda model: model.group_items(2),
    ],
)
def test_what_needs_factors_raises_an_error(
    model: ft.MatrixFactorization, call: Callable[[ft.MatrixFactorization], Any]
) -> None:
    with pytest.raises(ValueError, match=r"the model has no factors \(n_factors=0\), which"):
        call(model)


def test_maps_of_items_need_factors(model: ft.MatrixFactorization) -> None:
    present(matplotlib)
    with pytest.raises(ValueError, match="which maps of items need; fit with n_factors of at lea"):
        ft.ItemMapDisplay.from_estimator(model)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"svdpp": True}, "svdpp=True needs factors, but n_factors is 0"),
        ({"fit_bias": False}, "n_factors=0 is the model of biases alone; it needs fit_bias=True"),
        ({"n_factors": -1}, "n_factors is -1; expected an integer from 0 to 65536"),
    ],
)
def test_settings_without_anything_to_train_are_rejected(
    columns: Any, parameters: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        biases_only(columns, **parameters)


def test_html_shows_no_factors(model: ft.MatrixFactorization) -> None:
    assert "<th>Factors</th><td>0</td>" in model._repr_html_()  # type: ignore[operator]


def test_scikit_learn_compares_numbers_of_factors(columns: Any) -> None:
    present(sklearn)
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(
        ft.MatrixFactorization(n_epochs=3, random_state=0), {"n_factors": [0, 2]}, cv=2
    )
    search.fit(np.stack(columns[:2], 1), columns[2])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path, model = tmp_path / "r.csv", tmp_path / "m.npz"
    rows = [f"{u},{i},{1 + (u + i) % 5}" for u in range(9) for i in range(7)]
    path.write_text("user,item,rating\n" + "\n".join(rows) + "\n")
    assert cli.main(["fit", str(path), "-o", str(model), "--factors", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_factors"] == 0
    assert cli.main(["recommend", str(model), "--with-seen", "-n", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 9 * 2
    assert cli.main(["similar", str(model)]) == 1
    assert "the model has no factors" in capsys.readouterr().err
