"""Results are ids of the type of the training ids, or DataFrames."""

from __future__ import annotations

import datetime as dt
import functools
import json
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
        assert method(n=2**60, as_lists=True) == method(n=n_rows, as_lists=True)


# Lists


def test_lists_have_no_empty_entries_and_can_be_converted_to_json(columns: Any) -> None:
    """Regression: empty entries have a score of NaN, which JSON cannot represent."""
    names = np.array([f"user {user}" for user in columns[0]])
    model = ft.MatrixFactorization(8, 5, random_state=0).fit((names, *columns[1:]))
    items, scores = model.recommend(n=70)
    lists = model.recommend(n=70, as_lists=True)
    assert list(lists) == model.users_.tolist()
    for user, row, row_scores in zip(lists, items, scores, strict=True):
        found = ~np.isnan(row_scores)
        expected = zip(row[found].tolist(), row_scores[found].tolist(), strict=True)
        assert lists[user] == list(expected)
        assert 0 < len(lists[user]) < 70
    again = json.loads(json.dumps(lists, allow_nan=False))
    assert again == {user: [list(entry) for entry in entries] for user, entries in lists.items()}


def test_one_query_returns_one_list(model: ft.MatrixFactorization) -> None:
    assert model.recommend(3, as_lists=True) == model.recommend([3], as_lists=True)[3]
    assert model.similar_items(3, as_lists=True) == model.similar_items([3], as_lists=True)[3]
    assert model.similar_users(3, as_lists=True) == model.similar_users([3], as_lists=True)[3]
    ratings = {5: 1.0, 7: 4.0}
    items, scores = model.recommend_for(ratings, n=3)
    pairs = list(zip(items.tolist(), scores.tolist(), strict=True))
    assert model.recommend_for(ratings, n=3, as_lists=True) == pairs
    assert len(model.recommend_for(ratings, n=100, as_lists=True)) == 78
    assert model.recommend([], as_lists=True) == {}
    assert model.recommend(3, items=[], as_lists=True) == []
    assert model.similar_items(999, as_lists=True, unknown="ignore") == []


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["b", "a", "c"], str),
        ([uuid.UUID(int=n) for n in (3, 1, 2)], uuid.UUID),
        ([dt.datetime(2020, 1, n, tzinfo=dt.UTC) for n in (3, 1, 2)], dt.datetime),
        ([dt.datetime(2020, 1, n) for n in (3, 1, 2)], dt.datetime),
        (np.array([3000, 1000, 2000], "datetime64[ns]"), dt.datetime),
        (np.array([3, 1, 2], "datetime64[ns]"), np.datetime64),
        (np.array(["12020-01-01", "2020-01-01"], "datetime64[s]"), np.datetime64),
        ([dt.date(2020, 1, n) for n in (3, 1, 2)], dt.datetime),
        ([True, False, True], bool),
        ([2**63, 5, 6], int),
        (np.array([5, 1, 2], np.int32), int),
    ],
)
def test_lists_have_python_values(ids: Any, expected: type) -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(
        (ids, ids, np.arange(1.0, len(ids) + 1))
    )
    lists = model.recommend(model.users_, exclude_seen=False, as_lists=True)
    assert len(lists) == len(set(np.asarray(ids).tolist()))
    for user, entries in lists.items():
        assert type(user) is expected
        assert {type(item) for item, _ in entries} == {expected}
        assert {type(score) for _, score in entries} == {float}


def test_lists_and_frames_exclude_each_other(model: ft.MatrixFactorization) -> None:
    with pytest.raises(ValueError, match="as_frame and as_lists are both True; expected at most"):
        model.recommend(3, as_frame=True, as_lists=True)
    with pytest.raises(TypeError, match="as_lists is 1; expected True or False"):
        model.similar_items(3, as_lists=1)  # type: ignore[call-overload]
