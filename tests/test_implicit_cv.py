"""ImplicitMatrixFactorizationCV: implicit feedback with settings chosen by NDCG."""

from __future__ import annotations

import copy
import logging
import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factorate as ft
from factorate._tuning.implicit_folds import score_implicit_fold
from factorate._tuning.search import FoldScore

if TYPE_CHECKING:
    from pathlib import Path

SMALL: dict[str, Any] = {"n_trials": 8, "n_factors": 8, "random_state": 0, "cv": 2}


def clicks(n: int, n_users: int = 200, n_items: int = 100) -> tuple[Any, Any]:
    """Return pairs of users and items, those that the users like."""
    users, items, liking = ft.datasets.synthetic(4 * n, n_users, n_items, n_factors=3, noise=0.3)
    liked = np.argsort(-liking, kind="stable")[:n]
    return users[liked], items[liked]


@pytest.fixture(scope="module")
def pairs() -> tuple[Any, Any]:
    return clicks(2500)


@pytest.fixture(scope="module")
def plays(pairs: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    return *pairs, np.random.default_rng(0).integers(1, 50, len(pairs[0]))


@pytest.fixture(scope="module")
def fitted(pairs: Any) -> ft.ImplicitMatrixFactorizationCV:
    return ft.ImplicitMatrixFactorizationCV(**SMALL).fit(pairs)


@pytest.fixture(scope="module")
def fitted_to_plays(plays: Any) -> ft.ImplicitMatrixFactorizationCV:
    return ft.ImplicitMatrixFactorizationCV(**SMALL, n_threads=2).fit(plays)


def same_factors(one: Any, other: Any) -> None:
    for name in ("user_factors_", "item_factors_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    assert one.unobserved_weight_ == other.unobserved_weight_


def test_the_model_is_the_one_with_the_best_parameters_on_all_interactions(
    fitted: ft.ImplicitMatrixFactorizationCV, pairs: Any
) -> None:
    model = ft.ImplicitMatrixFactorization(**fitted.best_params_, random_state=0).fit(pairs)
    same_factors(fitted, model)
    assert fitted.n_epochs_ == fitted.best_params_["n_epochs"]
    np.testing.assert_array_equal(fitted.predict(pairs), model.predict(pairs))


def test_the_defaults_are_a_trial_and_the_best_is_no_worse(
    fitted: ft.ImplicitMatrixFactorizationCV, pairs: Any
) -> None:
    results = fitted.cv_results_
    first = ft.ImplicitMatrixFactorization(**results["params"][0], random_state=0)
    same_factors(first.fit(pairs), ft.ImplicitMatrixFactorization(8, random_state=0).fit(pairs))
    best = int(np.argmin(results["rank_test_ndcg"]))
    assert results["rank_test_ndcg"][best] == 1
    assert results["params"][best] == fitted.best_params_
    assert results["mean_test_ndcg"][best] == fitted.best_ndcg_
    assert fitted.best_ndcg_ > results["mean_test_ndcg"][0]


def test_the_chosen_settings_are_better_for_interactions_that_were_never_seen() -> None:
    users, items = clicks(6000, 400, 200)
    test = np.random.default_rng(0).random(len(users)) < 0.1
    training, held_out = (users[~test], items[~test]), (users[test], items[test])
    tuned = ft.ImplicitMatrixFactorizationCV(12, random_state=0).fit(training)
    default = ft.ImplicitMatrixFactorization(random_state=0).fit(training)
    assert tuned.evaluate(held_out)["ndcg"] > 1.02 * default.evaluate(held_out)["ndcg"]


def test_columns_of_the_results_have_an_entry_for_each_trial(
    fitted: ft.ImplicitMatrixFactorizationCV,
) -> None:
    results = fitted.cv_results_
    n = len(results["params"])
    assert {len(column) for column in results.values()} == {n}
    assert 1 < n <= 8
    assert sorted(results["rank_test_ndcg"]) == list(range(1, n + 1))
    folds = np.stack([results[f"split{fold}_test_ndcg"] for fold in range(2)], axis=1)
    np.testing.assert_array_equal((~np.isnan(folds)).sum(axis=1), results["n_folds"])
    np.testing.assert_allclose(np.nanmean(folds, axis=1), results["mean_test_ndcg"])
    assert (results["seconds"] > 0).all()
    assert not [name for name in results if "rmse" in name or "loss" in name]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_threads_and_the_order_of_the_interactions_do_not_matter(
    fitted_to_plays: ft.ImplicitMatrixFactorizationCV, plays: Any, n_threads: int
) -> None:
    order = np.random.default_rng(1).permutation(len(plays[0]))
    expected = fitted_to_plays
    found = ft.ImplicitMatrixFactorizationCV(**SMALL, n_threads=n_threads)
    found.fit(tuple(column[order] for column in plays))
    assert found.best_params_ == expected.best_params_
    same_factors(found, expected)
    for name, column in expected.cv_results_.items():
        if name != "seconds":
            np.testing.assert_array_equal(found.cv_results_[name], column)


def test_parameters_that_are_set_are_not_searched(plays: Any) -> None:
    model = ft.ImplicitMatrixFactorizationCV(
        12, n_factors=5, n_epochs=3, unobserved_weight=0.2, alpha=0.5, random_state=0
    ).fit(plays)
    fixed = {"n_factors": 5, "n_epochs": 3, "unobserved_weight": 0.2, "alpha": 0.5}
    for parameters in model.cv_results_["params"]:
        assert {name: parameters[name] for name in fixed} == fixed
    assert len({parameters["regularization"] for parameters in model.cv_results_["params"]}) > 3
    assert model.item_factors_.shape[1] == 5
    assert model.unobserved_weight_ == 0.2


def test_if_all_parameters_are_set_only_they_are_tried(pairs: Any) -> None:
    model = ft.ImplicitMatrixFactorizationCV(
        n_factors=4,
        n_epochs=2,
        regularization=0.3,
        unobserved_weight=None,
        alpha=None,
        random_state=0,
    ).fit(pairs)
    assert len(model.cv_results_["params"]) == 1
    assert model.best_params_["regularization"] == 0.3
    same_factors(
        model, ft.ImplicitMatrixFactorization(**model.best_params_, random_state=0).fit(pairs)
    )


def test_alpha_is_searched_if_there_are_counts(pairs: Any, plays: Any) -> None:
    """The counts are random, so weights that hardly depend on them are the best."""
    without, with_counts = (
        ft.ImplicitMatrixFactorizationCV(12, n_factors=8, cv=2, random_state=0).fit(data)
        for data in (pairs, plays)
    )
    assert {parameters["alpha"] for parameters in without.cv_results_["params"]} == {None}
    tried = [parameters["alpha"] for parameters in with_counts.cv_results_["params"]]
    assert tried[0] is None
    assert with_counts.best_params_["alpha"] < 0.2
    model = ft.ImplicitMatrixFactorization(**with_counts.best_params_, random_state=0).fit(plays)
    same_factors(with_counts, model)


@pytest.mark.parametrize("n_trials", [1, 2, 5])
def test_no_more_than_n_trials_are_tried(pairs: Any, n_trials: int) -> None:
    model = ft.ImplicitMatrixFactorizationCV(n_trials, n_factors=4, cv=2, random_state=0)
    model.fit(pairs)
    assert len(model.cv_results_["params"]) <= n_trials


def test_after_the_seconds_only_the_defaults_have_been_tried(pairs: Any) -> None:
    model = ft.ImplicitMatrixFactorizationCV(**SMALL, seconds=1e-9).fit(pairs)
    assert model.cv_results_["iter"].tolist() == [0]
    same_factors(model, ft.ImplicitMatrixFactorization(8, random_state=0).fit(pairs))


def test_an_eval_set_is_what_the_settings_are_chosen_on(pairs: Any) -> None:
    users, items = pairs
    is_recent = np.random.default_rng(0).random(len(users)) < 0.1
    known = users[~is_recent], items[~is_recent]
    is_recent &= np.isin(users, known[0])
    recent = users[is_recent], items[is_recent]
    parameters = {**SMALL, "cv": None}
    model = ft.ImplicitMatrixFactorizationCV(**parameters).fit(known, eval_set=recent)
    again = ft.ImplicitMatrixFactorization(**model.best_params_, random_state=0)
    same_factors(model, again.fit(known))
    assert model.history_["valid_ndcg"][-1] == model.best_ndcg_
    assert again.evaluate(recent)["ndcg"] == pytest.approx(model.best_ndcg_)
    with pytest.raises(ValueError, match="cv is 2, but settings are chosen on the eval_set"):
        ft.ImplicitMatrixFactorizationCV(cv=2).fit(known, eval_set=recent)


def test_counts_are_used_in_every_form(
    fitted_to_plays: ft.ImplicitMatrixFactorizationCV, plays: Any
) -> None:
    users, items, counts = plays
    found = ft.ImplicitMatrixFactorizationCV(**SMALL).fit((users, items), counts)
    same_factors(found, fitted_to_plays)
    log = np.repeat(users, counts), np.repeat(items, counts)
    events = ft.ImplicitMatrixFactorizationCV(**SMALL).fit(log)
    assert {parameters["n_factors"] for parameters in events.cv_results_["params"]} == {8}
    again = ft.ImplicitMatrixFactorization(**events.best_params_, random_state=0).fit(plays)
    same_factors(events, again)


def test_fitted_models_add_remove_and_recommend(
    fitted_to_plays: ft.ImplicitMatrixFactorizationCV, plays: Any
) -> None:
    model = copy.deepcopy(fitted_to_plays)
    plain = ft.ImplicitMatrixFactorization(**model.best_params_, random_state=0).fit(plays)
    best = model.best_params_
    for one in (model, plain):
        one.add_users(([900, 900], [3, 4], [1.0, 2.0])).remove_users([7])
        one.add_items(([1, 2], [700, 700]))
        one.partial_fit(([901], [3], [2.0]))
    same_factors(model, plain)
    assert model.best_params_ == best
    np.testing.assert_array_equal(model.recommend(900)[0], plain.recommend(900)[0])
    np.testing.assert_array_equal(
        model.recommend_for({3: 2.0})[1], plain.recommend_for({3: 2.0})[1]
    )
    assert model.similar_items(3)[0].shape == (10,)
    assert model.evaluate(([1, 2], [50, 60])) == plain.evaluate(([1, 2], [50, 60]))


def test_partial_fit_of_a_new_model_searches(
    fitted: ft.ImplicitMatrixFactorizationCV, pairs: Any
) -> None:
    same_factors(ft.ImplicitMatrixFactorizationCV(**SMALL).partial_fit(pairs), fitted)


def test_a_saved_model_is_loaded_as_one_with_the_best_parameters(
    fitted: ft.ImplicitMatrixFactorizationCV, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model.npz")
    loaded = ft.load(tmp_path / "model.npz")
    assert type(loaded) is ft.ImplicitMatrixFactorization
    same_factors(loaded, fitted)
    assert {name: loaded.get_params()[name] for name in fitted.best_params_} == fitted.best_params_


def test_notebooks_show_the_model(fitted: ft.ImplicitMatrixFactorizationCV) -> None:
    html = fitted._repr_html_()
    assert html is not None
    assert "ImplicitMatrixFactorizationCV" in html


def test_pickles_keep_the_search(fitted: ft.ImplicitMatrixFactorizationCV) -> None:
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    same_factors(again, fitted)
    assert again.best_params_ == fitted.best_params_
    assert again.cv_results_["params"] == fitted.cv_results_["params"]


def test_results_exist_only_after_a_fit() -> None:
    model = ft.ImplicitMatrixFactorizationCV()
    assert repr(model) == "ImplicitMatrixFactorizationCV()"
    for name in ("best_params_", "best_ndcg_", "cv_results_"):
        with pytest.raises(ft.NotFittedError, match="ImplicitMatrixFactorizationCV is not fitted"):
            getattr(model, name)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_trials": 0}, ValueError, "n_trials is 0; expected an integer ≥ 1"),
        ({"seconds": 0}, ValueError, "seconds is 0; expected a finite number > 0"),
        ({"cv": 1}, ValueError, "cv is 1; expected an integer ≥ 2"),
        ({"n_factors": 0}, ValueError, "n_factors is 0"),
        (
            {"alpha": "log"},
            TypeError,
            "alpha is 'log'; expected 'auto' or a value for ImplicitMatrixFactorization",
        ),
        ({"regularization": -1}, ValueError, "regularization is -1"),
        ({"regularization": None}, TypeError, "regularization is None"),
    ],
)
def test_parameters_are_checked_before_the_search(
    pairs: Any, parameters: Any, error: type[Exception], message: str
) -> None:
    model = ft.ImplicitMatrixFactorizationCV(**parameters)
    with pytest.raises(error, match=message):
        model.fit(pairs)
    with pytest.raises(ft.NotFittedError):
        model.predict(pairs)


def test_too_few_interactions_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="there are 1 interactions for 2 folds"):
        ft.ImplicitMatrixFactorizationCV().fit(([1], [1]))
    with pytest.raises(ValueError, match="there are 3 interactions for 5 folds"):
        ft.ImplicitMatrixFactorizationCV(cv=5).fit(([1, 2, 3], [1, 1, 1]))
    with pytest.raises(ValueError, match="no user has two items"):
        ft.ImplicitMatrixFactorizationCV().fit(([1, 2, 3], [1, 2, 1]))


def test_an_interrupted_search_leaves_the_model_and_logs_the_best_settings(
    fitted: ft.ImplicitMatrixFactorizationCV,
    pairs: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = copy.deepcopy(fitted)
    before = pickle.dumps(model._fitted)
    n_calls = 0

    def interrupt(*arguments: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 5:
            raise KeyboardInterrupt
        return score_implicit_fold(*arguments)

    monkeypatch.setattr("factorate._tuning.implicit_tune.score_implicit_fold", interrupt)
    with caplog.at_level(logging.WARNING, "factorate"), pytest.raises(KeyboardInterrupt):
        model.fit(pairs)
    assert "the search was interrupted; the best of" in caplog.text
    assert "validation NDCG" in caplog.text
    assert pickle.dumps(model._fitted) == before


def diverging(n_calls: int) -> Any:
    """Return the scores of training that diverges with the first settings."""

    def score(*arguments: Any) -> FoldScore:
        nonlocal n_calls
        n_calls -= 1
        if n_calls >= 0:
            return FoldScore(math.inf, -math.inf, 1.0)
        return score_implicit_fold(*arguments)

    return score


def test_settings_that_diverge_are_not_chosen(pairs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "factorate._tuning.implicit_tune.score_implicit_fold"
    monkeypatch.setattr(name, diverging(3))
    model = ft.ImplicitMatrixFactorizationCV(**SMALL).fit(pairs)
    assert np.isfinite(model.best_ndcg_)
    metrics = model.cv_results_["mean_test_ndcg"]
    assert metrics[0] == -math.inf
    monkeypatch.setattr(name, diverging(1000))
    before = model.user_factors_
    with pytest.raises(ft.DivergenceError, match="settings that were tried; use lower counts"):
        model.fit(pairs)
    assert model.user_factors_ is before


def test_a_progress_bar_shows_the_trials(pairs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ft.ImplicitMatrixFactorizationCV(**SMALL, verbose=True).fit(pairs)
    shown = capsys.readouterr().err
    assert "searching" in shown
    assert "best ndcg 0." in shown
    assert "training" in shown
