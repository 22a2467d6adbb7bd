"""The annotated types of the public names are correct.

Both type checkers read this file; running it proves that the values agree with the types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
from numpy.typing import NDArray

import factorate as ft

if TYPE_CHECKING:
    from pathlib import Path

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]
Found = tuple[NDArray[Any], Floats]
RATINGS = ["a", "b"], ["x", "y"], [1.0, 2.0]


def test_types_of_matrix_factorization() -> None:
    R, P, Q = assert_type(ft.datasets.textbook(), tuple[Doubles, Doubles, Doubles])
    found = assert_type(ft.matrix_factorization(R, P, Q, 3, 1), tuple[Doubles, Doubles])
    assert [rows.dtype for rows in found] == [np.float64, np.float64]


def test_types_of_a_model(tmp_path: Path) -> None:
    model = assert_type(
        ft.MatrixFactorization(2, 1, random_state=0).fit(RATINGS), ft.MatrixFactorization
    )
    assert_type(model.partial_fit(RATINGS), ft.MatrixFactorization)
    assert assert_type(model.predict((["a"], ["x"])), Floats).dtype == np.float32
    assert isinstance(assert_type(model.score(RATINGS), float), float)
    assert isinstance(assert_type(model.evaluate(RATINGS), dict[str, float])["rmse"], float)
    assert assert_type(model.user_factors_, Floats).shape == (2, 2)
    assert assert_type(model.item_bias_, Floats).shape == (2,)
    assert isinstance(assert_type(model.global_mean_, float), float)
    assert isinstance(assert_type(model.n_epochs_, int), int)
    assert assert_type(model.users_, NDArray[Any]).tolist() == ["a", "b"]
    model.save(tmp_path / "model.npz")
    again = assert_type(ft.load(tmp_path / "model.npz"), Any)
    assert again.users_.tolist() == model.users_.tolist()


def test_types_of_a_search() -> None:
    ratings = ft.datasets.synthetic(200, 30, 20)
    model = ft.MatrixFactorizationCV(2, n_factors=2, random_state=0)
    assert_type(model.fit(ratings), ft.MatrixFactorizationCV)
    assert assert_type(model.best_params_, dict[str, Any])["n_factors"] == 2
    assert assert_type(model.best_rmse_, float) > 0
    assert assert_type(model.cv_results_, dict[str, Any])["params"]
    assert_type(ft.MatrixFactorization(**model.best_params_).fit(ratings), ft.MatrixFactorization)


def test_types_of_a_search_on_interactions() -> None:
    pairs = ft.datasets.synthetic(200, 30, 20)[:2]
    model = ft.ImplicitMatrixFactorizationCV(2, n_factors=2, random_state=0)
    assert_type(model.fit(pairs), ft.ImplicitMatrixFactorizationCV)
    assert_type(model.partial_fit(pairs), ft.ImplicitMatrixFactorizationCV)
    assert assert_type(model.best_params_, dict[str, Any])["n_factors"] == 2
    assert assert_type(model.best_ndcg_, float) > 0
    assert assert_type(model.cv_results_, dict[str, Any])["params"]
    assert_type(model.unobserved_weight_, float)


def test_types_of_data_sets() -> None:
    columns = assert_type(
        ft.datasets.synthetic(20, 9, 8),
        tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    )
    assert [column.dtype for column in columns] == [np.int32, np.int32, np.float32]


def test_types_of_recommendations_and_neighbours() -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(RATINGS)
    for ids, scores in (
        assert_type(model.recommend(), Found),
        assert_type(model.recommend("a", n=1, exclude_seen=False), Found),
        assert_type(model.recommend_for({"x": 1.0}), Found),
        assert_type(model.similar_items("x"), Found),
        assert_type(model.similar_users(unknown="raise"), Found),
    ):
        assert isinstance(ids, np.ndarray)
        assert scores.dtype == np.float32
    assert assert_type(model.user_vectors(), Floats).shape == (2, 2)
    assert assert_type(model.item_vectors(augmented=True), Floats).shape == (2, 4)


if TYPE_CHECKING:  # calls that need other libraries or a network

    def others(model: ft.MatrixFactorization) -> None:
        assert_type(model.recommend(as_frame=True), Any)
        assert_type(model.recommend(as_lists=True), Any)
        assert_type(model.recommend_for({}, as_lists=True), Any)
        assert_type(model.similar_items(as_frame=True), Any)
        assert_type(model.similar_users(as_frame=True), Any)
        assert_type(model.complete(), Any)
        assert_type(model.group_users(2), NDArray[np.int32])
        assert_type(model.group_items(2), NDArray[np.int32])
        assert_type(ft.datasets.load_movielens("1m"), tuple[NDArray[Any], ...])
        assert_type(ft.LearningCurveDisplay.from_estimator(model), ft.LearningCurveDisplay)
        assert_type(ft.ResidualsDisplay.from_estimator(model, RATINGS), ft.ResidualsDisplay)
        assert_type(ft.CalibrationDisplay.from_estimator(model, RATINGS), ft.CalibrationDisplay)
        assert_type(ft.PopularityDisplay.from_estimator(model), ft.PopularityDisplay)
        assert_type(ft.TuningDisplay.from_estimator(ft.MatrixFactorizationCV()), ft.TuningDisplay)
        assert_type(ft.ItemMapDisplay.from_estimator(model), ft.ItemMapDisplay)
        assert_type(model.predict_proba(RATINGS), Floats)


def test_types_of_adding_and_removing() -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(RATINGS)
    for again in (
        assert_type(model.add_users((["c"], ["x"], [1.0])), ft.MatrixFactorization),
        assert_type(model.add_items((["a"], ["z"], [1.0])), ft.MatrixFactorization),
        assert_type(model.remove_users(["c"]), ft.MatrixFactorization),
        assert_type(model.remove_items(["z"]), ft.MatrixFactorization),
    ):
        assert again is model
    history = assert_type(model.history_, dict[str, NDArray[Any]])
    assert "epoch" in history


def test_types_of_metrics() -> None:
    assert isinstance(assert_type(ft.metrics.rmse([1.0], [2.0]), float), float)
    assert isinstance(assert_type(ft.metrics.mae([1.0], [2.0]), float), float)
    assert isinstance(assert_type(ft.metrics.r2([1.0, 2.0], [2.0, 2.0]), float), float)
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(RATINGS)
    found = assert_type(ft.metrics.ranking(model, (["a"], ["y"], [2.0])), dict[str, float])
    assert all(isinstance(value, float | int) for value in found.values())
    relevant = ["a"], ["y"]
    for metric in (
        assert_type(ft.metrics.precision([["y"]], relevant, users=["a"]), float),
        assert_type(ft.metrics.recall([["y"]], relevant, users=["a"]), float),
        assert_type(ft.metrics.capped_recall([["y"]], relevant, users=["a"]), float),
        assert_type(ft.metrics.coverage([["y"]], ["y"]), float),
        assert_type(ft.metrics.ndcg([["y"]], relevant, users=["a"]), float),
        assert_type(ft.metrics.mean_average_precision([["y"]], relevant, users=["a"]), float),
        assert_type(ft.metrics.hit_rate([["y"]], relevant, users=["a"]), float),
    ):
        assert metric == 1.0
