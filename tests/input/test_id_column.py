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
        ([1.0, 2.0], r"users are float64.*astype\('int64'\)"),
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
