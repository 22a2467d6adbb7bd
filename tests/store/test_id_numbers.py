"""Ids that are read in batches have the rows that they would have if they were read at once."""

from __future__ import annotations

import datetime
import itertools
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._input.id_column import Encoded, IdColumn, read_ids
from factorate._input.make_index import make_index
from factorate._store.id_numbers import IdNumbers

UTC = datetime.UTC
KINDS: dict[str, Any] = {
    "bool": st.booleans(),
    "small": st.integers(0, 50),
    "negative": st.integers(-(2**63), 2**63 - 1),
    "unsigned": st.integers(0, 2**64 - 1),
    "huge": st.integers(-(2**70), 2**70),
    "text": st.text(max_size=3),
    "bytes": st.binary(max_size=3),
    "UUID": st.integers(0, 2**128 - 1).map(lambda n: uuid.UUID(int=n)),
    "datetime": st.datetimes(),
    "zoned": st.datetimes(timezones=st.just(UTC)),
}


def number(batches: list[Any]) -> tuple[IdNumbers, list[int]]:
    numbers = IdNumbers("users")
    found = [numbers.add(read_ids(batch, "users")).tolist() for batch in batches]
    return numbers, list(itertools.chain(*found))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_rows_are_those_of_all_ids_at_once(kind: str, data: st.DataObject) -> None:
    batches = data.draw(st.lists(st.lists(KINDS[kind], max_size=6), min_size=1, max_size=5))
    every = list(itertools.chain(*batches))
    numbers, found = number(batches)
    index, rows = numbers.finish()
    if not every:
        assert not len(index.ids)
        return
    expected, expected_rows = make_index(read_ids(every, "users"), "users")
    assert index.ids.tolist() == expected.ids.tolist()
    assert index.ids.dtype == expected.ids.dtype
    assert index.kind == expected.kind
    assert rows[found].tolist() == expected_rows.tolist()
    assert len(numbers) == len(expected.ids)


def test_numbers_follow_the_order_of_appearance() -> None:
    assert number([[5, 3], [4, 3]])[1] == [0, 1, 2, 1]
    assert number([["b", "a"], ["c", "a"]])[1] == [1, 0, 2, 0]


def test_unused_categories_have_no_number() -> None:
    numbers = IdNumbers("users")
    categories = Encoded(np.array(["z", "b", "a"], object), np.array([2, 1, 2], np.int32))
    assert numbers.add(read_ids(categories, "users")).tolist() == [0, 1, 0]
    assert numbers.finish()[0].ids.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("batches", "reason"),
    [
        ([[1], ["a"]], "users hold 'a' of kind str, but those before are of kind integer"),
        ([["a"], [True]], "users hold True of kind bool, but those before are of kind str"),
        (
            [np.array(["2020-01-01"], "M8[D]"), np.array(["2020-01-01"], "M8[s]")],
            "in units of D; convert all to one type",
        ),
    ],
)
def test_kinds_that_differ_raise_an_error(batches: list[Any], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        number(batches)


def test_texts_that_become_one_integer_have_one_row() -> None:
    numbers, found = number([["7", "10"], ["007"]])
    index, rows = numbers.finish(lambda texts: IdColumn(texts.astype(np.int64), "integer"))
    assert index.ids.tolist() == [7, 10]
    assert rows[found].tolist() == [0, 1, 0]
