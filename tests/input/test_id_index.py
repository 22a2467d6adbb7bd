"""The ids of an index are read-only and survive pickling."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from factorate._input.id_index import IdIndex, range_index


@pytest.mark.parametrize("copies", [False, True])
def test_ids_are_read_only(copies: bool) -> None:
    index = IdIndex(np.array([3, 1, 2]), "integer")
    assert index.ascending[1] is not None  # is not pickled
    if copies:
        index = pickle.loads(pickle.dumps(index))  # noqa: S301
    assert index.ids.tolist() == [3, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        index.ids[0] = 7


def test_ids_far_apart_have_no_table() -> None:
    assert IdIndex(np.array([0, 10**12]), "integer").table is None
    first_and_table = IdIndex(np.array([5, 3]), "integer").table
    assert first_and_table is not None
    assert (first_and_table[0], first_and_table[1].tolist()) == (3, [1, -1, 0])


def test_the_ids_of_a_matrix_are_its_row_numbers() -> None:
    assert range_index(3).ids.tolist() == [0, 1, 2]
