"""The estimator is one of scikit-learn's family, and does without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

import factorate as ft

pytestmark = pytest.mark.filterwarnings("ignore::factorate.UnknownIdWarning")


@pytest.fixture
def pairs(columns: Any) -> tuple[Any, Any]:
    return np.stack(columns[:2], 1), columns[2]


def model() -> ft.MatrixFactorization:
    return ft.MatrixFactorization(n_factors=4, n_epochs=3, random_state=0)


def test_clone_copies_parameters_and_not_the_fit(pairs: tuple[Any, Any]) -> None:
    copy = clone(model().fit(*pairs))
    assert copy.get_params() == model().get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    check_is_fitted(copy.fit(*pairs))


def test_it_is_a_regressor() -> None:
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


def test_grid_search_and_pipeline(pairs: tuple[Any, Any]) -> None:
    search = GridSearchCV(model(), {"n_factors": [2, 3], "learning_rate": [0.01]}, cv=2)
    assert search.fit(*pairs).best_params_["n_factors"] in (2, 3)
    pipeline = make_pipeline(FunctionTransformer(), model()).fit(*pairs)
    assert pipeline.predict(pairs[0]).shape == (3000,)


def test_it_works_where_scikit_learn_is_not_installed(tmp_path: Path) -> None:
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
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "(6, 4) (6, 3) MatrixFactorization(n_factors=2, random_state=0)",
        "reading CSV and Parquet files needs pyarrow: pip install 'factorate[files]'",
    ], done.stderr
