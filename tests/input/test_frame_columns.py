"""Columns of DataFrames of any library are read as arrays."""

from __future__ import annotations

import sys
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forms import EXPECTED, ITEMS, USERS, VALUES, content, read
from optional import pandas as pd
from optional import polars as pl
from optional import pyarrow as pa

from factorate._input.pairs import read_pairs


def test_a_wide_table_of_three_items_raises() -> None:
    """Regression: the ratings of three items are not read as users, items and ratings."""
    long = pd.DataFrame({"who": USERS, "what": [0, 1, 2, 0], "stars": VALUES})
    wide = long.pivot(index="who", columns="what", values="stars")
    unnamed = wide.rename_axis(index=None, columns=None).set_axis(["ann", "bob", "cy"])
    for frame in (wide, unnamed, wide.reset_index(drop=True)):
        with pytest.raises(ValueError, match=r"set columns=.*wide=True"):
            read(frame)


def test_the_index_of_a_frame_of_ratings_is_not_read() -> None:
    frame = pd.DataFrame({"user": USERS, "item": ITEMS, "rating": VALUES})
    assert content(read(frame.sample(frac=1, random_state=0))) == EXPECTED
    assert len(read(frame[frame.rating > 0]).values) == 3
    named = frame.set_index(pd.Index(list("abcd"), name="review"))
    assert content(read(named)) == EXPECTED


def test_datetimes_with_a_zone_are_the_same_ids_in_any_form() -> None:
    """Regression: datetimes of DataFrames have their zone."""
    times = pd.Series(pd.date_range("2020-01-01", periods=4, tz="Europe/Berlin"))
    forms: list[Any] = [
        (times, ITEMS, VALUES),
        pd.DataFrame({"user": times, "item": ITEMS, "rating": VALUES}),
        pl.DataFrame({"user": times.to_list(), "item": ITEMS, "rating": VALUES}),
    ]
    first = read(forms[0])
    for form in forms:
        assert read(form).user_index.kind == "zoned datetime"
        assert read_pairs(form, first.user_index, first.item_index)[0].tolist() == [0, 1, 2, 3]


def test_text_and_text_categories_are_ids() -> None:
    text = ["c", "a", "b", "a"]
    frames: list[Any] = [
        pd.DataFrame({"user": pd.Categorical(text), "item": ITEMS, "rating": VALUES}),
        pd.DataFrame({"user": text, "item": ITEMS, "rating": VALUES}),
        pl.DataFrame({"user": text, "item": ITEMS, "rating": VALUES}),
        pl.DataFrame(
            {"user": pl.Series(text, dtype=pl.Categorical), "item": ITEMS, "rating": VALUES}
        ),
        pa.table({"user": pa.array(text).dictionary_encode(), "item": ITEMS, "rating": VALUES}),
    ]
    for frame in frames:
        ratings = read(frame)
        assert ratings.user_index.ids.tolist() == ["a", "b", "c"]
        assert ratings.user_rows.tolist() == [2, 0, 1, 0]


def test_unused_categories_are_not_ids() -> None:
    users = pd.Categorical(["b", "a", "b"], categories=["d", "c", "b", "a"])
    frame = pd.DataFrame({"user": users, "item": [1, 2, 3], "rating": [1.0, 2.0, 3.0]})
    ratings = read(frame)
    assert ratings.user_index.ids.tolist() == ["a", "b"]
    assert ratings.user_rows.tolist() == [1, 0, 1]


DAYS = np.array(["2020-01-02", "2019-05-05", "2020-01-02"], "M8[us]")
CATEGORIES: dict[str, tuple[list[Any], str]] = {
    "integers": ([30, -10, 30], "integer"),
    "bools": ([True, False, True], "bool"),
    "datetimes": (DAYS.tolist(), "datetime"),
    "zoned datetimes": ([day.replace(tzinfo=UTC) for day in DAYS.tolist()], "zoned datetime"),
    "text": (["b", "a", "b"], "str"),
}


@pytest.mark.parametrize("case", CATEGORIES)
def test_categories_of_any_kind_are_read_as_their_values(case: str, tmp_path: Path) -> None:
    """Regression: categories that are not text do not become text."""
    values, kind = CATEGORIES[case]
    categorical = pd.Series(pd.Categorical(values))
    dictionary = pa.array(values).dictionary_encode()
    in_pandas = pd.Series(dictionary, dtype=pd.ArrowDtype(dictionary.type))
    chunked = pa.chunked_array([dictionary])
    columns: list[Any] = [values, categorical, dictionary, chunked, in_pandas]
    forms: list[Any] = [(users, ITEMS[:3], VALUES[:3]) for users in columns]
    forms.append(pd.DataFrame({"user": categorical, "item": ITEMS[:3], "rating": VALUES[:3]}))
    forms.append(pa.table({"user": dictionary, "item": ITEMS[:3], "rating": VALUES[:3]}))
    pa.parquet.write_table(forms[-1], tmp_path / "ratings.parquet")
    forms.append(tmp_path / "ratings.parquet")
    first = read(forms[0])
    assert first.user_index.kind == kind
    for form in forms[1:]:
        ratings = read(form)
        assert ratings.user_index.kind == kind
        ids = ratings.user_index.ids.astype(first.user_index.ids.dtype)  # days may count in ns
        assert ids.tolist() == first.user_index.ids.tolist()
        assert ratings.user_rows.tolist() == [1, 0, 1]


def test_numeric_categories_are_ratings() -> None:
    """Regression: numeric categories do not become text."""
    for stars in (pd.Categorical([5, 3, 5]), pa.array([5, 3, 5]).dictionary_encode()):
        library = pd.DataFrame if isinstance(stars, pd.Categorical) else pa.table
        frame = library({"user": USERS[:3], "item": ITEMS[:3], "rating": stars})
        assert read(frame).values.tolist() == [5, 3, 5]
    with pytest.raises(TypeError, match=r"ratings\[0\] is 'good'; expected a real number"):
        read(pl.DataFrame({"user": [1], "item": [1], "rating": ["good"]}))


def test_text_is_read_the_same_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"user": ["b", "a", "ü"], "item": ITEMS[:3], "rating": VALUES[:3]})
    expected = read(frame)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    got = read(frame)
    assert got.user_index.ids.tolist() == expected.user_index.ids.tolist()
    assert got.user_rows.tolist() == expected.user_rows.tolist()
    users, _, columns = read_pairs(
        pl.DataFrame({"user": ["x", "a"], "item": [0, 1]}), got.user_index, got.item_index
    )
    assert users.tolist() == [-1, 0]
    assert columns.user_ids[0] == "x"
