"""Pairs are read in the same forms as ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from forms import FRAME, ITEMS, SPARSE, USERS, VALUES, content, read
from optional import pandas as pd
from optional import polars as pl
from optional import present

from factorate._input.pairs import read_pairs


def test_every_form_of_pairs_is_read() -> None:
    ratings = read((USERS, ITEMS, VALUES))
    forms: list[Any] = [
        np.stack([USERS, ITEMS], 1),
        (USERS, ITEMS),
        [list(p) for p in zip(USERS, ITEMS, strict=True)],
        pd.DataFrame({"user": USERS, "item": ITEMS}),
        pl.DataFrame({"y": ITEMS, "user": USERS}).select("user", "y"),
        {"user": USERS, "item": ITEMS},
        pd.DataFrame(FRAME),
        (USERS, ITEMS, VALUES),
        list(zip(USERS, ITEMS, VALUES, strict=True)),
        SPARSE,
    ]
    for form in forms:
        users, items, _ = read_pairs(form, ratings.user_index, ratings.item_index)
        assert users.tolist() == USERS
        assert items.tolist() == ITEMS


def test_a_list_of_three_pairs_is_read_as_pairs() -> None:
    """Regression: a list of three pairs is not ambiguous."""
    pairs = [["ann", "tea"], ["bob", "rye"], ["cy", "jam"]]
    ratings = read(pairs, [5, 3, 4])
    assert content(ratings) == [("ann", "tea", 5.0), ("bob", "rye", 3.0), ("cy", "jam", 4.0)]
    users, _, _ = read_pairs(pairs, ratings.user_index, ratings.item_index)
    assert users.tolist() == [0, 1, 2]


def test_pairs_in_a_frame_with_a_labelled_index_are_read() -> None:
    """Regression: pairs are not mistaken for a wide table."""
    columns = {"user": [1, 2], "what": [3, 4], "timestamp": [0, 0]}
    frame = present(pd).DataFrame(columns, index=["a", "b"])
    ratings = read(frame, [1, 2])
    assert content(ratings) == [(1, 3, 1.0), (2, 4, 2.0)]
    users, items, _ = read_pairs(frame, ratings.user_index, ratings.item_index)
    assert (users.tolist(), items.tolist()) == ([0, 1], [0, 1])


def test_a_dense_matrix_instead_of_pairs_raises() -> None:
    """Regression: entries of a dense matrix are not read as pairs."""
    ratings = read(present(SPARSE))
    for matrix in (np.ones((3, 4)), np.ones((3, 1), int), [[1, 2, 3, 4]]):
        with pytest.raises(ValueError, match=r"have shape \(n, 2\); got .*coo_array\(a\)"):
            read_pairs(matrix, ratings.user_index, ratings.item_index)
