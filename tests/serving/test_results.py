"""Results are ids of the type of the training ids, or DataFrames."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import polars as pl
from optional import present
from optional import pyarrow as pa

import factorate as ft


@pytest.fixture(scope="module")
def model(columns: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(8, 5, random_state=0).fit(columns)


@pytest.mark.parametrize(
    ("ids", "nothing"),
    [
        (["b", "a", "c"], None),
        ([uuid.UUID(int=n) for n in (3, 1, 2)], None),
        ([dt.datetime(2020, 1, n) for n in (3, 1, 2)], np.datetime64("NaT", "us")),
        ([True, False, True], False),
        ([2**63, 5, 6], 0),
        ([5, -1, 2], -1),
    ],
)
def test_recommended_ids_have_the_type_of_the_training_ids(ids: list[Any], nothing: Any) -> None:
    columns = ids, ids, [5.0, 3.0, 1.0]
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(columns)
    items, scores = model.recommend(ids[0], n=4, exclude_seen=False)
    n = len(set(ids))
    assert items.dtype == model.items_.dtype
    assert sorted(items[:n].tolist()) == sorted(model.items_.tolist())
    assert np.isnan(scores).tolist() == [False] * n + [True] * (4 - n)
    if isinstance(nothing, np.datetime64):
        assert np.isnat(items[n:]).all()
    else:
        assert items[n:].tolist() == [nothing] * (4 - n)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_are_of_the_library_of_the_ratings(library: str, columns: Any) -> None:
    frame: Any = dict(zip(("user", "item", "rating"), columns, strict=True))
    make: Any = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[library]
    model = ft.MatrixFactorization(4, 2, random_state=0).fit(make(frame))
    table = model.recommend([3, 7], n=70, as_frame=True)
    assert isinstance(table, type(make(frame)))
    items, scores = model.recommend([3, 7], n=70)
    found = ~np.isnan(scores)
    got = {name: np.asarray(table[name]) for name in ("user", "item", "score")}
    np.testing.assert_array_equal(got["user"], np.repeat([3, 7], found.sum(axis=1)))
    np.testing.assert_array_equal(got["item"], items[found])
    np.testing.assert_array_equal(got["score"], scores[found])
    similar = model.similar_items(3, n=2, as_frame=True)
    assert np.asarray(similar["similar_item"]).tolist() == model.similar_items(3, n=2)[0].tolist()
    assert np.asarray(model.similar_users([3], n=2, as_frame=True)["user"]).tolist() == [3, 3]


def test_frames_of_a_model_fitted_on_arrays(
    model: ft.MatrixFactorization, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = present(pd).DataFrame
    assert isinstance(model.recommend(3, as_frame=True), frame)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match="a DataFrame needs one of pandas, polars, pyarrow"):
        model.recommend(3, as_frame=True)


def test_a_frame_with_a_huge_n_allocates_only_its_rows(model: ft.MatrixFactorization) -> None:
    """Regression: memory of a frame is proportional to its rows, not to n."""
    present(pd)
    for method, n_rows in (
        (model.recommend, 80),
        (functools.partial(model.recommend, items=[3, 4]), 2),
        (functools.partial(model.recommend, items=[]), 1),
        (model.similar_items, 80),
        (model.similar_users, 60),
    ):
        frame = method(n=2**60, as_frame=True)
        pd.testing.assert_frame_equal(frame, method(n=n_rows, as_frame=True))
