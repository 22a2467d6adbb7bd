"""Rows are assigned to ids, and stay the same when later ids are added."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optional import pandas as pd

from factorate._input.id_column import Encoded, read_ids
from factorate._input.id_to_row import look_up
from factorate._input.make_index import extend, make_index, without

UTC = dt.UTC
ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def index(values: Any) -> Any:
    return make_index(read_ids(values, "users"), "users")


KINDS: dict[str, tuple[Any, list[Any]]] = {
    "bool": ([True, False, True], [False, True]),
    "int": ([5, -3, 5], [-3, 5]),
    "int8": (np.array([5, -3, 5], np.int8), [-3, 5]),
    "int32 from 0": (np.array([1, 0, 1], np.int32), [0, 1]),
    "big-endian": (np.array([5, -3, 5], ">i4"), [-3, 5]),
    "far apart": ([2**62, -(2**62), 2**62], [-(2**62), 2**62]),
    "uint64": (np.array([2**63, 1, 2**63], np.uint64), [1, 2**63]),
    "beyond 64 bits": ([2**70, 1, 2**70], [1, 2**70]),
    "str": (["b", "a", "b"], ["a", "b"]),
    "numpy str": (np.array(["b", "a", "b"]), ["a", "b"]),
    "object str": (np.array(["b", "a", "b"], object), ["a", "b"]),
    "variable str": (np.array(["b", "a", "b"], np.dtypes.StringDType()), ["a", "b"]),
    "bytes": ([b"b", b"a", b"b"], [b"a", b"b"]),
    "UUID": ([TWO, ONE, TWO], [ONE, TWO]),
    "datetime64": (
        np.array(["2021", "2020", "2021"], "M8[D]"),
        [dt.date(2020, 1, 1), dt.date(2021, 1, 1)],
    ),
    "datetime": (
        [dt.datetime(2021, 1, 1), dt.datetime(2020, 1, 1), dt.datetime(2021, 1, 1)],
        [dt.datetime(2020, 1, 1), dt.datetime(2021, 1, 1)],
    ),
    "zoned": (
        [
            dt.datetime(2021, 1, 1, tzinfo=UTC),
            dt.datetime(2020, 1, 1, tzinfo=UTC),
            dt.datetime(2021, 1, 1, tzinfo=UTC),
        ],
        [dt.datetime(2020, 1, 1, tzinfo=UTC), dt.datetime(2021, 1, 1, tzinfo=UTC)],
    ),
    "date": (
        [dt.date(2021, 1, 1), dt.date(2020, 1, 1), dt.date(2021, 1, 1)],
        [dt.date(2020, 1, 1), dt.date(2021, 1, 1)],
    ),
    "numpy integers": ([np.int64(5), np.int8(-3), 5], [-3, 5]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_ranks_and_ids_are_unchanged(kind: str) -> None:
    given_ids, distinct = KINDS[kind]
    found, rows = index(given_ids)
    assert found.ids.tolist() == distinct
    assert rows.dtype == np.int32
    assert rows.tolist() == [1, 0, 1]
    assert look_up(found, read_ids(given_ids, "users"), "users").tolist() == [1, 0, 1]


@given(st.lists(st.integers(-(2**63), 2**64 - 1) | st.integers(-5, 5), min_size=1))
def test_integers_of_any_size(values: list[int]) -> None:
    found, rows = index(values)
    assert found.ids.tolist() == sorted(set(values))
    assert [found.ids.tolist()[row] for row in rows] == values
    absent = max(values) + 1
    assert look_up(found, read_ids([absent], "users"), "users").tolist() == [-1]


@given(st.lists(st.text(), min_size=1))
def test_any_text(values: list[str]) -> None:
    found, rows = index(values)
    assert found.ids.tolist() == sorted(set(values))
    assert [found.ids.tolist()[row] for row in rows] == values


def test_negative_numpy_integers_do_not_wrap() -> None:
    """Regression: -1 beside an integer beyond int64 stays -1."""
    values = [np.int64(-1), 2**63, 2**64 - 1]
    assert index(values)[0].ids.tolist() == [-1, 2**63, 2**64 - 1]


def test_timestamps_that_differ_by_nanoseconds_are_distinct() -> None:
    """Regression: a list of timestamps is not rounded to microseconds."""
    times = [pd.Timestamp("2020-01-01") + pd.Timedelta(n, "ns") for n in (1, 2)]
    assert len(index(times)[0].ids) == 2


def test_rows_are_copies_of_ids_that_are_rows() -> None:
    """Regression: a caller that writes to its array does not change rows in training."""
    values = np.arange(1000, dtype=np.int32)
    _, rows = index(values)
    np.testing.assert_array_equal(rows, values)
    assert not np.shares_memory(rows, values)


# Later ids

OF_A_KIND: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "integer": st.integers(-(2**63), 2**64 - 1) | st.integers(-5, 300),
    "small integer": st.integers(-5, 300),
    "large integer": st.integers(-(2**70), 2**70),
    "str": st.text(),
    "bytes": st.binary(),
    "UUID": st.uuids(),
    "datetime": st.datetimes(),
    "zoned datetime": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
}


@pytest.mark.parametrize("kind", OF_A_KIND)
@given(data=st.data())
def test_later_ids_are_appended_and_old_rows_stay(kind: str, data: st.DataObject) -> None:
    batches = [data.draw(st.lists(OF_A_KIND[kind], min_size=1)) for _ in range(3)]
    found, _ = index(batches[0])
    expected = sorted(set(batches[0]))
    for batch in batches[1:]:
        found, rows = extend(found, read_ids(batch, "users"), "users")
        expected += sorted(set(batch) - set(expected))
        assert found.ids.tolist() == expected
        assert [expected[row] for row in rows] == batch
    for asked in (expected, batches[2]):
        rows = look_up(found, read_ids(asked, "users"), "users").tolist()
        assert rows == [expected.index(value) for value in asked]
    others = sorted(set(data.draw(st.lists(OF_A_KIND[kind]))) - set(expected))
    assert (look_up(found, read_ids(others, "users"), "users") < 0).all()


@pytest.mark.parametrize("kind", OF_A_KIND)
@given(data=st.data())
def test_removed_ids_are_unknown_and_later_rows_move_up(kind: str, data: st.DataObject) -> None:
    first, later = (data.draw(st.lists(OF_A_KIND[kind], min_size=1)) for _ in range(2))
    found, _ = extend(index(first)[0], read_ids(later, "users"), "users")
    before = found.ids.tolist()
    removed = data.draw(st.lists(st.sampled_from(range(len(before))), unique=True))
    rest = without(found, np.array(removed, np.int32))
    remaining = [value for row, value in enumerate(before) if row not in removed]
    assert rest.ids.tolist() == remaining
    expected = [remaining.index(value) if value in remaining else -1 for value in before]
    assert look_up(rest, read_ids(before, "users"), "users").tolist() == expected


def test_unused_categories_of_later_ids_have_no_row() -> None:
    found, _ = index(["a", "c"])
    column = Encoded(np.array(["z", "c", "b", "q"], object), np.array([2, 1, 0, 2], np.int32))
    found, rows = extend(found, read_ids(column, "users"), "users")
    assert found.ids.tolist() == ["a", "c", "b", "z"]
    assert rows.tolist() == [2, 1, 3, 2]


def test_later_integers_beyond_the_dtype_of_the_index_stay_exact() -> None:
    found, _ = index([2**53, -1])
    for value, dtype in ((2**53 + 1, np.int64), (2**63 + 1, object), (2**70, object)):
        found, _ = extend(found, read_ids([value], "users"), "users")
        assert found.ids.dtype == dtype
    assert found.ids.tolist() == [-1, 2**53, 2**53 + 1, 2**63 + 1, 2**70]
    found, _ = extend(index([1])[0], read_ids([2**64 - 1], "users"), "users")
    assert found.ids.dtype == np.uint64


def test_later_datetimes_of_another_unit_stay_exact() -> None:
    found, _ = index(np.array(["2020-01-02"], "M8[D]"))
    later = np.array(["2020-01-01T00:00:00.000000001"], "M8[ns]")
    found, rows = extend(found, read_ids(later, "users"), "users")
    assert rows.tolist() == [1]
    assert found.ids.tolist() == np.array(["2020-01-02", later[0]], "M8[ns]").tolist()
    with pytest.raises(ValueError, match=r"9999, 1, 1\), which the unit of the others, ns, cannot"):
        extend(found, read_ids(np.array(["9999-01-01"], "M8[D]"), "users"), "users")


def test_later_ids_of_another_kind_raise() -> None:
    with pytest.raises(TypeError, match="the ids of the model are integer"):
        extend(index([1])[0], read_ids(["a"], "users"), "users")
