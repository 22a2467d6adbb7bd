"""Accuracy on real ratings: the default settings reach a stated test error.

MovieLens may not be redistributed. The tests read it from the folder `FACTORATE_TEST_DATA`, by
default ``../shared/data`` beside the checkout, and are skipped where a file is missing. With
``FACTORATE_MOVIELENS=latest-small`` that data set is downloaded instead.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorate as ft

DATA = os.environ.get("FACTORATE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")


def read_ratings(name: str) -> tuple[Any, ...]:
    """Return the users, items and ratings of a data set, or skip the test."""
    if name in os.environ.get("FACTORATE_MOVIELENS", "").split(","):
        return ft.datasets.load_movielens(name)
    path = Path(DATA, "ml-latest-small-2018.npz" if name == "latest-small" else f"ml-{name}.npz")
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the folder FACTORATE_TEST_DATA")
    with np.load(path) as data:
        return data["user_id"][data["user"]], data["item_id"][data["item"]], data["rating"]


# Each maximum is at most 0.5 % above the error measured with these settings and this split.
@pytest.mark.filterwarnings("ignore::factorate.UnknownIdWarning")
@pytest.mark.parametrize(
    ("name", "parameters", "maximum"),
    [
        ("100k", {}, 0.8876),
        ("100k", {"svdpp": True}, 0.8818),
        ("latest-small", {}, 0.8400),
        ("1m", {}, 0.8405),
    ],
    ids=["100k", "100k-svdpp", "latest-small", "1m"],
)
def test_rmse_with_default_settings(name: str, parameters: dict[str, Any], maximum: float) -> None:
    columns = read_ratings(name)
    order = np.random.default_rng(0).permutation(len(columns[0]))
    test, training = np.split(order, [len(order) // 10])
    model = ft.MatrixFactorization(random_state=0, **parameters)
    model.fit(tuple(column[training] for column in columns))
    assert model.evaluate(tuple(column[test] for column in columns))["rmse"] < maximum
