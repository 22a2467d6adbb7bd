"""Rows are looked up by id, and ids by row."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest

from factorate._input.id_column import Encoded, read_ids
from factorate._input.id_index import range_index
from factorate._input.id_to_row import ids_of, look_up, rows_of
from factorate._input.make_index import extend, make_index, without


def index(values: Any) -> Any:
    return make_index(read_ids(values, "users"), "users")


@pytest.mark.parametrize(
    ("known", "asked", "rows"),
    [
        ([10, 20], [20, 15, 5, 25, 10], [1, -1, -1, -1, 0]),
        ([0, 10**12], [10**12, 7], [1, -1]),
        ([-5, 5], np.array([2**63 + 1, 5], np.uint64), [-1, 1]),
        (np.array([2**63, 3], np.uint64), [3, -1], [0, -1]),
        (["a", "c"], ["c", "b"], [1, -1]),
        ([False], [True, False], [-1, 0]),
        (
            np.array(["2020-01-01"], "M8[ns]"),
            np.array(["2020-01-01", "2021-01-01"], "M8[D]"),
            [0, -1],
        ),
    ],
)
def test_unknown_ids_have_no_row(known: Any, asked: Any, rows: list[int]) -> None:
    found, _ = index(known)
    assert look_up(found, read_ids(asked, "users"), "users").tolist() == rows


def test_neighbouring_large_integers_are_distinct() -> None:
    """Regression: int64 and uint64 are not compared as float64."""
    found, _ = index(np.array([2**63 + 1, 2**53], np.uint64))
    assert look_up(found, read_ids([2**53 + 1, 2**53], "users"), "users").tolist() == [-1, 0]


def test_a_date_beyond_the_unit_of_the_index_is_unknown() -> None:
    """Regression: the year 9999 does not wrap to a known date in nanoseconds."""
    asked = np.array(["9999-01-01", "1815-03-31"], "M8[D]")
    nanoseconds = int(asked[0].astype(np.int64)) * 86_400 * 10**9
    wrapped = (nanoseconds + 2**63) % 2**64 - 2**63
    whole_day = np.datetime64("1815-03-31", "ns").astype(np.int64)
    found, _ = index(np.array([wrapped, whole_day], np.int64).view("M8[ns]"))
    assert look_up(found, read_ids(asked, "users"), "users").tolist() == [-1, 0]


def test_every_id_of_an_empty_index_is_unknown() -> None:
    empty = without(index([1, 2])[0], np.array([0, 1], np.int32))
    assert look_up(empty, read_ids([1], "users"), "users").tolist() == [-1]
    with pytest.raises(TypeError, match="ids of the model are integer; convert"):
        look_up(empty, read_ids(["a"], "users"), "users")
    assert extend(empty, read_ids([5, 3], "users"), "users")[0].ids.tolist() == [3, 5]


def test_a_column_of_another_type_raises() -> None:
    found, _ = index([1, 2])
    with pytest.raises(TypeError, match=r"users are str \(users\[0\] is '1'\).*integer \(.*1.*\)"):
        look_up(found, read_ids(["1"], "users"), "users")
    with pytest.raises(TypeError, match="users are bool"):
        look_up(found, read_ids([True], "users"), "users")


def test_distinct_values_of_an_encoded_column_are_looked_up_once() -> None:
    column = Encoded(np.array(["b", "x", "a"], object), np.array([0, 0, 1, 2], np.int32))
    ids, rows = rows_of(column, index(["a", "b"])[0], "users")
    assert ids.tolist() == ["b", "x", "a"]
    assert rows.tolist() == [1, 1, -1, 0]


def test_all_ids_have_the_rows_of_their_index() -> None:
    ids, rows = rows_of(None, range_index(3), "users")
    assert ids.tolist() == rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "ids", [[5, 7], ["a", "b"], [False, True], np.array(["2020-01-01", "2021-01-01"], "M8[D]")]
)
def test_ids_of_rows_of_any_shape(ids: Any) -> None:
    found = ids_of(index(ids)[0], np.array([[1, -1], [0, 1]], np.int32))
    known = index(ids)[0].ids
    assert found.shape == (2, 2)
    assert found.dtype == known.dtype
    assert found[[0, 1, 1], [0, 0, 1]].tolist() == known[[1, 0, 1]].tolist()


@pytest.mark.parametrize("kind", ["integer", "UUID"])
def test_ids_with_equal_hashes_have_keys_with_distinct_hashes(kind: str) -> None:
    """Regression: the time to look up such ids is linear in their number."""
    numbers = [(2**61 - 1) * (2**40 + n) for n in range(16_000)]
    ids: Any = numbers if kind == "integer" else [uuid.UUID(int=n) for n in numbers]
    assert len(set(map(hash, ids))) == 1
    found, rows = index(ids)
    assert len(set(map(hash, found.rows_by_key))) == len(ids)
    assert (look_up(found, read_ids(ids, "users"), "users") == rows).all()
