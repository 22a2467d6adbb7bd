"""Ids of one kind are read from any sequence; missing and mixed ids raise."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import present

from factorate._input.id_column import read_ids

UTC = dt.UTC

MISSING: dict[str, tuple[Any, str]] = {
    "None": (["a", None], r"users\[1\] is None"),
    "NaN among text": (["a", float("nan")], r"users\[1\] is nan"),
    "NaN among numbers": ([1.0, float("nan")], r"users\[1\] is"),
    "pandas NA": ([1, pd.NA], r"users\[1\] is <NA>"),
    "NaT": ([dt.datetime(2020, 1, 1), pd.NaT], r"users\[1\] is NaT"),
    "datetime64 NaT": (np.array(["2020", "NaT"], "M8[D]"), r"users\[1\] is"),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_missing_id_raises(case: str) -> None:
    values, message = present(MISSING[case])
    with pytest.raises(ValueError, match=message):
        read_ids(values, "users")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, "a"], r"users mix integer \(users\[0\] is 1\) and str \(users\[1\] is 'a'\)"),
        ([True, 2], "mix bool .* and integer"),
        ([(1, 2), (3, 4)], "ids must be bool, integer"),
        ([1.0, "a"], r"users mix integer \(users\[0\] is 1\.0\) and str"),
        ([1 + 2j], "ids must be"),
        (np.array([1], "m8[s]"), "ids must be"),
        ([dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=UTC)], "cannot be sorted"),
    ],
)
def test_ids_of_a_wrong_type_or_of_mixed_types_raise(values: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        read_ids(values, "users")


def test_a_column_has_one_dimension() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        read_ids(np.array([[1, 2]]), "users")


@pytest.mark.parametrize(
    "ids",
    [
        [3.0, -1.0, 0.0],
        [3, -1.0, np.float32(0)],
        np.array([3, -1, -0.0], np.float32),
        np.array([3, -1, 0], ">f8"),
        np.array([3, -1.0, 0], object),
    ],
)
def test_whole_floats_are_integers(ids: Any) -> None:
    """Regression: the ids of a column that a merge has made float are read."""
    column = read_ids(ids, "users")
    assert column.kind == "integer"
    assert column.values.dtype == np.int64
    assert column.values.tolist() == [3, -1, 0]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1.0, 2.5], r"users\[1\] is 2\.5; ids that are floats are whole numbers"),
        ([1, 2.5], r"users\[1\] is 2\.5; ids that are floats are whole numbers"),
        ([1.0, np.inf], r"users\[1\] is inf"),
        ([1.0, 3.0, float("nan")], r"users\[2\] is nan, a missing id"),
        (np.array([3, np.nan], object), r"users\[1\] is nan, a missing id"),
        ([1.0, 2.0**53 + 2], r"users\[1\] is 9007199254740994\.0, .* up to 9007199254740992 only"),
        (np.array([2**25], np.float32), r"users\[0\] is 33554432\.0, .* up to 16777216 only"),
    ],
)
def test_floats_that_are_not_exact_ids_raise(ids: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_ids(ids, "users")
