"""MatrixFactorizationCV: a model that chooses its settings on held-out ratings."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factorate as ft
from factorate._tuning.folds import score_fold

if TYPE_CHECKING:
    from pathlib import Path

SMALL: dict[str, Any] = {"n_trials": 8, "n_factors": 8, "random_state": 0}


@pytest.fixture(scope="module")
def ratings() -> Any:
    return ft.datasets.synthetic(6000, 200, 100, n_factors=3, noise=0.3)


@pytest.fixture(scope="module")
def fitted(ratings: Any) -> ft.MatrixFactorizationCV:
    return ft.MatrixFactorizationCV(**SMALL).fit(ratings)


def same_factors(one: Any, other: Any) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def test_the_model_is_the_one_with_the_best_parameters_on_all_ratings(
    fitted: ft.MatrixFactorizationCV, ratings: Any
) -> None:
    model = ft.MatrixFactorization(**fitted.best_params_, random_state=0).fit(ratings)
    same_factors(fitted, model)
    assert fitted.n_epochs_ == fitted.best_params_["n_epochs"]
    np.testing.assert_array_equal(fitted.predict(ratings[:2]), model.predict(ratings[:2]))


def test_the_defaults_are_a_trial_and_the_best_is_no_worse(
    fitted: ft.MatrixFactorizationCV,
) -> None:
    results = fitted.cv_results_
    first = ft.MatrixFactorization(**results["params"][0], random_state=0)
    default = ft.MatrixFactorization(n_factors=8, random_state=0)
    ratings = ft.datasets.synthetic(500, 40, 30)
    same_factors(first.fit(ratings), default.fit(ratings))
    best = int(np.argmin(results["rank_test_loss"]))
    assert results["rank_test_loss"][best] == 1
    assert results["params"][best] == fitted.best_params_
    assert results["mean_test_rmse"][best] == fitted.best_rmse_
    assert fitted.best_rmse_ < results["mean_test_rmse"][0]


def test_the_chosen_settings_are_better_for_ratings_that_were_never_seen() -> None:
    users, items, values = ft.datasets.synthetic(40_000, 400, 200, n_factors=3, noise=0.3)
    known, test = slice(36_000), slice(36_000, None)
    training = users[known], items[known], values[known]
    held_out = users[test], items[test], values[test]
    tuned = ft.MatrixFactorizationCV(12, n_factors=16, random_state=0).fit(training)
    default = ft.MatrixFactorization(16, random_state=0).fit(training)
    assert tuned.evaluate(held_out)["rmse"] < default.evaluate(held_out)["rmse"]


def test_columns_of_the_results_have_an_entry_for_each_trial(
    fitted: ft.MatrixFactorizationCV,
) -> None:
    results = fitted.cv_results_
    n = len(results["params"])
    assert {len(column) for column in results.values()} == {n}
    assert 1 < n <= 8
    assert sorted(results["rank_test_loss"]) == list(range(1, n + 1))
    folds = np.stack([v for name, v in results.items() if name.startswith("split")], axis=1)
    np.testing.assert_array_equal((~np.isnan(folds)).sum(axis=1), results["n_folds"])
    np.testing.assert_allclose(np.nanmean(folds, axis=1), results["mean_test_rmse"])
    assert (results["seconds"] > 0).all()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_threads_and_the_order_of_the_ratings_do_not_matter(
    fitted: ft.MatrixFactorizationCV, ratings: Any, n_threads: int
) -> None:
    order = np.random.default_rng(1).permutation(len(ratings[0]))
    distinct = ft.MatrixFactorizationCV(**SMALL, n_threads=n_threads)
    distinct.fit(tuple(column[order] for column in ratings))
    assert distinct.best_params_ == fitted.best_params_
    same_factors(distinct, fitted)
    for name, column in fitted.cv_results_.items():
        if name != "seconds":
            np.testing.assert_array_equal(distinct.cv_results_[name], column)


def test_parameters_that_are_set_are_not_searched(ratings: Any) -> None:
    model = ft.MatrixFactorizationCV(
        12, n_factors=5, n_epochs=3, learning_rate=0.1, regularization=None, random_state=0
    ).fit(ratings)
    for parameters in model.cv_results_["params"]:
        assert parameters["n_factors"] == 5
        assert parameters["n_epochs"] == 3
        assert parameters["learning_rate"] == 0.1
        assert parameters["regularization"] is None
    assert len({parameters["count_scale"] for parameters in model.cv_results_["params"]}) > 1
    assert model.item_factors_.shape[1] == 5


def test_if_all_parameters_are_set_only_they_are_tried(ratings: Any) -> None:
    model = ft.MatrixFactorizationCV(
        n_factors=4,
        n_epochs=2,
        learning_rate=None,
        regularization=0.02,
        shrinkage=1.0,
        count_scale=None,
        random_state=0,
    ).fit(ratings)
    assert len(model.cv_results_["params"]) == 1
    assert model.best_params_["shrinkage"] == 1.0


@pytest.mark.parametrize("n_trials", [1, 2, 5])
def test_no_more_than_n_trials_are_tried(ratings: Any, n_trials: int) -> None:
    model = ft.MatrixFactorizationCV(n_trials, n_factors=4, random_state=0).fit(ratings)
    assert len(model.cv_results_["params"]) <= n_trials


def test_after_the_seconds_only_the_defaults_have_been_tried(ratings: Any) -> None:
    model = ft.MatrixFactorizationCV(**SMALL, seconds=1e-9).fit(ratings)
    assert model.cv_results_["iter"].tolist() == [0]
    same_factors(model, ft.MatrixFactorization(8, random_state=0).fit(ratings))


def test_cv_is_the_number_of_folds(ratings: Any) -> None:
    results = ft.MatrixFactorizationCV(**SMALL, cv=3).fit(ratings).cv_results_
    assert results["n_folds"].max() == 3
    assert "split2_test_rmse" in results
    assert "split3_test_rmse" not in results


def test_an_eval_set_is_what_the_settings_are_chosen_on(ratings: Any) -> None:
    known, recent = (tuple(c[part] for c in ratings) for part in (slice(5000), slice(5000, None)))
    model = ft.MatrixFactorizationCV(**SMALL).fit(known, eval_set=recent)
    again = ft.MatrixFactorization(**model.best_params_, random_state=0).fit(known)
    same_factors(model, again)
    errors = again.evaluate(recent)
    assert model.best_rmse_ == pytest.approx(errors["rmse"], rel=1e-6)
    assert model.history_["valid_rmse"][-1] == pytest.approx(model.best_rmse_, rel=1e-6)
    with pytest.raises(ValueError, match="cv is 2, but settings are chosen on the eval_set"):
        ft.MatrixFactorizationCV(cv=2).fit(known, eval_set=recent)


def test_weights_count_in_training_and_validation(ratings: Any) -> None:
    """Ratings of little weight, which are wrong, change little."""
    users, items, values = ratings
    wrong = np.random.default_rng(0).random(len(users)) < 0.3
    noisy = np.where(wrong, -values, values)
    weights = np.where(wrong, 1e-6, 1.0)
    model = ft.MatrixFactorizationCV(**SMALL).fit((users, items, noisy), sample_weight=weights)
    unweighted = ft.MatrixFactorizationCV(**SMALL).fit((users, items, noisy))
    assert model.best_rmse_ < 0.8 * unweighted.best_rmse_
    again = ft.MatrixFactorization(**model.best_params_, random_state=0)
    same_factors(model, again.fit((users, items, noisy), sample_weight=weights))


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ({"loss": "absolute"}, None),
        ({"loss": "logistic"}, (0, 1)),
        ({"nonnegative": True, "loss": "kullback_leibler"}, (1, 2, 3)),
        ({"learning_rate_schedule": "adagrad"}, None),
        ({"fit_bias": False, "fit_mean": False, "l1_regularization": 0.01}, None),
        ({"svdpp": True}, None),
        ({"n_factors": 0}, None),
        ({"n_epochs": 0}, None),
        ({"dtype": "float64", "clip": True}, None),
    ],
)
def test_losses_and_other_options(ratings: Any, parameters: Any, values: Any) -> None:
    users, items, numbers = ratings
    if values is not None:
        numbers = np.resize(values, len(users))
    model = ft.MatrixFactorizationCV(**{**SMALL, "n_trials": 4, **parameters})
    model.fit((users, items, numbers))
    again = ft.MatrixFactorization(**{**parameters, **model.best_params_, "random_state": 0})
    same_factors(model, again.fit((users, items, numbers)))
    losses = model.cv_results_["mean_test_loss"]
    ranked = losses[np.argsort(model.cv_results_["rank_test_loss"])]
    assert ranked[0] <= losses[0]


def test_svdpp_is_tried_first_if_it_is_searched(ratings: Any) -> None:
    model = ft.MatrixFactorizationCV(4, n_factors=8, svdpp="auto", random_state=0).fit(ratings)
    results = model.cv_results_
    tried = [parameters["svdpp"] for parameters in results["params"]]
    assert tried[:2] == [False, True]
    terms = hasattr(model, "svdpp_factors_")
    assert terms == model.best_params_["svdpp"] == tried[int(results["rank_test_loss"].argmin())]


def test_fitted_models_add_remove_and_recommend(ratings: Any) -> None:
    model = ft.MatrixFactorizationCV(**SMALL).fit(ratings)
    plain = ft.MatrixFactorization(**model.best_params_, random_state=0).fit(ratings)
    best = model.best_params_
    for one in (model, plain):
        one.add_users(([900, 900], [3, 4], [1.0, 2.0])).remove_users([7])
        one.partial_fit(([901], [3], [2.0]))
    same_factors(model, plain)
    assert model.best_params_ == best
    np.testing.assert_array_equal(model.recommend(900)[0], plain.recommend(900)[0])
    np.testing.assert_array_equal(
        model.recommend_for({3: 2.0})[0], plain.recommend_for({3: 2.0})[0]
    )
    assert model.similar_items(3)[0].shape == (10,)
    assert isinstance(model.score(ratings, unknown="ignore"), float)


def test_partial_fit_of_a_new_model_searches(ratings: Any) -> None:
    model = ft.MatrixFactorizationCV(**SMALL).partial_fit(ratings)
    same_factors(model, ft.MatrixFactorizationCV(**SMALL).fit(ratings))


def test_a_saved_model_is_loaded_as_one_with_the_best_parameters(
    fitted: ft.MatrixFactorizationCV, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model.npz")
    loaded = ft.load(tmp_path / "model.npz")
    assert type(loaded) is ft.MatrixFactorization
    same_factors(loaded, fitted)
    assert {name: loaded.get_params()[name] for name in fitted.best_params_} == fitted.best_params_


def test_notebooks_show_the_model(fitted: ft.MatrixFactorizationCV) -> None:
    html = fitted._repr_html_()
    assert html is not None
    assert "MatrixFactorizationCV" in html
    assert "Training RMSE" in html


def test_pickles_keep_the_search(fitted: ft.MatrixFactorizationCV) -> None:
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    same_factors(again, fitted)
    assert again.best_params_ == fitted.best_params_
    assert again.cv_results_["params"] == fitted.cv_results_["params"]


def test_results_exist_only_after_a_fit() -> None:
    model = ft.MatrixFactorizationCV()
    assert repr(model) == "MatrixFactorizationCV()"
    for name in ("best_params_", "best_rmse_", "cv_results_"):
        with pytest.raises(ft.NotFittedError, match="MatrixFactorizationCV is not fitted"):
            getattr(model, name)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_trials": 0}, ValueError, "n_trials is 0; expected an integer ≥ 1"),
        ({"n_trials": 2.5}, TypeError, "n_trials is 2.5"),
        ({"seconds": 0}, ValueError, "seconds is 0; expected a finite number > 0"),
        ({"cv": 1}, ValueError, "cv is 1; expected an integer ≥ 2"),
        ({"n_factors": -1}, ValueError, "n_factors is -1"),
        ({"n_epochs": "many"}, TypeError, "n_epochs is 'many'; expected 'auto' or"),
        ({"svdpp": "yes"}, TypeError, "svdpp is 'yes'"),
        ({"svdpp": "auto", "nonnegative": True}, ValueError, "svdpp=True cannot be combined"),
        ({"loss": "l2"}, ValueError, "loss is 'l2'"),
    ],
)
def test_parameters_are_checked_before_the_search(
    ratings: Any, parameters: Any, error: type[Exception], message: str
) -> None:
    model = ft.MatrixFactorizationCV(**parameters)
    with pytest.raises(error, match=message):
        model.fit(ratings)
    with pytest.raises(ft.NotFittedError):
        model.predict(ratings[:2])


def test_too_few_ratings_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="there are 1 ratings for 2 folds"):
        ft.MatrixFactorizationCV().fit(([1], [1], [3.0]))
    with pytest.raises(ValueError, match="there are 3 ratings for 5 folds"):
        ft.MatrixFactorizationCV(cv=5).fit(([1, 2, 3], [1, 1, 1], [3.0, 4.0, 5.0]))
    with pytest.raises(ValueError, match="all ratings are of the same user and item"):
        ft.MatrixFactorizationCV().fit(([1, 1, 1], [1, 1, 1], [3.0, 4.0, 5.0]))


def test_an_interrupted_search_leaves_the_model_and_logs_the_best_settings(
    ratings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = ft.MatrixFactorizationCV(**SMALL).fit(ratings)
    before = pickle.dumps(model._fitted)
    n_calls = 0

    def interrupt(*arguments: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 13:
            raise KeyboardInterrupt
        return score_fold(*arguments)

    monkeypatch.setattr("factorate._tuning.tune.score_fold", interrupt)
    with caplog.at_level(logging.WARNING, "factorate"), pytest.raises(KeyboardInterrupt):
        model.fit(ratings)
    assert "the search was interrupted; the best of" in caplog.text
    assert "'n_epochs': 10" in caplog.text
    assert pickle.dumps(model._fitted) == before


def test_settings_that_diverge_are_not_chosen(ratings: Any) -> None:
    users, items, values = ratings
    model = ft.MatrixFactorizationCV(
        **SMALL, learning_rate_schedule="constant", learning_rate="auto"
    ).fit((users, items, values))
    assert np.isfinite(model.best_rmse_)
    hopeless = ft.MatrixFactorizationCV(**SMALL, learning_rate=1e9)
    message = "settings that were tried; check that learning_rate=1000000000.0 is not too high and"
    with pytest.raises(ft.DivergenceError, match=message):
        hopeless.fit((users, items, values))


@pytest.mark.parametrize(("learning_rate", "shift"), [(3.0, 0.0), ("auto", 1e5)])
def test_warnings_are_logged_of_the_fit_to_all_ratings_only(
    ratings: Any, learning_rate: Any, shift: float, caplog: pytest.LogCaptureFixture
) -> None:
    users, items, values = ratings
    ft.MatrixFactorizationCV(**SMALL, learning_rate=learning_rate).fit(
        (users, items, values + shift)
    )
    (record,) = caplog.records
    assert ("leaves few digits" if shift else "training diverged") in record.getMessage()


def test_progress_is_shown_if_verbose(ratings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ft.MatrixFactorizationCV(**SMALL, verbose=True).fit(ratings)
    shown = capsys.readouterr().err
    assert "searching" in shown
    assert "best rmse" in shown
    assert "training" in shown
    ft.MatrixFactorizationCV(**SMALL).fit(ratings)
    assert capsys.readouterr().err == ""


def test_dense_ratings_with_little_noise_are_hardly_shrunk() -> None:
    """Regression: a search around the default shrinkage had twice the error of no shrinkage."""
    generator = np.random.default_rng(0)
    exact = generator.normal(size=(60, 2)) @ generator.normal(size=(2, 40))
    users, items = np.nonzero(generator.random(exact.shape) < 0.6)
    values = exact[users, items] + 0.1 * generator.normal(size=len(users))
    columns = users, items, values
    order = generator.permutation(len(users))
    test, training = (tuple(column[rows] for column in columns) for rows in np.split(order, [300]))
    tuned = ft.MatrixFactorizationCV(random_state=0).fit(training)
    plain = ft.MatrixFactorization(random_state=0, shrinkage=0).fit(training)
    assert tuned.evaluate(test)["rmse"] < plain.evaluate(test)["rmse"]
