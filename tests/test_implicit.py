"""ImplicitMatrixFactorization: fitting, reproducibility, scores, recommendations and parameters."""

from __future__ import annotations

import copy
import io
import pickle
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import polars as pl
from optional import pyarrow as pa
from optional import scipy

import factorate as ft
from factorate._training.als_runner import LocalAlsRunner

SMALL: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 3, "n_threads": 1}


def fitted(data: Any, y: Any = None, **changes: Any) -> ft.ImplicitMatrixFactorization:
    return ft.ImplicitMatrixFactorization(**(SMALL | changes)).fit(data, y)


@pytest.fixture
def pairs(columns: Any) -> tuple[Any, Any]:
    return columns[0], columns[1]


@pytest.fixture
def counted(columns: Any) -> tuple[Any, Any, Any]:
    return columns[0], columns[1], np.ceil(columns[2])


def assert_same_bits(a: ft.ImplicitMatrixFactorization, b: ft.ImplicitMatrixFactorization) -> None:
    np.testing.assert_array_equal(a.user_factors_, b.user_factors_)
    np.testing.assert_array_equal(a.item_factors_, b.item_factors_)


def objective(model: ft.ImplicitMatrixFactorization, users: Any, items: Any, weights: Any) -> float:
    """Return the objective of the docstring, computed over the whole matrix."""
    P, Q = model.user_factors_.astype(float), model.item_factors_.astype(float)
    scores, a = P @ Q.T, model.unobserved_weight_
    n_users, n_items = np.zeros(len(P)), np.zeros(len(Q))
    np.add.at(n_users, users, weights)
    np.add.at(n_items, items, weights)
    fit = np.sum(weights * (1 - scores[users, items]) ** 2) + a * np.sum(scores**2)
    of_users = np.sum(np.sqrt(n_users + a * len(Q)) * np.sum(P**2, axis=1))
    of_items = np.sum(np.sqrt(n_items + a * len(P)) * np.sum(Q**2, axis=1))
    penalty = model.regularization * np.sqrt(model.mean_weight_) * (of_users + of_items)
    return float(fit + penalty)


# Fitting


def test_training_lowers_the_objective_which_the_history_has(
    counted: tuple[Any, Any, Any], dtype: str
) -> None:
    model = fitted(counted, n_epochs=8, dtype=dtype)
    loss = model.history_["loss"]
    assert (np.diff(loss) < 0).all()
    assert loss[-1] == pytest.approx(objective(model, *counted), rel=1e-4)
    assert list(model.history_) == ["epoch", "loss", "valid_ndcg", "seconds"]
    assert np.isnan(model.history_["valid_ndcg"]).all()
    assert (np.diff(model.history_["seconds"]) > 0).all()
    assert model.n_epochs_ == model.best_epoch_ == 8
    assert model.user_factors_.dtype == dtype
    assert model.user_factors_.shape == (60, 5)


def test_observed_pairs_score_higher_than_others(pairs: tuple[Any, Any]) -> None:
    model = fitted(pairs, n_factors=16, n_epochs=10, unobserved_weight=0.5)
    scores = model.complete()
    observed = np.zeros(scores.shape, np.bool)
    observed[pairs] = True
    assert scores[observed].mean() > 1.2 * scores[~observed].mean()


def test_alpha_gives_a_count_the_weight_of_hu_koren_and_volinsky(
    counted: tuple[Any, Any, Any],
) -> None:
    users, items, counts = counted
    weighted = fitted((users, items, (1 + 2.5 * counts).astype(np.float32)))
    assert_same_bits(fitted(counted, alpha=2.5), weighted)
    assert_same_bits(fitted((users, items), alpha=2.0), fitted((users, items, np.full(3000, 3.0))))


def test_counts_of_repeated_pairs_add_up(counted: tuple[Any, Any, Any]) -> None:
    users, items, counts = counted
    repeats = counts.astype(int)
    repeated = np.repeat(users, repeats), np.repeat(items, repeats)
    assert_same_bits(fitted(repeated), fitted(counted))
    assert_same_bits(fitted(repeated, alpha=0.5), fitted(counted, alpha=0.5))


def test_callbacks_see_each_epoch_and_can_stop_training(pairs: tuple[Any, Any]) -> None:
    losses: list[float] = []

    def third(epoch: Any) -> bool:
        losses.append(epoch.loss)
        return bool(epoch.number == 3)

    model = ft.ImplicitMatrixFactorization(**SMALL).fit(pairs, callbacks=[third])
    assert model.n_epochs_ == 3
    assert model.history_["loss"].tolist() == losses
    assert_same_bits(model, fitted(pairs, n_epochs=3))


# Reproducibility


def test_every_form_of_input_gives_the_same_model(pairs: tuple[Any, Any], tmp_path: Path) -> None:
    users, items = pairs
    frame = {"user": users, "item": items}
    path = tmp_path / "clicks.csv"
    pd.DataFrame(frame).to_csv(path, index=False)
    rated = pd.DataFrame(frame).assign(rating=4.5, timestamp=10**9)
    sparse = scipy.sparse.coo_array((np.ones(3000), (users, items)), shape=(60, 80))
    forms: list[Any] = [
        pd.DataFrame(frame),
        pl.DataFrame(frame),
        pa.table(frame),
        pa.table(frame).to_reader(),
        frame,
        rated,  # ratings are used only if they are named
        path,
        list(zip(users.tolist(), items.tolist(), strict=True)),
        (users.astype(float), items.astype(np.int16)),
        (users, items, np.ones(3000)),
        np.stack([users, items], 1),
        np.stack([users, items], 1).tolist(),
        sparse,
        sparse.tocsr().astype(np.bool),
        sparse.toarray(),
    ]
    expected = fitted(pairs)
    for form in forms:
        assert_same_bits(fitted(form), expected)
    assert_same_bits(fitted(rated, columns=("user", "item")), expected)
    wide = pd.DataFrame(frame).assign(count=1).pivot(index="user", columns="item", values="count")
    assert_same_bits(ft.ImplicitMatrixFactorization(**SMALL).fit(wide, wide=True), expected)


def test_every_form_of_counts_gives_the_same_model(
    counted: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    users, items, counts = counted
    frame = pd.DataFrame({"user": users, "item": items, "count": counts})
    path = tmp_path / "clicks.csv"
    frame.to_csv(path, index=False)
    rows = np.stack(counted, 1)
    expected = fitted(counted)
    for form in (
        frame,
        frame.rename(columns={"count": "Play_Count"}).assign(rating=3),
        pl.DataFrame(frame),
        path,
        [tuple(row) for row in rows.tolist()],
        scipy.sparse.coo_array((counts, (users, items)), shape=(60, 80)),
        (users, items, counts.tolist()),
    ):
        assert_same_bits(fitted(form), expected)
    assert_same_bits(fitted(rows[:, :2].astype(int), counts), expected)
    assert_same_bits(fitted(rows, columns=(0, 1, 2)), expected)
    renamed = frame.rename(columns={"count": "rating"})
    assert_same_bits(fitted(renamed, columns=("user", "item", "rating")), expected)
    assert_same_bits(fitted(frame, columns=("user", "item")), fitted((users, items)))


def test_results_depend_neither_on_threads_nor_on_the_order(counted: tuple[Any, Any, Any]) -> None:
    expected = fitted(counted)
    order = np.random.default_rng(0).permutation(3000)
    shuffled = tuple(column[order] for column in counted)
    for n_threads in (1, 2, 3):
        assert_same_bits(fitted(shuffled, n_threads=n_threads), expected)


def test_factors_do_not_depend_on_the_values_of_ids(pairs: tuple[Any, Any]) -> None:
    users, items = pairs
    expected = fitted(pairs)
    assert_same_bits(fitted(([f"{u:05}" for u in users], items * 7 - 9)), expected)


def test_a_seed_determines_the_factors(pairs: tuple[Any, Any]) -> None:
    assert_same_bits(fitted(pairs), fitted(pairs))
    different = fitted(pairs, random_state=4)
    assert (different.user_factors_ != fitted(pairs).user_factors_).any()
    generator = np.random.default_rng(0)
    first, second = (fitted(pairs, random_state=generator) for _ in range(2))
    assert (first.user_factors_ != second.user_factors_).any()


# Scores and recommendations


def test_a_score_is_the_dot_product_of_the_factors(pairs: tuple[Any, Any], dtype: str) -> None:
    model = fitted(pairs, dtype=dtype)
    expected = (model.user_factors_[pairs[0]] * model.item_factors_[pairs[1]]).sum(axis=1)
    scores = model.predict(pairs)
    assert scores.dtype == dtype
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.complete()[pairs], scores)


def test_an_unknown_user_has_the_mean_scores_and_an_unknown_item_0(
    pairs: tuple[Any, Any],
) -> None:
    model = fitted(pairs)
    message = "unknown users have the mean score of all users, unknown items the score 0"
    with pytest.warns(ft.UnknownIdWarning, match=message) as caught:
        scores = model.predict(([999, 0, 999, 1], [4, 999, 999, 1]))
    assert caught[0].filename == __file__
    mean = model.complete().astype(float).mean(axis=0)
    np.testing.assert_allclose(scores[:3], [mean[4], 0, 0], rtol=1e-4)
    assert scores[3] == model.predict(([1], [1]))[0]
    with pytest.warns(ft.UnknownIdWarning, match="unknown users get the items with the best mean"):
        items, best = model.recommend(999, n=80)
    assert sorted(items.tolist()) == list(range(80))
    np.testing.assert_allclose(best, mean[items], rtol=1e-4)
    assert (np.diff(best) <= 0).all()
    predicted = model.predict((np.full(80, 999), items), unknown="ignore")
    np.testing.assert_array_equal(predicted, best)


def test_recommendations_leave_out_the_interactions(pairs: tuple[Any, Any]) -> None:
    model = fitted(pairs)
    items, scores = model.recommend(n=80)
    for user in range(60):
        seen = set(pairs[1][pairs[0] == user].tolist())
        found = items[user][~np.isnan(scores[user])].tolist()
        assert sorted(found) == sorted(set(range(80)) - seen)
    with_seen, _ = model.recommend(n=80, exclude_seen=False)
    assert (np.sort(with_seen, axis=1) == np.arange(80)).all()


def test_recommend_for_equals_recommend_after_add_users(counted: tuple[Any, Any, Any]) -> None:
    model = fitted(counted)
    given = {3: 2.0, 17: 1.0, 50: 4.0}
    items, scores = model.recommend_for(given, n=5)
    assert not set(items.tolist()) & given.keys()
    added = copy.deepcopy(model).add_users(([99] * 3, list(given), list(given.values())))
    for expected, found in zip(added.recommend(99, n=5), (items, scores), strict=True):
        np.testing.assert_array_equal(found, expected)
    again = model.recommend_for((list(given), list(given.values())), n=5)
    np.testing.assert_array_equal(again[1], scores)
    assert len(model.users_) == 60


def test_recommend_for_reads_items_in_every_form(pairs: tuple[Any, Any]) -> None:
    model = fitted(pairs)
    expected = model.recommend_for([3, 17], n=5, as_lists=True)
    for given in ({3, 17}, (17, 3), np.array([17, 3]), pd.Series([3, 17]), {3: 1, 17: 1}):
        assert model.recommend_for(given, n=5, as_lists=True) == expected
    assert model.recommend_for(3, n=1, as_lists=True) == model.recommend_for([3], 1, as_lists=True)
    twice = model.recommend_for([3, 17, 3], n=5, as_lists=True)
    assert twice == model.recommend_for({3: 2, 17: 1}, n=5, as_lists=True)
    with pytest.warns(ft.UnknownIdWarning, match="their interactions are left out") as caught:
        assert model.recommend_for([3, 17, 999], n=5, as_lists=True) == expected
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match=r"counts\[0\] is 0\.0; a pair without interactions"):
        model.recommend_for({3: 0})
    with pytest.raises(ValueError, match="columns have different lengths: 1 items, 2 counts"):
        model.recommend_for(([3], [1, 2]))
    with pytest.raises(TypeError, match=r"items are str .* the ids of the model are integer"):
        model.recommend_for(["tea"])
    with pytest.raises(TypeError, match="items is None"):
        model.recommend_for(None)


def test_without_known_items_recommend_for_answers_as_for_an_unknown_user(
    pairs: tuple[Any, Any],
) -> None:
    """Regression: all scores were 0, and the items those of the first rows."""
    model = fitted(pairs)
    expected = model.recommend(999, n=5, as_lists=True, unknown="ignore")
    assert model.recommend_for([], n=5, as_lists=True) == expected
    assert model.recommend_for({}, n=5, as_lists=True) == expected
    assert model.recommend_for([999], n=5, as_lists=True, unknown="ignore") == expected
    assert expected[0][1] > 0


def test_neighbours_groups_and_vectors_are_those_of_the_factors(pairs: tuple[Any, Any]) -> None:
    model = fitted(pairs)
    _, cosines = model.similar_items(4, n=3)
    norms = np.linalg.norm(model.item_factors_, axis=1)
    expected = model.item_factors_ @ model.item_factors_[4] / norms / norms[4]
    np.testing.assert_allclose(cosines, np.sort(expected)[::-1][1:4], rtol=1e-4)
    assert model.similar_users(4, n=3)[0].shape == (3,)
    np.testing.assert_array_equal(model.user_vectors(), model.user_factors_)
    scores = model.user_vectors(augmented=True) @ model.item_vectors(augmented=True).T
    np.testing.assert_allclose(scores, model.complete(), rtol=1e-3, atol=1e-5)
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert Counter(model.group_items(3).tolist()).keys() == {0, 1, 2}


def test_evaluate_and_score_rank_held_out_interactions(pairs: tuple[Any, Any]) -> None:
    users, items = pairs
    model = fitted((users[:2500], items[:2500]))
    held_out = users[2500:], items[2500:]
    found = model.evaluate(held_out, popular=True)
    assert found == ft.metrics.ranking(model, held_out, popular=True)
    assert model.score(np.stack(held_out, 1)) == found["ndcg"]
    assert model.evaluate(held_out, n=5)["recall"] < found["recall"]
    assert model.evaluate((*held_out, np.ones(500))) == model.evaluate(held_out)


def test_there_are_no_methods_and_attributes_of_ratings(pairs: tuple[Any, Any]) -> None:
    model = fitted(pairs)
    for name in ("predict_proba", "user_bias_", "global_mean_", "classes_", "clip_"):
        assert not hasattr(model, name)
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(TypeError, match="whose scores are not ratings"):
        ft.ResidualsDisplay.from_estimator(model, (*pairs, np.ones(3000)))


# Parameters, errors and copies

BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "factors": ({"n_factors": 0}, ValueError, "n_factors is 0; expected an integer from 1 to"),
    "epochs": ({"n_epochs": 0}, ValueError, "n_epochs is 0; expected an integer ≥ 1"),
    "regularization": ({"regularization": 0}, ValueError, "regularization is 0.*> 0"),
    "unobserved": ({"unobserved_weight": -1}, ValueError, "unobserved_weight is -1.*> 0"),
    "alpha large": ({"alpha": 1e9}, ValueError, r"alpha is 1000000000\.0.* < "),
    "alpha": ({"alpha": -0.5}, ValueError, r"alpha is -0\.5.*≥ 0"),
    "alpha text": ({"alpha": "log"}, TypeError, "alpha is 'log'"),
    "patience": ({"patience": 0}, ValueError, "patience is 0"),
    "fraction": ({"validation_fraction": 1}, ValueError, "validation_fraction is 1"),
    "stopping": ({"early_stopping": 1}, TypeError, "early_stopping is 1; expected True or False"),
    "dtype": ({"dtype": "float16"}, ValueError, "dtype is 'float16'"),
    "columns": ({"columns": "user"}, ValueError, "columns is 'user'"),
    "seed": ({"random_state": -1}, ValueError, "random_state is -1"),
    "threads": ({"n_threads": 0}, ValueError, "n_threads is 0"),
    "seen": ({"keep_seen": None}, TypeError, "keep_seen is None"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_invalid_parameter_is_named_and_the_model_does_not_change(
    case: str, pairs: tuple[Any, Any]
) -> None:
    changed, error, message = BAD[case]
    model = fitted(pairs)
    before = model.user_factors_
    with pytest.raises(error, match=message):
        model.set_params(**changed).fit(pairs)
    assert model.user_factors_ is before


def test_counts_of_0_and_below_are_errors_that_say_what_to_do() -> None:
    users, items = ["a", "b"], ["x", "y"]
    model = fitted((users, items))
    before = model.user_factors_
    drop = r"counts\[1\] is 0\.0; a pair without interactions is not listed: drop that row"
    with pytest.raises(ValueError, match=drop):
        model.fit((users, items, [1, 0]))
    message = r"counts\[1\] is -2\.0; .* drop dislikes, or fit MatrixFactorization"
    for use in (model.fit, model.partial_fit, model.add_users, model.add_items):
        with pytest.raises(ValueError, match=message):
            use((users, items, [1, -2]))
    sparse = scipy.sparse.coo_array(([1.0, 0.0], ([0, 1], [0, 1])))
    with pytest.raises(ValueError, match=r"call eliminate_zeros\(\) of the matrix"):
        model.fit(sparse)
    with pytest.raises(ValueError, match=r"counts\[0\] is nan, which is not finite"):
        model.fit((users, items, [np.nan, 1]))
    with pytest.raises(ValueError, match="there are no interactions"):
        model.fit(([], []))
    assert model.user_factors_ is before


def test_counts_whose_sum_is_too_large_are_an_error(pairs: tuple[Any, Any]) -> None:
    model = fitted(pairs)
    before = model.user_factors_
    with pytest.raises(ValueError, match=r"the sum of the counts is 9e\+41; .* divide the counts"):
        model.fit((*pairs, np.full(3000, 3e38)))
    assert model.user_factors_ is before


@pytest.mark.parametrize("regularization", [1e-38, 0.25, 9e8])
def test_factors_are_finite_for_counts_of_all_sizes(
    pairs: tuple[Any, Any], regularization: float
) -> None:
    one = np.full(3000, 1e-30)
    one[0] = 1.2e27
    for counts in (one, np.full(3000, 4e23), np.full(3000, 1e-30)):
        model = fitted((*pairs, counts), regularization=regularization)
        assert np.isfinite(model.user_factors_).all()
        assert np.isfinite(model.item_factors_).all()


def test_a_very_high_regularization_makes_the_factors_vanish(pairs: tuple[Any, Any]) -> None:
    """Regression: squares of a Gram matrix below 1e-154 underflowed, and factors became NaN."""
    model = fitted(pairs, regularization=1e6, n_epochs=20, dtype="float64")
    assert 0 < np.abs(model.item_factors_).max() < 1e-90


def test_a_penalty_that_overflows_is_an_error_without_a_warning(pairs: tuple[Any, Any]) -> None:
    counts = np.full(3000, 4e23)
    with pytest.raises(ft.DivergenceError, match="not finite"):
        fitted((*pairs, counts), alpha=9e8, regularization=9e8)


def test_rows_are_added_to_a_fit_of_large_counts(counted: tuple[Any, Any, Any]) -> None:
    """Regression: a default weight of unobserved pairs above the maximum of the parameter."""
    users, items, counts = counted
    counts = 1e10 * counts
    counts[0] = 1.0
    model = fitted((users, items, counts))
    assert model.unobserved_weight_ > 1e9
    user = users[0]
    chosen = users == user
    model.add_users((np.full(chosen.sum(), 777), items[chosen], counts[chosen]))
    np.testing.assert_array_equal(model.user_factors_[-1], model.user_factors_[user])


def test_factors_that_are_not_finite_are_an_error(
    pairs: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(pairs)
    before = model.user_factors_
    monkeypatch.setattr(LocalAlsRunner, "solve_users", lambda *_: np.full((60, 5), np.nan))
    with pytest.raises(ft.DivergenceError, match="the user factors are not finite"):
        model.fit(pairs)
    assert model.user_factors_ is before


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
def test_the_scale_of_the_counts_does_not_matter(
    counted: tuple[Any, Any, Any], factor: float
) -> None:
    users, items, counts = counted
    model = fitted(counted, dtype="float64")
    scaled = fitted((users, items, factor * counts), dtype="float64")
    assert scaled.mean_weight_ == pytest.approx(factor * model.mean_weight_)
    np.testing.assert_allclose(scaled.user_factors_, model.user_factors_, rtol=1e-6)
    few = np.array([7, 7]), np.array([1, 3]), np.array([2.0, 1.0])
    model.add_users((300 + few[0], *few[1:]))
    scaled.add_users((300 + few[0], few[1], factor * few[2]))
    np.testing.assert_allclose(scaled.user_factors_[-1], model.user_factors_[-1], rtol=1e-6)


def test_methods_raise_not_fitted_error() -> None:
    model = ft.ImplicitMatrixFactorization()
    assert not hasattr(model, "user_factors_")
    for use in (
        lambda: model.predict(([1], [1])),
        lambda: model.recommend_for([1]),
        lambda: model.add_users(([1], [1])),
        lambda: model.evaluate(([1], [1])),
        lambda: model.save("never.npz"),
    ):
        with pytest.raises(ft.NotFittedError, match="this ImplicitMatrixFactorization is not fit"):
            use()


def test_without_seen_items_recommendations_must_include_them(pairs: tuple[Any, Any]) -> None:
    model = fitted(pairs, keep_seen=False)
    assert_same_bits(model, fitted(pairs))
    with pytest.raises(ValueError, match="keep_seen=False"):
        model.recommend(0)
    assert model.recommend(0, exclude_seen=False)[0].shape == (10,)
    assert model.add_users(([99], [1])).users_[-1] == 99
    with pytest.raises(ValueError, match="partial_fit needs the interactions of the fit"):
        model.partial_fit(([99], [2]))


def test_pickles_and_copies_equal_the_model(counted: tuple[Any, Any, Any]) -> None:
    model = fitted(counted)
    model.recommend_for([1])
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):  # noqa: S301
        assert_same_bits(again, model)
        assert again.get_params() == model.get_params()
        np.testing.assert_array_equal(again.recommend(1)[1], model.recommend(1)[1])
        assert not again.user_factors_.flags.writeable
        assert_same_bits(
            again.partial_fit(([0], [1])), copy.deepcopy(model).partial_fit(([0], [1]))
        )


def test_repr_and_html_show_the_model(pairs: tuple[Any, Any]) -> None:
    model = ft.ImplicitMatrixFactorization(n_factors=8, alpha=2.0)
    assert repr(model) == "ImplicitMatrixFactorization(n_factors=8, alpha=2.0)"
    held_out = pairs[0][:100], pairs[1][:100]
    model.fit((pairs[0][100:], pairs[1][100:]), eval_set=held_out)
    html = str(model._repr_html_())
    ndcg = f"{model.score(held_out):.4f}"
    for text in ("Interactions", "2,900", "Validation NDCG@10", ndcg, "loss by epoch"):
        assert text in html
    assert "RMSE" not in html


def test_progress_shows_epoch_loss_and_ndcg(pairs: tuple[Any, Any]) -> None:
    shown = io.StringIO()
    with redirect_stderr(shown):
        fitted(pairs, verbose=True, early_stopping=True, patience=4)
    for text in ("4/4", "loss ", "NDCG@10 "):
        assert text in shown.getvalue()
    with redirect_stderr(silent := io.StringIO()):
        fitted(pairs)
    assert silent.getvalue() == ""


def test_names_of_columns_are_kept() -> None:
    frame = pd.DataFrame({"customer": ["a", "b"], "item": [1, 2], "clicks": [1, 2]})
    model = fitted(frame)
    assert model.feature_names_in_.tolist() == ["customer", "item"]
    assert isinstance(model.complete(), pd.DataFrame)
    assert model.predict(frame).shape == (2,)
