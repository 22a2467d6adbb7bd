"""Long columns of text and objects get the same rows, ids and errors as short ones."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optional import pandas as pd
from optional import polars as pl
from optional import present, pyarrow

from factorate._input.encode import MIN_ENTRIES, SAMPLE, encode_array, merge_equal
from factorate._input.id_column import Encoded
from factorate._input.ratings import read_ratings

FLOAT = np.dtype(np.float32)
TEXTS = st.lists(st.text(max_size=5), min_size=1, max_size=50)


def objects(values: list[Any]) -> np.ndarray[Any, Any]:
    return np.fromiter(values, object, len(values))


def repeat(values: list[Any]) -> list[Any]:
    """Repeat values to a column that is long enough to be encoded."""
    return values * -(-MIN_ENTRIES // len(values))


def check(column: Any, values: list[Any]) -> None:
    """Compare rows and ids with the definition."""
    ratings = read_ratings((column, column, np.ones(len(values))), dtype=FLOAT)
    ids = sorted(set(values))
    rows = {value: row for row, value in enumerate(ids)}
    assert ratings.user_index.ids.tolist() == ids
    assert ratings.user_rows.tolist() == [rows[value] for value in values]
    assert ratings.item_rows.tolist() == ratings.user_rows.tolist()


def copies(values: list[str]) -> list[str]:
    """Return equal texts, each an object of its own."""
    return [f"{value} "[:-1] for value in values]


@pytest.mark.parametrize("form", ["shared", "copies", "fixed width", "variable width"])
@given(drawn=TEXTS)
def test_text_arrays(form: str, drawn: list[str]) -> None:
    drawn = [text.replace("\0", "") for text in drawn]
    values = repeat(drawn)
    column = objects(copies(values) if form == "copies" else values)
    if form == "fixed width":
        column = column.astype(np.str_)
    if form == "variable width":
        column = column.astype(np.dtypes.StringDType())
    check(column, values)


@pytest.mark.parametrize(
    "values",
    [
        [uuid.UUID(int=number) for number in (3, 1, 2, 3)],
        [b"b", b"a", b"b"],
        [2**70, 5, 2**64],
        [dt.datetime(2020, 1, 2, tzinfo=dt.UTC), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)],
        ["\ud800", "b", "\udfff"],
    ],
    ids=["UUID", "bytes", "integers", "datetimes", "surrogates"],
)
def test_objects(values: list[Any]) -> None:
    check(objects(repeat(values)), repeat(values))


@given(drawn=TEXTS, data=st.data())
def test_columns_of_pandas(drawn: list[str], data: st.DataObject) -> None:
    pandas = present(pd)
    values = repeat(drawn)
    dtype = data.draw(st.sampled_from([object, "string[python]", "category", "str"]))
    given_values = copies(values) if data.draw(st.booleans()) else values
    check(pandas.Series(given_values, dtype=dtype), values)


@given(drawn=TEXTS, n_unused=st.integers(0, 3))
def test_categories(drawn: list[str], n_unused: int) -> None:
    """Unused categories get no row, whatever the order of the categories."""
    pandas = present(pd)
    unused = [f"unused {number}" for number in range(n_unused)]
    categories = [*unused, *reversed(dict.fromkeys(drawn))]
    values = repeat(drawn)
    check(pandas.Series(pandas.Categorical(values, categories=categories)), values)


@pytest.mark.parametrize("form", ["string", "large_string", "string_view"])
@given(drawn=TEXTS, data=st.data())
def test_columns_of_pyarrow(form: str, drawn: list[str], data: st.DataObject) -> None:
    pa = present(pyarrow)
    chunks = [drawn, drawn[::-1], drawn[:1]]
    values = [value for chunk in chunks for value in chunk]
    arrays = [pa.array(chunk).cast(getattr(pa, form)()) for chunk in chunks]
    if form != "string_view" and data.draw(st.booleans()):
        arrays = [array.dictionary_encode() for array in arrays]  # with different dictionaries
    check(pa.chunked_array(arrays), values)


def test_equal_and_unused_values_of_a_dictionary() -> None:
    pa = present(pyarrow)
    column = pa.DictionaryArray.from_arrays(pa.array([3, 0, 2]), pa.array(["b", "c", "a", "b"]))
    check(column, ["b", "b", "a"])


@given(drawn=TEXTS)
def test_columns_of_polars(drawn: list[str]) -> None:
    polars = present(pl)
    for dtype in (
        polars.String,
        polars.Categorical,
        polars.Enum([*dict.fromkeys(drawn), "unused"]),
    ):
        if "unused" not in drawn:
            check(polars.Series(drawn, dtype=dtype), drawn)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (None, ValueError, r"users\[5001\] is None, a missing"),
        (float("nan"), ValueError, r"users\[5001\] is nan, a missing"),
        (7, TypeError, r"users mix str \(users\[0\] is 'a'\) and integer \(users\[5001\] is 7\)"),
        (1j, TypeError, r"users\[5001\] is 1j of type complex"),
    ],
)
@pytest.mark.parametrize("library", ["numpy", "pandas"])
@pytest.mark.parametrize("shared", [True, False])
def test_errors_name_the_entry(
    wrong: Any, error: type[Exception], message: str, library: str, shared: bool
) -> None:
    values: list[Any] = ["a", "b"] * 4000 if shared else [f"a{n}" for n in range(8000)]
    values[0], values[5001] = "a", wrong
    column = objects(values)
    if library == "pandas":
        column = present(pd).Series(column, dtype=object)
    with pytest.raises(error, match=message):
        read_ratings((column, column, np.ones(8000)), dtype=FLOAT)


def test_many_entries_after_the_sample() -> None:
    """Objects that first occur after the sample are encoded as well."""
    values = ["b"] * SAMPLE + ["a", "c", "a"]
    encoded = encode_array(objects(values))
    assert encoded is not None
    assert encoded.distinct.tolist() == ["b", "a", "c"]
    assert encoded.indices[-4:].tolist() == [0, 1, 2, 1]


def test_short_arrays_are_not_encoded() -> None:
    assert encode_array(objects(["a"] * (MIN_ENTRIES - 1))) is None


@given(drawn=TEXTS)
def test_equal_texts_are_merged(drawn: list[str]) -> None:
    column = Encoded(objects(drawn), np.arange(len(drawn), dtype=np.int32))
    merged = merge_equal(column)
    assert merged.distinct.tolist() == list(dict.fromkeys(drawn))
    assert merged.distinct[merged.indices].tolist() == drawn
