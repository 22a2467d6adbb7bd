"""Wide tables of users × items are read as the ratings that they were made from."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from forms import content, read
from optional import pandas as pd
from optional import polars as pl
from optional import present, scipy
from optional import pyarrow as pa

from factorate._input.wide import Wide, as_wide

NAN = float("nan")
USERS, ITEMS, VALUES = ["cy", "ann", "bob", "ann"], [30, 10, 20, 30], [5.0, 0.0, -1.0, 2.5]
EXPECTED = sorted(zip(USERS, ITEMS, VALUES, strict=True))


def long() -> Any:
    return pd.DataFrame({"user": USERS, "item": ITEMS, "rating": VALUES})


def pivoted() -> Any:
    return long().pivot(index="user", columns="item", values="rating")


def test_a_pivoted_frame_is_read_as_its_ratings() -> None:
    wide = pivoted()
    assert content(read(Wide(wide))) == EXPECTED
    assert content(read(Wide(wide.rename_axis(index=None, columns=None)))) == EXPECTED
    assert content(read(Wide(wide.convert_dtypes()))) == EXPECTED
    assert content(read(Wide(wide.astype(object).where(wide.notna(), None)))) == EXPECTED
    assert content(read(Wide(wide.astype(pd.SparseDtype(float))))) == EXPECTED
    assert read(Wide(wide)).library == "pandas"


def test_a_frame_without_an_index_has_the_user_ids_in_its_first_column() -> None:
    expected = [(user, str(item), value) for user, item, value in EXPECTED]
    present(pa)  # for `to_arrow`
    columns = {"user": USERS, "item": ITEMS, "rating": VALUES}
    in_polars = pl.DataFrame(columns).pivot("item", index="user", values="rating")
    for frame in (in_polars, in_polars.lazy(), in_polars.to_arrow()):
        assert content(read(Wide(frame))) == expected
    assert content(read(Wide(in_polars.rename({"user": "reader"})))) == expected


@pytest.mark.parametrize(
    ("users", "items"),
    [
        ([3, 1, 2], [True, False]),
        ([3.0, 1.0, 2.0], [b"x", b"y"]),
        ([dt.date(2020, 1, 3), dt.date(2020, 1, 1), dt.date(2020, 1, 2)], ["x", "y"]),
    ],
)
def test_ids_of_a_wide_frame_are_of_any_kind(users: list[Any], items: list[Any]) -> None:
    entries = np.array([[5, NAN], [NAN, 2], [1, 4]])
    rows, columns = np.nonzero(~np.isnan(entries))
    in_columns = read(
        (
            [users[row] for row in rows],
            [items[column] for column in columns],
            entries[rows, columns],
        )
    )
    wide = read(Wide(pd.DataFrame(entries, pd.Index(users), pd.Index(items))))
    assert content(wide) == content(in_columns)
    assert wide.user_index.kind == in_columns.user_index.kind
    assert wide.item_index.kind == in_columns.item_index.kind
    assert wide.user_rows.tolist() == in_columns.user_rows.tolist()


def test_categories_and_zoned_datetimes_are_ids_of_a_wide_frame() -> None:
    days = pd.date_range("2020-01-01", periods=2, tz="Europe/Berlin")
    index = pd.CategoricalIndex(["b", "a"], categories=["c", "b", "a"])
    ratings = read(Wide(pd.DataFrame([[5, NAN], [NAN, 2]], index, days)))
    assert ratings.user_index.ids.tolist() == ["a", "b"]
    assert ratings.user_rows.tolist() == [1, 0]
    assert ratings.item_index.kind == "zoned datetime"
    assert ratings.item_rows.tolist() == [0, 1]


def test_users_and_items_without_ratings_are_known_as_in_a_matrix() -> None:
    frame = pd.DataFrame([[5, NAN], [NAN, NAN]], index=["ann", "bob"], columns=["tea", "jam"])
    ratings = read(Wide(frame))
    assert ratings.user_index.ids.tolist() == ["ann", "bob"]
    assert ratings.item_index.ids.tolist() == ["jam", "tea"]
    assert content(ratings) == [("ann", "tea", 5.0)]


def test_an_array_marked_as_wide_is_a_matrix() -> None:
    for n_columns in (2, 3, 4):
        matrix = np.arange(5.0 * n_columns).reshape(5, n_columns)
        matrix[:, -1] = 10**9
        expected = content(read(present(scipy).sparse.coo_array(matrix)))
        forms: list[Any] = [matrix, matrix.tolist(), scipy.sparse.csr_array(matrix)]
        for form in forms:
            assert content(read(Wide(form))) == expected
    assert content(read(Wide(np.ones((3, 3))))) == [(u, i, 1.0) for u in range(3) for i in range(3)]


def frame_of(entries: Any, users: Any = None, items: Any = None) -> Any:
    return pd.DataFrame(entries, index=users, columns=items)


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "zeros without NaN": (
        frame_of([[5, 0], [0, 3]]),
        ValueError,
        r"has 2 zeros and no NaN.*frame\.where\(frame != 0\)",
    ),
    "infinity": (
        frame_of([[5, NAN], [1, float("inf")]], ["ann", "bob"], ["tea", "jam"]),
        ValueError,
        "the entry of user 'bob' and item 'jam' is inf",
    ),
    "text": (frame_of([[5, "x"]]), TypeError, r"wide table\[0, 1\] is 'x'; expected a real number"),
    "same user twice": (
        frame_of([[5], [4], [3]], ["ann", "bob", "ann"], ["tea"]),
        ValueError,
        r"users\[2\] and users\[0\] of the wide table are both 'ann'; expected one row for each",
    ),
    "same item twice": (frame_of([[5, 4]], ["ann"], ["tea", "tea"]), ValueError, "same name"),
    "missing id": (frame_of([[5], [4]], [1, NAN], ["tea"]), ValueError, r"users\[1\] is nan"),
    "ids in a column": (
        frame_of([[1, 5.0, NAN]], None, ["userId", "tea", "jam"]),
        ValueError,
        r"column 'userId' of a wide table is not an item; .* frame\.set_index\('userId'\)",
    ),
    "a row for each rating": (
        frame_of([[1, 10, 5.0]], None, ["userId", "movieId", "rating"]),
        ValueError,
        r"a row for each pair; .* frame\.pivot\(index='userId', columns='movieId', values=…\)",
    ),
    "several levels": (
        frame_of([[5.0]], pd.MultiIndex.from_tuples([(1, 2)]), ["tea"]),
        TypeError,
        r"users\[0\] is \(1, 2\) of type tuple",
    ),
    "nothing": (frame_of([[NAN]], ["ann"], ["tea"]), ValueError, "there are no ratings"),
    "no rows": (frame_of(np.ones((0, 2))), ValueError, "there are no ratings"),
    "no columns": (pl.DataFrame({"user": [1]}), ValueError, "there are no ratings"),
    "tuple": (([1], [1], [5]), TypeError, "got tuple with wide=True; expected a DataFrame"),
    "path": ("ratings.csv", TypeError, "got str with wide=True; expected a DataFrame"),
    "one dimension": (
        np.ones(3),
        ValueError,
        r"shape \(3,\) was given; expected \(n_users, n_items",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_what_is_wrong_in_a_wide_table(case: str) -> None:
    table, error, message = present(BAD[case])
    with pytest.raises(error, match=message):
        read(Wide(table))


def test_a_wide_table_holds_its_ratings() -> None:
    with pytest.raises(ValueError, match="a wide table holds its ratings; pass it without y"):
        read(Wide(present(pivoted())), VALUES)


def test_wide_is_true_or_false() -> None:
    assert as_wide(5, False) == 5
    assert as_wide(5, True) == Wide(5)
    with pytest.raises(TypeError, match="wide is 'yes'; expected True or False"):
        as_wide(5, "yes")
