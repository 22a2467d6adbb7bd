"""Recommendations, and users and items that are alike."""

from __future__ import annotations

import datetime as dt
import functools
import sys
import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import polars as pl
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate._serving import similar as neighbours
from factorate._serving import top_n as topn


@pytest.fixture(scope="module")
def model(columns: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(8, 5, random_state=0).fit(columns)


def seen_by(columns: Any, user: int) -> set[int]:
    return set(columns[1][columns[0] == user].tolist())


def test_every_user_gets_the_best_of_what_they_have_not_rated(
    columns: Any, model: ft.MatrixFactorization
) -> None:
    items, scores = model.recommend(n=5)
    assert items.shape == scores.shape == (60, 5)
    assert scores.dtype == np.float32
    filled = model.complete()
    for user in range(60):
        unseen = [item for item in range(80) if item not in seen_by(columns, user)]
        order = sorted(unseen, key=lambda item: (-filled[user, item], item))[:5]
        assert items[user].tolist() == order
        np.testing.assert_array_equal(scores[user], filled[user, order])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_are_the_predictions_bit_for_bit(columns: Any, dtype: str) -> None:
    model = ft.MatrixFactorization(8, 2, random_state=0, dtype=dtype).fit(columns)
    items, scores = model.recommend(n=3, exclude_seen=False)
    users = np.repeat(model.users_, 3)
    np.testing.assert_array_equal(scores.ravel(), model.predict((users, items.ravel())))
    few_items, few_scores = model.recommend([7, 3, 7], n=3, exclude_seen=False)
    np.testing.assert_array_equal(few_items, items[[7, 3, 7]])
    np.testing.assert_array_equal(few_scores, scores[[7, 3, 7]])


def test_ranking_never_clips(columns: Any) -> None:
    users, items, ratings = columns
    model = ft.MatrixFactorization(8, 20, random_state=0, clip=True)
    model.fit((users, items, np.where(ratings > 4, 5.0, 1.0)))
    found, scores = model.recommend(n=5, exclude_seen=False)
    clipped = model.predict((np.repeat(model.users_, 5), found.ravel()))
    assert scores.max() > clipped.max() == 5
    np.testing.assert_array_equal(scores.ravel().clip(1, 5), clipped)


def test_one_user_gives_one_list(model: ft.MatrixFactorization) -> None:
    every_item, every_score = model.recommend(n=4)
    for user in (7, np.int64(7), np.array(7)):
        items, scores = model.recommend(user, n=4)
        np.testing.assert_array_equal(items, every_item[7])
        np.testing.assert_array_equal(scores, every_score[7])
    assert model.recommend([7], n=4)[0].shape == (1, 4)
    assert model.recommend([], n=4)[0].shape == (0, 4)


def test_the_number_of_threads_changes_no_bit(columns: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(topn, "CHUNK", 8)
    model = ft.MatrixFactorization(8, 2, random_state=0).fit(columns)
    one, three = (model.set_params(n_threads=n).recommend(n=3) for n in (1, 3))
    np.testing.assert_array_equal(one[0], three[0])
    np.testing.assert_array_equal(one[1], three[1])


def test_items_to_choose_from_and_items_to_leave_out(
    columns: Any, model: ft.MatrixFactorization
) -> None:
    wanted = [30, 4, 4, 51, 9, 70]
    items, scores = model.recommend(3, n=9, items=wanted, exclude=[9, 999], exclude_seen=False)
    assert set(items[:4].tolist()) == {30, 4, 51, 70}
    assert np.isnan(scores[4:]).all()
    assert items[4:].tolist() == [-1] * 5
    items, scores = model.recommend(3, n=9, items=wanted, exclude=[9])
    assert set(items[~np.isnan(scores)].tolist()) == {30, 4, 51, 70} - seen_by(columns, 3)
    items, scores = model.recommend(3, n=2, items=[])
    assert np.isnan(scores).all()
    with pytest.warns(ft.UnknownIdWarning, match=r"\(999\): .*unknown items are left out"):
        items, scores = model.recommend(3, n=2, items=[999, 4], exclude_seen=False)
    assert items.tolist() == [4, -1]
    with pytest.raises(TypeError, match="exclude are str"):
        model.recommend(3, exclude=["x"])


def test_more_than_there_are(columns: Any, model: ft.MatrixFactorization) -> None:
    items, scores = model.recommend(n=1000)
    assert items.shape == (60, 1000)
    for user in range(60):
        found = ~np.isnan(scores[user])
        assert set(items[user, found].tolist()) == set(range(80)) - seen_by(columns, user)
        assert found.sum() == found.argmin()


def test_a_frame_of_more_than_there_are_needs_no_more_memory(model: ft.MatrixFactorization) -> None:
    """Room was made for every place that was asked for, and then left out of the frame."""
    present(pd)
    for ask, kept in (
        (model.recommend, 80),
        (functools.partial(model.recommend, items=[3, 4]), 2),
        (functools.partial(model.recommend, items=[]), 1),
        (model.similar_items, 80),
        (model.similar_users, 60),
    ):
        frame = ask(n=2**60, as_frame=True)
        pd.testing.assert_frame_equal(frame, ask(n=kept, as_frame=True))


def test_unknown_users_get_the_best_items_by_bias(model: ft.MatrixFactorization) -> None:
    with pytest.warns(ft.UnknownIdWarning, match=r"2 of 3 users are unknown \(777, -5\)"):
        items, scores = model.recommend([777, 3, -5], n=4)
    by_bias = np.argsort(-model.item_bias_, kind="stable")[:4]
    for unknown in (0, 2):
        np.testing.assert_array_equal(items[unknown], by_bias)
        expected = np.float32(model.global_mean_) + model.item_bias_[by_bias]
        np.testing.assert_array_equal(scores[unknown], expected)
    np.testing.assert_array_equal(items[1], model.recommend(3, n=4)[0])
    with pytest.warns(ft.UnknownIdWarning) as caught:
        model.recommend(777)
    assert caught[0].filename == __file__


def test_ids_of_another_type_are_an_error(model: ft.MatrixFactorization) -> None:
    with pytest.raises(TypeError, match=r"users are str .*, but the model knows them as integer"):
        model.recommend("3")


def test_what_was_not_kept_cannot_be_left_out(columns: Any) -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0, keep_seen=False).fit(columns)
    with pytest.raises(ValueError, match="pass exclude_seen=False, or fit with keep_seen=True"):
        model.recommend(3)
    assert model.recommend(3, exclude_seen=False)[0].shape == (10,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n is 0; expected an integer ≥ 1"),
        ({"n": 2.5}, TypeError, "n is 2.5"),
        ({"exclude_seen": 1}, TypeError, "exclude_seen is 1; expected True or False"),
        ({"as_frame": "yes"}, TypeError, "as_frame is 'yes'"),
        ({"users": [1.5]}, TypeError, "users"),
        ({"users": [None]}, ValueError, "missing id"),
    ],
)
def test_arguments_are_checked(
    arguments: Any, error: type[Exception], message: str, model: ft.MatrixFactorization
) -> None:
    with pytest.raises(error, match=message):
        model.recommend(**arguments)


def test_before_fit() -> None:
    for call in ("recommend", "similar_items", "similar_users", "user_vectors", "item_vectors"):
        with pytest.raises(ft.NotFittedError):
            getattr(ft.MatrixFactorization(), call)()


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
def test_ids_come_back_as_they_were_given(ids: list[Any], nothing: Any) -> None:
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
def test_a_table_in_the_library_of_the_ratings(library: str, columns: Any) -> None:
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
    alike = model.similar_items(3, n=2, as_frame=True)
    assert np.asarray(alike["similar_item"]).tolist() == model.similar_items(3, n=2)[0].tolist()
    assert np.asarray(model.similar_users([3], n=2, as_frame=True)["user"]).tolist() == [3, 3]


def test_a_table_of_a_model_of_arrays(
    model: ft.MatrixFactorization, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = present(pd).DataFrame
    assert isinstance(model.recommend(3, as_frame=True), frame)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match="a DataFrame needs one of pandas, polars, pyarrow"):
        model.recommend(3, as_frame=True)


@pytest.mark.parametrize("side", ["user", "item"])
def test_alike_is_the_cosine_of_the_factors(side: str, model: ft.MatrixFactorization) -> None:
    rows = {"user": model.user_factors_, "item": model.item_factors_}[side].astype(np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = unit @ unit.T
    np.fill_diagonal(expected, -2)
    similar = model.similar_users if side == "user" else model.similar_items
    ids, cosines = similar(n=6)
    np.testing.assert_array_equal(ids, np.argsort(-expected, axis=1)[:, :6])
    np.testing.assert_allclose(cosines, -np.sort(-expected, axis=1)[:, :6], atol=1e-6)
    np.testing.assert_array_equal(similar(5, n=6)[0], ids[5])
    np.testing.assert_array_equal(similar(5, n=6)[1], cosines[5])


def test_like_nothing_known(model: ft.MatrixFactorization) -> None:
    with pytest.warns(ft.UnknownIdWarning, match=r"1 of 2 items .*: nothing is found for them"):
        items, cosines = model.similar_items([3, 999], n=3)
    assert items[1].tolist() == [-1] * 3
    assert np.isnan(cosines[1]).all()
    assert not np.isnan(cosines[0]).any()
    with pytest.warns(ft.UnknownIdWarning, match="1 of 1 users are unknown"):
        model.similar_users(999)


def test_cosines_of_zeros_are_zero_and_none_is_more_than_one() -> None:
    rows = np.zeros((40, 3), np.float32)
    rows[:20] = np.float32(0.1) * np.array([1, 2, 3], np.float32)
    for queries in (np.arange(40, dtype=np.int32), np.array([0, 30], np.int32)):
        found, cosines = neighbours.similar_rows(rows, queries, 39, 1)
        assert (cosines[0, :19] > 0.999).all()
        assert cosines.max() <= 1
        assert (cosines[0, 19:] == 0).all()
        assert (cosines[-1] == 0).all()
        assert found[0, :19].tolist() == list(range(1, 20))


def test_groups_bring_together_what_is_alike(columns: Any) -> None:
    generator = np.random.default_rng(0)
    users, items = np.divmod(np.arange(40 * 30), 30)
    liked = (users < 20) == (items < 15)
    ratings = np.where(liked, 5.0, 1.0) + 0.1 * generator.standard_normal(len(users))
    model = ft.MatrixFactorization(4, 60, random_state=0).fit((users, items, ratings))
    for labels, half in ((model.group_users(2), 20), (model.group_items(2), 15)):
        assert labels.dtype == np.int32
        assert len(set(labels[:half].tolist())) == len(set(labels[half:].tolist())) == 1
        assert labels[0] != labels[-1]
    again = ft.MatrixFactorization(8, 2, random_state=0).fit(columns)
    np.testing.assert_array_equal(again.group_users(5), again.group_users(5))
    with pytest.raises(ValueError, match="n_groups is 61; expected an integer from 1 to 60"):
        again.group_users(61)


def test_groups_without_scikit_learn(
    model: ft.MatrixFactorization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"pip install 'factorate\[sklearn\]'"):
        model.group_items(2)


def test_products_of_augmented_vectors_are_the_predictions(model: ft.MatrixFactorization) -> None:
    P, Q = model.user_vectors(augmented=True), model.item_vectors(augmented=True)
    assert P.shape == (60, 10)
    assert P.dtype == Q.dtype == np.float32
    np.testing.assert_allclose(P @ Q.T, model.complete(), rtol=1e-5)
    assert model.user_vectors() is model.user_factors_
    assert model.item_vectors() is model.item_factors_


def test_an_index_of_augmented_vectors_finds_the_exact_top_ten() -> None:
    hnswlib = pytest.importorskip("hnswlib", reason="hnswlib, a third-party index, is missing")
    model = ft.MatrixFactorization(16, 10, random_state=0)
    model.fit(ft.datasets.synthetic(60_000, 500, 3000))
    items = model.item_vectors(augmented=True)
    index = hnswlib.Index("ip", items.shape[1])
    index.init_index(len(items), ef_construction=200, M=16, random_seed=1)
    index.set_num_threads(1)
    index.add_items(items)
    index.set_ef(200)
    found, _ = index.knn_query(model.user_vectors(augmented=True), 10)
    exact, _ = model.recommend(exclude_seen=False)
    places = np.searchsorted(model.items_, exact)
    shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), places.tolist(), strict=True)]
    assert np.mean(shared) >= 9.5


def test_nothing_warns_without_reason(model: ft.MatrixFactorization) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.recommend(n=2)
        model.similar_items(n=2)


def test_what_is_read_for_every_recommendation_begins_on_a_cache_line(
    columns: Any, tmp_path: Path
) -> None:
    """One user's recommendations read all item factors; aligned ones are read a fifth faster."""
    model = ft.MatrixFactorization(16, 1, random_state=0).fit(columns)
    model.save(tmp_path / "model.npz")
    for serving in (model, ft.load(tmp_path / "model.npz")):
        assert serving.item_factors_.ctypes.data % 64 == 0
