"""The model works with the tools of scikit-learn, and without scikit-learn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
import sklearn
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_html_repr
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted

import factorate as ft

pytestmark = pytest.mark.filterwarnings("ignore::factorate.UnknownIdWarning")


@pytest.fixture
def pairs(columns: Any) -> tuple[Any, Any]:
    return np.stack(columns[:2], 1), columns[2]


def model() -> ft.MatrixFactorization:
    return ft.MatrixFactorization(n_factors=4, n_epochs=3, random_state=0)


OLD = tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9)
list_is_current = pytest.mark.skipif(OLD, reason="the checks are those of scikit-learn 1.9")

TWO_COLUMNS = "X does not have two columns; the models take pairs of user and item"
WHOLE_IDS = (
    "X has ids that are fractions, which are rejected because two can differ by a rounding error"
)
REASONS = {
    "check_n_features_in_after_fitting": TWO_COLUMNS,
    "check_fit2d_1sample": TWO_COLUMNS + "; the error says so, and not that one row is too few",
    "check_estimators_nan_inf": WHOLE_IDS
    + "; the error names the fraction, which comes before the NaN",
    "check_sample_weight_equivalence_on_dense_data": WHOLE_IDS,
    "check_supervised_y_2d": "a column of ratings, of shape (n, 1), is read without a warning",
}
# These fail for the number of columns alone: they pass for a model that reads the first two.
ONLY_TWO_COLUMNS = (
    "check_all_zero_sample_weights_error",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_predict1d",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_regressor_data_not_an_array",
    "check_regressors_int",
    "check_regressors_no_decision_function",
    "check_regressors_train",
    "check_sample_weights_list",
)


class ReadFirstTwoColumns:
    """Mixin that ignores the third and later columns of X, so that more checks can run."""

    def _parent(self) -> Any:
        return super()

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **others: Any) -> Any:
        return self._parent().fit(first_two(X), y, sample_weight, **others)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None, **others: Any) -> Any:
        return self._parent().partial_fit(first_two(X), y, sample_weight, **others)

    def predict(self, X: Any, **others: Any) -> Any:
        return self._parent().predict(first_two(X), **others)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, **others: Any) -> Any:
        return self._parent().score(first_two(X), y, sample_weight, **others)


class FirstTwoColumns(ReadFirstTwoColumns, ft.MatrixFactorization):
    """`MatrixFactorization` for the checks."""


class FirstTwoColumnsCV(ReadFirstTwoColumns, ft.MatrixFactorizationCV):
    """`MatrixFactorizationCV` for the checks."""


def first_two(X: Any) -> Any:
    array = np.asarray(X)
    return array[:, :2] if array.ndim == 2 and array.shape[1] > 2 else X


def check_name(value: Any) -> str:
    """Return the name of a check, or the class of an estimator."""
    function = getattr(value, "func", value)
    return getattr(function, "__name__", type(value).__name__)


def conventions(estimator: Any, expected_failures: dict[str, str]) -> pytest.MarkDecorator:
    """Parametrize a test with scikit-learn's checks of an estimator."""
    checks = list(
        estimator_checks_generator(
            estimator, expected_failed_checks=expected_failures, mark="xfail"
        )
    )
    return pytest.mark.parametrize(("estimator", "check"), checks, ids=check_name)


@list_is_current
@conventions(model(), REASONS | dict.fromkeys(ONLY_TWO_COLUMNS, TWO_COLUMNS))
def test_conventions_of_estimators_hold(estimator: Any, check: Any) -> None:
    """The checks listed above fail; one that passes fails this test, by pytest's xfail_strict."""
    check(estimator)


@list_is_current
@conventions(
    FirstTwoColumns(n_factors=4, n_epochs=3, random_state=0),
    {name: reason for name, reason in REASONS.items() if name != "check_fit2d_1sample"},
)
def test_conventions_hold_if_only_two_columns_are_read(estimator: Any, check: Any) -> None:
    check(estimator)


class ReadFirstTwoColumnsImplicit:
    """The same mixin for models of implicit feedback, which have no sample_weight."""

    def _parent(self) -> Any:
        return super()

    def fit(self, X: Any, y: Any = None, **others: Any) -> Any:
        return self._parent().fit(first_two(X), y, **others)

    def partial_fit(self, X: Any, y: Any = None, **others: Any) -> Any:
        return self._parent().partial_fit(first_two(X), y, **others)

    def predict(self, X: Any, **others: Any) -> Any:
        return self._parent().predict(first_two(X), **others)

    def score(self, X: Any, y: Any = None) -> Any:
        return self._parent().score(first_two(X), y)


class FirstTwoColumnsImplicit(ReadFirstTwoColumnsImplicit, ft.ImplicitMatrixFactorization):
    """`ImplicitMatrixFactorization` for the checks."""


class FirstTwoColumnsImplicitCV(ReadFirstTwoColumnsImplicit, ft.ImplicitMatrixFactorizationCV):
    """`ImplicitMatrixFactorizationCV` for the checks."""


ONLY_NEW_PAIRS = "score ranks pairs that were not used in training, and X has those of training"
IMPLICIT_REASONS = {
    "check_n_features_in_after_fitting": TWO_COLUMNS,
    "check_estimators_nan_inf": REASONS["check_estimators_nan_inf"],
    "check_fit_score_takes_y": ONLY_NEW_PAIRS,
    "check_pipeline_consistency": ONLY_NEW_PAIRS,
}
# As ONLY_TWO_COLUMNS, without the checks of regressors and of sample_weight.
IMPLICIT_ONLY_TWO_COLUMNS = (
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_positive_only_tag_during_fit",
)


@list_is_current
@conventions(
    ft.ImplicitMatrixFactorization(n_factors=4, n_epochs=3, random_state=0),
    IMPLICIT_REASONS | dict.fromkeys(IMPLICIT_ONLY_TWO_COLUMNS, TWO_COLUMNS),
)
def test_conventions_hold_for_a_model_of_implicit_feedback(estimator: Any, check: Any) -> None:
    check(estimator)


@list_is_current
@conventions(
    FirstTwoColumnsImplicit(n_factors=4, n_epochs=3, random_state=0),
    IMPLICIT_REASONS,
)
def test_conventions_hold_for_implicit_feedback_if_only_two_columns_are_read(
    estimator: Any, check: Any
) -> None:
    check(estimator)


def searching(cls: Any) -> Any:
    return cls(n_trials=3, n_factors=4, n_epochs=3, random_state=0)


@list_is_current
@conventions(
    searching(ft.MatrixFactorizationCV), REASONS | dict.fromkeys(ONLY_TWO_COLUMNS, TWO_COLUMNS)
)
def test_conventions_hold_for_a_model_that_searches(estimator: Any, check: Any) -> None:
    check(estimator)


@list_is_current
@conventions(
    searching(FirstTwoColumnsCV),
    REASONS
    | {"check_fit2d_1sample": "one rating cannot be held out and trained on, as the error says"},
)
def test_conventions_hold_for_a_model_that_searches_and_reads_two_columns(
    estimator: Any, check: Any
) -> None:
    check(estimator)


@list_is_current
@conventions(
    searching(ft.ImplicitMatrixFactorizationCV),
    IMPLICIT_REASONS | dict.fromkeys(IMPLICIT_ONLY_TWO_COLUMNS, TWO_COLUMNS),
)
def test_conventions_hold_for_a_search_on_implicit_feedback(estimator: Any, check: Any) -> None:
    check(estimator)


@list_is_current
@conventions(
    searching(FirstTwoColumnsImplicitCV),
    IMPLICIT_REASONS
    | {
        "check_fit2d_1sample": "one pair cannot be held out and trained on, as the error says",
        "check_estimators_pickle": "no user has two items, which the error says it needs",
    },
)
def test_conventions_hold_for_a_search_on_the_first_two_columns(estimator: Any, check: Any) -> None:
    check(estimator)


def test_cross_validation_of_a_model_that_searches(pairs: tuple[Any, Any]) -> None:
    estimator = searching(ft.MatrixFactorizationCV)
    X, y = pairs
    train, test = next(KFold(2).split(X))
    expected = clone(estimator).fit(X[train], y[train]).score(X[test], y[test])
    assert cross_val_score(estimator, X, y, cv=2)[0] == expected


def test_tools_of_scikit_learn_rank_the_interactions_of_each_fold(pairs: tuple[Any, Any]) -> None:
    """No y is passed: score is the NDCG on the interactions held out."""
    X = pairs[0]
    estimator = ft.ImplicitMatrixFactorization(n_factors=4, n_epochs=3, random_state=0)
    folds = KFold(3, shuffle=True, random_state=0)
    train, test = next(folds.split(X))
    expected = clone(estimator).fit(X[train]).score(X[test])
    assert cross_val_score(estimator, X, cv=folds)[0] == expected
    search = GridSearchCV(estimator, {"regularization": [0.1, 1e4]}, cv=folds).fit(X)
    assert search.best_params_ == {"regularization": 0.1}
    refitted = clone(estimator).set_params(regularization=0.1).fit(X)
    np.testing.assert_array_equal(search.predict(X), refitted.predict(X))
    assert not is_regressor(estimator)
    assert "ImplicitMatrixFactorization" in estimator_html_repr(estimator)


def test_counts_of_folds_are_their_y(pairs: tuple[Any, Any]) -> None:
    X, counts = pairs[0], np.ceil(pairs[1])
    estimator = ft.ImplicitMatrixFactorization(n_factors=4, n_epochs=3, random_state=0)
    train, test = next(KFold(3).split(X))
    expected = clone(estimator).fit(X[train], counts[train]).score(X[test])
    assert cross_val_score(estimator, X, counts, cv=3)[0] == expected
    assert cross_val_score(estimator, X, cv=3)[0] != expected


def test_model_is_a_base_estimator() -> None:
    assert isinstance(model(), BaseEstimator)
    assert repr(model()) == "MatrixFactorization(n_factors=4, n_epochs=3, random_state=0)"


def test_subclasses_with_a_base_estimator_of_their_own_work() -> None:
    """Python rejects a base class that would reorder those of a subclass."""
    code = """
import factorate as ft
from sklearn.base import BaseEstimator, RegressorMixin
class Right(ft.MatrixFactorization, RegressorMixin, BaseEstimator): pass
class Left(BaseEstimator, ft.MatrixFactorization): pass
ratings = [1, 2], ["a", "b"], [1.0, 2.0]
print([type(cls(2).fit(ratings)).__name__ for cls in (Left, Right, ft.MatrixFactorization)])
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "['Left', 'Right', 'MatrixFactorization']\n", done.stderr


@pytest.mark.parametrize("first", ["factorate", "sklearn.base"])
def test_the_order_of_imports_does_not_matter(first: str) -> None:
    code = f"""
import {first}
import pickle, factorate as ft
early = ft.MatrixFactorization(2, random_state=0).fit(([1, 2], ["a", "b"], [1.0, 2.0]))
stored = pickle.dumps(early)
from sklearn.base import BaseEstimator, clone, is_regressor
print(is_regressor(early), isinstance(early, BaseEstimator))
print(isinstance(clone(early), BaseEstimator))
print((pickle.loads(stored).user_factors_ == early.user_factors_).all())
print((pickle.loads(pickle.dumps(early)).user_factors_ == early.user_factors_).all())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True True\nTrue\nTrue\nTrue\n", done.stderr


def test_names_and_number_of_columns_are_those_of_pairs(pairs: tuple[Any, Any]) -> None:
    X, y = pairs
    fitted = model()
    assert not hasattr(fitted, "n_features_in_")
    assert not hasattr(fitted.fit(X, y), "feature_names_in_")
    assert fitted.n_features_in_ == 2
    frame = pd.DataFrame({"stars": y, "film": X[:, 1], "viewer": X[:, 0]})
    named = model().set_params(columns=("viewer", "film", "stars")).fit(frame)
    assert named.feature_names_in_.tolist() == ["viewer", "film"]
    assert named.n_features_in_ == 2
    renamed = frame.rename(columns={"viewer": "user"})[["user", "film"]]
    search = GridSearchCV(model(), {"n_epochs": [1]}, cv=2).fit(renamed, y)
    assert search.feature_names_in_.tolist() == ["user", "film"]
    assert not hasattr(model().fit(pd.DataFrame(X), y), "feature_names_in_")


def test_notebooks_show_the_model_and_pipelines_with_its_fitted_attributes(
    pairs: tuple[Any, Any],
) -> None:
    fitted: Any = model().fit(*pairs)
    bundle = fitted._repr_mimebundle_()
    assert bundle == {"text/plain": repr(fitted), "text/html": fitted._repr_html_()}
    assert "Training RMSE" in bundle["text/html"]
    html = estimator_html_repr(make_pipeline(FunctionTransformer(), model()).fit(*pairs))
    assert "MatrixFactorization" in html
    assert OLD or "user_factors_" in html
    with config_context(display="text"):
        assert fitted._repr_html_() is None
        assert fitted._repr_mimebundle_() == {"text/plain": repr(fitted)}


def test_clone_copies_parameters_and_not_the_fit(pairs: tuple[Any, Any]) -> None:
    copy = clone(model().fit(*pairs))
    assert copy.get_params() == model().get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    check_is_fitted(copy.fit(*pairs))


def test_model_is_a_regressor() -> None:
    assert is_regressor(model())


def test_cross_validation(pairs: tuple[Any, Any]) -> None:
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(model(), *pairs, cv=folds)
    assert scores.shape == (3,)
    train, test = next(folds.split(pairs[0]))
    expected = model().fit(pairs[0][train], pairs[1][train]).score(pairs[0][test], pairs[1][test])
    assert scores[0] == expected
    errors = cross_val_score(model(), *pairs, cv=folds, scoring="neg_root_mean_squared_error")
    assert (errors < 0).all()


def test_frames_and_text_ids_score_as_arrays_do(pairs: tuple[Any, Any]) -> None:
    X, y = pairs
    expected = cross_val_score(model(), X, y, cv=3)
    frame = pd.DataFrame({"user": X[:, 0], "item": X[:, 1]})
    np.testing.assert_array_equal(cross_val_score(model(), frame, y, cv=3), expected)
    # Padded, the text sorts as the numbers do: rows and so bits are the same.
    text = np.char.mod("%05d", X)
    np.testing.assert_array_equal(cross_val_score(model(), text, y, cv=3), expected)


def test_cross_validate_returns_several_scores_and_the_models(pairs: tuple[Any, Any]) -> None:
    scoring = ["r2", "neg_root_mean_squared_error", "neg_mean_absolute_error"]
    X, y = pairs
    found = cross_validate(model(), X, y, cv=2, scoring=scoring, return_estimator=True)
    _, test = list(KFold(2).split(X))[1]
    scores = found["estimator"][1].evaluate(X[test], y[test])
    assert found["test_neg_root_mean_squared_error"][1] == pytest.approx(-scores["rmse"])
    assert found["test_neg_mean_absolute_error"][1] == pytest.approx(-scores["mae"])
    assert found["test_r2"][1] == pytest.approx(
        found["estimator"][1].score(X[test], y[test]), rel=1e-5
    )


def test_cross_val_predict_uses_the_model_of_each_fold(
    pairs: tuple[Any, Any],
) -> None:
    X, y = pairs
    train, test = next(KFold(3).split(X))
    predicted = cross_val_predict(model(), X, y, cv=3)
    np.testing.assert_array_equal(predicted[test], model().fit(X[train], y[train]).predict(X[test]))


def test_grid_search_keeps_the_best_and_refits_it(pairs: tuple[Any, Any]) -> None:
    X, y = pairs
    grid = {"n_epochs": [0, 5], "regularization": [0.02, 0.1]}
    search = GridSearchCV(model(), grid, cv=2, scoring="neg_root_mean_squared_error").fit(X, y)
    errors = -search.cv_results_["mean_test_score"]
    assert search.best_params_ == search.cv_results_["params"][errors.argmin()]
    assert search.best_estimator_.n_epochs_ == search.best_params_["n_epochs"]
    expected = model().set_params(**search.best_params_).fit(X, y)
    np.testing.assert_array_equal(search.predict(X), expected.predict(X))


def test_score_uses_sample_weights_as_other_regressors_do(pairs: tuple[Any, Any]) -> None:
    X, y = pairs
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    fitted = model().fit(X, y)
    expected = r2_score(y, fitted.predict(X).astype(float), sample_weight=weights)
    assert fitted.score(X, y, sample_weight=weights) == pytest.approx(expected)
    assert fitted.score(X, y, np.ones(len(y))) == pytest.approx(fitted.score(X, y))
    assert fitted.score(X, y) != pytest.approx(expected)


def test_grid_search_routes_sample_weights_to_fit_and_score(pairs: tuple[Any, Any]) -> None:
    X, y = pairs
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    expected = [
        model().fit(X[train], y[train], weights[train]).score(X[test], y[test], weights[test])
        for train, test in KFold(2).split(X)
    ]
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(model(), {"n_factors": [4]}, cv=2, error_score="raise")
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            search.fit(X, y, sample_weight=weights)
        asking = model().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(asking, {"n_factors": [4]}, cv=2).fit(X, y, sample_weight=weights)
        scores = [search.cv_results_[f"split{fold}_test_score"][0] for fold in range(2)]
        assert scores == pytest.approx(expected)
        renamed = clone(asking).set_score_request(sample_weight="importance")
        found = cross_validate(
            renamed, X, y, cv=2, params={"sample_weight": weights, "importance": np.ones(len(y))}
        )
        assert found["test_score"] != pytest.approx(expected)
        assert asking.set_partial_fit_request(sample_weight=False) is asking


def test_grid_search_raises_for_an_invalid_parameter(pairs: tuple[Any, Any]) -> None:
    search = GridSearchCV(model(), {"n_factors": [2, -1]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="n_factors is -1"):
        search.fit(*pairs)


def test_grid_search_runs_in_parallel(pairs: tuple[Any, Any]) -> None:
    grid = {"n_factors": [2, 3]}
    here = GridSearchCV(model(), grid, cv=2).fit(*pairs)
    with joblib.parallel_config("threading"):  # processes would cost the suite five seconds
        there = GridSearchCV(model(), grid, cv=2, n_jobs=2).fit(*pairs)
    np.testing.assert_array_equal(
        here.cv_results_["mean_test_score"], there.cv_results_["mean_test_score"]
    )


def test_the_model_works_in_a_pipeline_and_its_grid_search(pairs: tuple[Any, Any]) -> None:
    X, X_test, y, y_test = train_test_split(*pairs, random_state=0)
    swap = FunctionTransformer(np.fliplr)
    pipeline = make_pipeline(swap, model()).fit(X, y)
    swapped = model().fit(np.fliplr(X), y)
    np.testing.assert_array_equal(pipeline.predict(X_test), swapped.predict(np.fliplr(X_test)))
    assert pipeline.score(X_test, y_test) == swapped.score(np.fliplr(X_test), y_test)
    grid = {"factorize__n_factors": [2, 3]}
    search = GridSearchCV(Pipeline([("swap", swap), ("factorize", model())]), grid, cv=2)
    assert search.fit(X, y).best_estimator_["factorize"].n_factors in (2, 3)


def test_factorate_works_without_scikit_learn(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\n1,2,3\n")
    code = """
import sys
for name in ("sklearn", "scipy", "pandas", "polars", "pyarrow"):
    sys.modules[name] = None
import factorate as ft
R, P, Q = ft.datasets.textbook()
model = ft.MatrixFactorization(2, random_state=0)
try:
    model.complete()
except ft.NotFittedError:
    pass
print(model.fit(R).complete().shape, ft.matrix_factorization(R, P, Q, 3)[0].shape, model)
try:
    model.fit(sys.argv[1])
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ratings.csv")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "(6, 4) (6, 3) MatrixFactorization(n_factors=2, random_state=0)",
        "reading and writing files needs pyarrow: pip install 'factorate[files]'",
    ], done.stderr
