"""Every accepted form of input is read as the same columns, and wrong input raises."""

from __future__ import annotations

import array
import importlib.util
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from forms import EXPECTED, FLOAT, FRAME, ITEMS, SPARSE, USERS, VALUES, content, read
from optional import pandas as pd
from optional import polars as pl
from optional import present, scipy
from optional import pyarrow as pa

ROWS = list(zip(USERS, ITEMS, VALUES, strict=True))
FORMS: dict[str, tuple[Any, ...]] = {
    "tuple of lists": ((USERS, ITEMS, VALUES),),
    "tuple of arrays": ((np.array(USERS), np.array(ITEMS, np.uint8), np.array(VALUES)),),
    "tuple of series": ((pd.Series(USERS), pl.Series(ITEMS), pa.array(VALUES)),),
    "big-endian": ((np.array(USERS, ">i4"), np.array(ITEMS, ">i2"), np.array(VALUES, ">f8")),),
    "strided": ((np.array(USERS)[::-1][::-1], np.array(ITEMS), np.repeat(VALUES, 2)[::2]),),
    "X and y": (np.stack([USERS, ITEMS], 1), VALUES),
    "list X and y": ([list(pair) for pair in zip(USERS, ITEMS, strict=True)], VALUES),
    "frame X and y": (pd.DataFrame({"user": USERS, "b": ITEMS}), VALUES),
    "y as a column": (np.stack([USERS, ITEMS], 1), np.array(VALUES)[:, None]),
    "pandas": (pd.DataFrame(FRAME),),
    "pandas nullable": (pd.DataFrame(FRAME).convert_dtypes(),),
    "polars": (pl.DataFrame(FRAME),),
    "polars lazy": (pl.LazyFrame(FRAME),),
    "pyarrow": (pa.table(FRAME),),
    "record batch": (pa.record_batch(FRAME),),
    "float ids": ((np.array(USERS, np.float32), [float(i) for i in ITEMS], VALUES),),
    "float ids in a frame": (pd.DataFrame(FRAME).astype({"user": float, "item": float}),),
    "dict of columns": (FRAME,),
    "dict of arrays and series": (
        {"rating": np.array(VALUES), "itemId": pl.Series(ITEMS), "user": pd.Series(USERS)},
    ),
    "named fields": (np.array(ROWS, [("user", "i8"), ("item", "i4"), ("rating", "f4")]),),
    "list of tuples": (ROWS,),
    "coo": (SPARSE,),
    "csr": (SPARSE.tocsr(),),
    "csc matrix": (scipy.sparse.csc_matrix(SPARSE),),
    "lil": (SPARSE.tolil(),),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_ratings(form: str) -> None:
    ratings = read(*present(FORMS[form]))
    assert content(ratings) == EXPECTED
    assert ratings.values.dtype == FLOAT
    assert ratings.user_rows.dtype == ratings.item_rows.dtype == np.int32


@pytest.mark.parametrize("rows", [ROWS, [list(row) for row in ROWS], np.array(ROWS)])
def test_numbers_of_columns_make_an_array_rows_of_user_item_and_rating(rows: Any) -> None:
    assert content(read(rows, names=(0, 1, 2))) == EXPECTED
    pairs = [row[:2] for row in ROWS]
    assert content(read(pairs, VALUES, names=(0, 1, 2))) == EXPECTED
    exchanged = np.array(ROWS)[:, [2, 1, 0]]
    assert content(read(exchanged, names=(2, 1, 0))) == EXPECTED
    timed = np.column_stack([np.array(ROWS), np.full(len(ROWS), 883_000_000)])
    assert content(read(timed, names=(0, 1, 2))) == EXPECTED
    with pytest.raises(ValueError, match=r"names 4, which is not .* numbered from 0 to 3"):
        read(timed, names=(0, 1, 4))


def test_rows_with_ids_of_text_are_user_item_and_rating() -> None:
    rows = [["ann", 7, 5], ["bob", 8, 3.5], ["cy", 7, 4]]
    expected = [("ann", 7, 5.0), ("bob", 8, 3.5), ("cy", 7, 4.0)]
    assert content(read(rows)) == expected
    assert content(read(rows[:2])) == expected[:2]
    assert content(read(np.array(rows, object))) == expected


def test_masked_ids_and_ratings_in_rows_raise() -> None:
    for column, what in enumerate(("users", "items", "ratings")):
        masked = np.ma.array(np.array(ROWS))
        masked[1, column] = np.ma.masked
        with pytest.raises(ValueError, match=rf"{what}\[1\] is masked"):
            read(masked, names=(0, 1, 2))


class Stream:
    """Columns that are only exported as a PyCapsule stream of Arrow."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.table(FRAME).__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_arrow_streams_are_read(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    present([pa, pl])
    if library == "polars":
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda name: None if name == "pyarrow" else find_spec(name)
        )
    assert content(read(Stream())) == EXPECTED
    assert content(read(pa.table(FRAME).to_reader())) == EXPECTED
    assert read(Stream()).library == library


def test_arrow_streams_that_are_no_tables_raise() -> None:
    for values in (pl.Series(USERS), pa.chunked_array([USERS]), pa.array(USERS)):
        with pytest.raises(TypeError, match="expected a DataFrame"):
            read(values)


def test_entries_of_a_dense_matrix_are_observed_unless_0_or_nan() -> None:
    R = np.array([[5, 0, np.nan, -1], [0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]])
    expected = [(0, 0, 5.0), (0, 3, -1.0), (2, 1, 2.0)]
    assert content(read(R)) == expected
    assert content(read(R.tolist())) == expected
    assert content(read(pd.DataFrame(R).to_numpy())) == expected
    assert content(read(np.nan_to_num(R).astype(np.int8))) == expected


def test_none_in_an_object_matrix_is_not_observed() -> None:
    """Regression: None in a matrix is not an error."""
    rows = [[5, None, 0.5, 0], [None, Decimal("1.5"), 0, np.nan]]
    expected = [(0, 0, 5.0), (0, 2, 0.5), (1, 1, 1.5)]
    assert content(read(rows)) == expected
    assert content(read(np.array(rows))) == expected
    assert content(read(pd.DataFrame(rows, dtype=object).to_numpy())) == expected


def test_zeros_and_duplicates_are_ratings_in_columns_and_sparse_matrices() -> None:
    columns = [0, 0, 1], [1, 1, 0], [0.0, 0.0, 4.0]
    expected = [(0, 1, 0.0), (0, 1, 0.0), (1, 0, 4.0)]
    assert content(read(columns)) == expected
    assert content(read(pd.DataFrame(dict(zip(FRAME, columns, strict=True))))) == expected
    stored = scipy.sparse.coo_array((columns[2], (columns[0], columns[1])), shape=(2, 2))
    assert content(read(stored)) == expected


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_masked_arrays_and_matrix_objects_are_read() -> None:
    masked = np.ma.array(
        [[5, 7, 0, 1], [0, 0, 0, 2]], mask=np.array([[0, 1, 0, 0], [0, 0, 0, 0]], bool)
    )
    assert content(read(masked)) == [(0, 0, 5.0), (0, 3, 1.0), (1, 3, 2.0)]
    assert content(read(np.asmatrix([[5, 0, 0, 1]]))) == [(0, 0, 5.0), (0, 3, 1.0)]


def test_rows_of_a_matrix_may_be_any_sequences() -> None:
    """Regression: ranges and arrays of the standard library are rows."""
    for rows in ([range(1, 5), [1, 2, 3, 4]], [array.array("i", [1, 2, 3, 4]), (1, 2, 3, 4)]):
        assert read(rows).values.tolist() == [1, 2, 3, 4, 1, 2, 3, 4]


def test_masked_entries_of_an_object_matrix_are_not_observed() -> None:
    """Regression: the mask of an object array is respected."""
    entries = np.array([[5, 3, 0, 1], [4, 0, 0, 1]], object)
    excluded = np.array([[True, False, False, False], [False] * 4])
    assert read(np.ma.MaskedArray(entries, excluded)).values.tolist() == [3, 1, 4, 1]


NAN, INF = float("nan"), float("inf")
BAD: dict[str, tuple[tuple[Any, ...], type[Exception], str]] = {
    "NaN": ((([1, 2], [1, 2], [1, NAN]),), ValueError, r"ratings\[1\] is nan.*drop it"),
    "infinity": ((([1, 2], [1, 2], [INF, 1]),), ValueError, r"ratings\[0\] is inf"),
    "too large": (
        (([1], [1], [1e39]),),
        ValueError,
        r"ratings\[0\] is 1e\+39.*too large for float32",
    ),
    "NaN in a frame": (
        (pd.DataFrame(FRAME | {"rating": [1, NAN, 2, 3]}),),
        ValueError,
        r"ratings\[1\] is nan",
    ),
    "null in a frame": (
        (pl.DataFrame(FRAME | {"rating": [1, 2, 3, None]}),),
        ValueError,
        r"ratings\[3\] is None",
    ),
    "NaN stored": (
        (scipy.sparse.coo_array(([NAN], ([0], [0]))),),
        ValueError,
        r"ratings\[0\] is nan",
    ),
    "infinity in a matrix": (([[1, 2, 3, INF]],), ValueError, r"R\[0, 3\] is inf"),
    "NaN in y": ((np.ones((2, 2), int), [1, NAN]), ValueError, r"ratings\[1\] is nan"),
    "None rating": ((([1], [1], [None]),), ValueError, r"ratings\[0\] is None"),
    "three columns": ((np.ones((5, 3)),), ValueError, r"columns=\(0, 1, 2\).*wide=True"),
    "three columns as a list": (([[1, 2, 3]],), ValueError, r"columns=\(0, 1, 2\).*wide=True"),
    "no y": ((np.ones((5, 2)),), ValueError, r"fit\(X, y\)"),
    "no y, list": (([[1, 2], [3, 4]],), ValueError, r"fit\(X, y\)"),
    "y with a matrix": ((np.ones((5, 4)), [1] * 5), ValueError, r"X has shape \(n, 2\)"),
    "tuple of two": ((([1], [2]),), ValueError, r"a tuple of 2.*\(users, items, ratings\)"),
    "nothing in columns": ((([], [], []),), ValueError, "there are no ratings"),
    "nothing in a matrix": ((np.zeros((4, 5)),), ValueError, "there are no ratings"),
    "nothing stored": ((scipy.sparse.coo_array((4, 5)),), ValueError, "there are no ratings"),
    "empty frame": (
        (pd.DataFrame({"user": [], "item": [], "rating": []}),),
        ValueError,
        "there are no ratings",
    ),
    "lengths": ((([1, 2], [1], [1, 2]),), ValueError, "2 users, 1 items, 2 ratings"),
    "length of y": ((np.ones((3, 2), int), [1]), ValueError, "3 users, 3 items, 1 ratings"),
    "complex": ((([1], [1], [1j]),), TypeError, r"ratings \(first value .*complex128"),
    "complex matrix": ((np.ones((2, 5), complex),), TypeError, "complex128"),
    "complex pairs": (
        (np.ones((3, 2), complex), [1, 2, 3]),
        ValueError,
        "Complex data not supported: X has dtype complex128",
    ),
    "one column": ((np.ones((3, 1), int), [1, 2, 3]), ValueError, r"got an array with 1 feature"),
    "no columns of an array": (
        (np.ones((3, 0), int), [1, 2, 3]),
        ValueError,
        r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 2 is required",
    ),
    "text": ((([1], [1], ["five"]),), TypeError, r"ratings\[0\] is 'five'; expected a real number"),
    "text among objects": (
        (([1, 2], [1, 2], np.array([1, "x"], object)),),
        TypeError,
        r"ratings\[1\] is 'x'",
    ),
    "missing user": (
        (([None, 1], [1, 2], [1, 2]),),
        ValueError,
        r"users\[0\] is None, a missing id",
    ),
    "missing item": (
        (([1, 2], ["a", NAN], [1, 2]),),
        ValueError,
        r"items\[1\] is nan, a missing id",
    ),
    "missing in a frame": (
        (pd.DataFrame(FRAME | {"user": [1, None, 2, 3]}),),
        ValueError,
        r"users\[1\] is nan",
    ),
    "NA in a frame": (
        (pd.DataFrame(FRAME | {"item": pd.array([1, 2, pd.NA, 3])}),),
        ValueError,
        r"items\[2\] is",
    ),
    "mixed ids": ((([1, "a"], [1, 2], [1, 2]),), TypeError, "users mix integer"),
    "float ids": ((([1.0, 2.5], [1, 2], [1, 2]),), ValueError, r"users\[1\] is 2\.5"),
    "no columns": (
        (pd.DataFrame({"a": [1], "b": [1], "c": [1], "d": [1]}),),
        ValueError,
        "columns=",
    ),
    "two candidates": (
        (pd.DataFrame({"user": [1], "user_id": [1], "item": [1], "rating": [1]}),),
        ValueError,
        r"\['user', 'user_id'\]",
    ),
    "wide frame": ((pd.DataFrame(np.ones((3, 5))),), ValueError, "wide=True"),
    "one dimension": ((np.ones(5),), ValueError, r"shape \(5,\)"),
    "three dimensions": ((np.ones((2, 2, 2)),), ValueError, r"shape \(2, 2, 2\)"),
    "list of columns": (([[1, 2], [1, 2], [1.0, 2.0]],), ValueError, r"pass a tuple \(users"),
    "list of three columns of text": (
        ([["ann", "bob", "cy"], ["tea", "rye", "jam"], [5, 3, 4]],),
        ValueError,
        r"pass a tuple \(users",
    ),
    "numbers as text": (
        (np.array([["ann", "tea", "5"]] * 4),),
        ValueError,
        r"rows of \(user, item, rating\)",
    ),
    "y with sparse": ((SPARSE, [1, 2, 3, 4]), ValueError, "pass it without y"),
    "masked rating": (
        (([1, 2], [1, 2], np.ma.array([1, 2], mask=[False, True])),),
        ValueError,
        r"ratings\[1\] is masked",
    ),
    "masked id": (
        ((np.ma.array([1, 2], mask=[True, False]), [1, 2], [1, 2]),),
        ValueError,
        r"users\[0\] is masked",
    ),
    "huge integer": ((([1], [1], [10**400]),), ValueError, r"ratings\[0\] is an integer too large"),
    "huge matrix": (
        (scipy.sparse.coo_array(([1.0], ([0], [0])), (2**31, 2)),),
        ValueError,
        "at most 2147483647",
    ),
    "three dimensions, sparse": (
        (scipy.sparse.coo_array(np.ones((2, 2, 2))),),
        ValueError,
        r"\(2, 2, 2\)",
    ),
    "duplicate names": (
        (pd.DataFrame([[1, 1, 1, 1]], columns=["user", "item", "rating", "user"]),),
        ValueError,
        "same name",
    ),
    "no rating column": (
        (pd.DataFrame({"user": [1], "item": [1]}),),
        ValueError,
        "cannot tell the column of rating",
    ),
    "swapped names": (
        (pd.DataFrame({"item": [1], "x": [1], "rating": [1]}),),
        ValueError,
        "cannot tell the column of user",
    ),
    "None": ((None,), TypeError, "got NoneType; expected a DataFrame"),
    "number": ((5,), TypeError, "got int; expected a DataFrame"),
    "dict": (({"user": [1]},), ValueError, "cannot tell the column of item and rating"),
    "dict of scalars": (
        ({"user": "ann", "item": [1], "rating": [1]},),
        TypeError,
        "users is 'ann'; expected a column",
    ),
    "dict of ratings": (({"tea": 5, "jam": 2, "rye": 1},), ValueError, "cannot tell the column"),
    "tuple of triples": ((((1, 2, 3),) * 5,), ValueError, "a tuple of 5 .* rows in a list"),
    "list of three tuples": (([(1, 1, 5), (1, 2, 4), (2, 1, 3)],), ValueError, "wide=True"),
    "rows with times": (
        ([[1, 1, 5, 883_000_000], [2, 1, 4, 884_000_000]],),
        ValueError,
        r"looks like times \(883000000\).*columns=\(0, 1, 2\).*wide=True",
    ),
    "text and times": (
        ([["ann", "tea", 5, "2020-01-01"]],),
        ValueError,
        r"ids of text is no matrix.*columns=\(0, 1, 2\)",
    ),
    "array with times": (
        (np.array([[1, 1, 5, 883_000_000.0], [2, 1, 4, 884_000_000.0]]),),
        ValueError,
        r"looks like times \(883000000\.0\).*columns=\(0, 1, 2\).*wide=True",
    ),
    "scalars": (((1, 2, 3),), TypeError, "users is 1; expected a column, a list or an array"),
    "text for a column": ((("ann", [1], [1]),), TypeError, "users is 'ann'; expected a column"),
    "array of one value": ((([1], np.array(7), [1]),), TypeError, r"items is array\(7\); expected"),
    "set": ((([1, 2], {1, 2}, [1, 2]),), TypeError, "items is a set; pass a list or an array"),
    "view": ((([1], [1], {1: 5}.values()),), TypeError, "ratings is a dict_values; pass a list"),
    "iterator": (((iter([1]), [1], [1]),), TypeError, "users is a list_iterator; pass a list"),
    "scalar y": ((np.ones((2, 2), int), 5), TypeError, "ratings is 5; expected a column"),
    "ragged rows": (
        ([[1, 2, 3, 4], [1, 2]],),
        ValueError,
        "row 1 has 2 entries where row 0 has 4; expected rows of equal length",
    ),
    "rows and none": (([[1, 2], 3],), ValueError, "row 1 has 0 entries where row 0 has 2"),
    "text in a matrix": (
        ([[5, 4, 1, 2], [1, None, "x", 1]],),
        TypeError,
        r"R\[1, 2\] is 'x'; expected a real number",
    ),
    "list in a matrix": (([[1, 2, 3, [4]]],), TypeError, r"R\[0, 3\] is \[4\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_wrong_value(case: str) -> None:
    arguments, error, message = present(BAD[case])
    with pytest.raises(error, match=message):
        read(*arguments)


@pytest.mark.parametrize(
    ("coords", "message"),
    [
        (([0, -1], [0, 1]), "row index -1 of stored entry 1 is negative"),
        (([0, 2], [0, 1]), r"row index 2 of stored entry 1 is outside the shape \(2, 2\)"),
        (([0, 1], [2**32, 1]), r"column index 4294967296 of stored entry 0 is outside the shape"),
    ],
)
def test_a_sparse_index_outside_the_shape_raises(
    coords: tuple[list[int], list[int]], message: str
) -> None:
    """Regression: an index beyond int32 does not wrap to another row."""
    matrix = scipy.sparse.coo_array(([1.0, 2.0], ([0, 1], [0, 1])))
    matrix.coords = tuple(np.array(indices, np.int64) for indices in coords)
    with pytest.raises(ValueError, match=message):
        read(matrix)


def test_rows_of_a_sparse_matrix_are_copies() -> None:
    """Regression: a caller that writes to its matrix does not change rows in training."""
    matrix = scipy.sparse.coo_array((VALUES, (np.array(USERS, "i4"), np.array(ITEMS, "i4"))))
    ratings = read(matrix)
    assert not np.shares_memory(ratings.user_rows, matrix.row)
    assert not np.shares_memory(ratings.item_rows, matrix.col)


class Convertible:
    """An object without a length that NumPy can convert."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.values, dtype)


def test_objects_that_convert_to_arrays_are_read() -> None:
    X, y = [[1, 10], [2, 20]], [3.0, 4.0]
    expected = read(np.array(X), np.array(y))
    found = read(Convertible(X), Convertible(y))
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.item_index.ids.tolist() == [10, 20]


@pytest.mark.parametrize("user", [1, "ann"])
def test_rows_that_end_with_times_are_not_ratings(user: Any) -> None:
    """Regression: lists of (user, item, time) raise an error."""
    rows = [(user, 10, 978300760), (user, 11, 978300765), (user, 12, 978300769), (user, 13, 1e9)]
    with pytest.raises(ValueError, match="third entry of each row looks like a time"):
        read(rows)
