"""Parquet files are read, and errors name the file, the column and its type."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forms import read
from optional import present
from optional import pyarrow as pa

from factorate._input.files import read_batches

IDS = (
    "expected ids: booleans, integers, text, bytes, timestamps, dates, whole decimal128 or "
    "whole floats"
)
NUMBERS = "expected real numbers"
TWO_INTEGERS = pa.array([1, 2])


def write(path: Path, **columns: Any) -> Path:
    present(pa)
    arrays = {"user": TWO_INTEGERS, "item": TWO_INTEGERS, "rating": TWO_INTEGERS} | columns
    pa.parquet.write_table(pa.table(arrays), path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ratings.parquet"


COLUMNS: dict[str, Any] = {
    "list<element: int64>": pa.array([[1], [2]]),
    "struct<a: int64>": pa.array([{"a": 1}, {"a": 2}]),
    "time64[us]": pa.array([dt.time(1), dt.time(2)]),
    "duration[s]": pa.array([1, 2], pa.duration("s")),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_errors_name_the_type_of_a_column(path: Path, name: str) -> None:
    """Regression: these types raise ValueError, which names the file and the column."""
    column = present(COLUMNS[name])
    for role, expected in (("user", IDS), ("rating", NUMBERS)):
        write(path, **{role: column})
        message = rf"ratings.parquet: column '{role}' has type {re.escape(name)}; {expected}"
        with pytest.raises(ValueError, match=message):
            read(path)


def test_ids_and_ratings_have_different_types(path: Path) -> None:
    present(pa)
    with pytest.raises(ValueError, match=f"column 'user' has type halffloat; {IDS}"):
        read(write(path, user=pa.array(np.ones(2, np.float16))))
    with pytest.raises(ValueError, match=rf"'item' has type decimal256\(70, 0\); {IDS}"):
        read(write(path, item=pa.array([Decimal(1), Decimal(2)], pa.decimal256(70, 0))))
    with pytest.raises(ValueError, match=f"column 'rating' has type string; {NUMBERS}"):
        read(write(path, rating=pa.array(["1", "2"])))


def test_errors_name_the_value(path: Path) -> None:
    """Regression: fractions as ids, and text that is not UTF-8, raise errors of the reader."""
    present(pa)
    fraction = pa.array([Decimal("1.0"), Decimal("1.5")])
    with pytest.raises(ValueError, match=r"column 'user' is 1.5 in row 1 and has type decimal128"):
        read(write(path, user=fraction))
    damaged = pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"]).buffers())
    with pytest.raises(ValueError, match=r"ratings.parquet .* Invalid UTF8 sequence"):
        read(write(path, user=damaged))
    write(path, user=pa.array([1, 2, None]), item=pa.array([1, 2, 3]), rating=pa.array([1, 2, 3]))
    with pytest.raises(ValueError, match=r"column 'user' has a missing value in row 2; drop"):
        list(read_batches(path, lambda names: list(names), (None, None), batch_rows=1))


def test_timestamps_of_any_time_zone_are_in_utc(path: Path) -> None:
    """Regression: an unknown time zone raises no error, one beyond the year 9999 a ValueError."""
    present(pa)
    write(path, user=pa.array([0, 10**6], pa.timestamp("us", "Nowhere/Bad")))
    ids = read(path).user_index.ids.tolist()
    assert ids == [dt.datetime(1970, 1, 1, second=second, tzinfo=dt.UTC) for second in (0, 1)]
    write(path, user=pa.array([0, 2**62], pa.timestamp("us", "UTC")))
    with pytest.raises(
        ValueError, match=r"'user' has type timestamp\[us, tz=UTC\] and holds 46116"
    ):
        read(path)


def test_uuids_are_read_as_bytes(path: Path) -> None:
    if not hasattr(present(pa), "uuid"):
        pytest.skip("this pyarrow has no type for UUIDs")
    ids = [bytes(16), bytes(range(16))]
    assert read(write(path, user=pa.array(ids, pa.uuid()))).user_index.ids.tolist() == ids
