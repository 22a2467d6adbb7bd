"""Interactions are read as pairs with counts, from every form of input."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optional import pandas as pd
from optional import scipy

from factorate._input.column_names import find_interaction_columns
from factorate._input.interactions import read_further_interactions, read_interactions

FLOAT = np.dtype(np.float32)


def content(data: Any, y: Any = None, **names: Any) -> list[tuple[Any, Any, float]]:
    found = read_interactions(data, y, dtype=FLOAT, **names)
    users = found.user_index.ids[found.user_rows].tolist()
    items = found.item_index.ids[found.item_rows].tolist()
    return sorted(zip(users, items, found.values.tolist(), strict=True))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), min_size=1))
def test_columns_rows_and_frames_hold_the_same_interactions(
    rows: list[tuple[int, int, int]],
) -> None:
    users, items, counts = (list(column) for column in zip(*rows, strict=True))
    expected = sorted((user, item, float(count)) for user, item, count in rows)
    ones = sorted((user, item, 1.0) for user, item, _ in rows)
    assert content((users, items, counts)) == expected
    assert content([[user, item] for user, item, _ in rows]) == ones
    assert content([[user, item] for user, item, _ in rows], counts) == expected
    assert content(np.array(rows), names=(0, 1, 2)) == expected
    assert content(np.array(rows), names=(0, 1)) == ones
    named = {"item": items, "user": users, "weight": counts}
    assert content(named) == expected
    assert content(pd.DataFrame(named)) == expected
    assert content(named, names=("user", "item")) == ones


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("user,item\na,x\nb,y\n", None, [("a", "x", 1.0), ("b", "y", 1.0)]),
        ("user,item,plays\na,x,3\nb,y,2\n", None, [("a", "x", 3.0), ("b", "y", 2.0)]),
        ("userId,movieId,rating\n1,7,0.5\n2,8,0\n", None, [(1, 7, 1.0), (2, 8, 1.0)]),
        ("1\t7\t3\t881250949\n2\t8\t1\t891717742\n", None, [(1, 7, 1.0), (2, 8, 1.0)]),
        ("1\t7\t3\t881250949\n2\t8\t1\t891717742\n", (0, 1, 2), [(1, 7, 3.0), (2, 8, 1.0)]),
        ("1,7\n2,8\n", None, [(1, 7, 1.0), (2, 8, 1.0)]),
        ("who,what,n\na,x,3\n", ("who", "what", "n"), [("a", "x", 3.0)]),
    ],
)
def test_a_file_has_counts_only_if_a_column_is_named_so(
    text: str, names: Any, expected: Any, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "interactions.txt"
    path.write_text(text)
    assert content(path, names=names) == expected
    assert content(io.StringIO(text), names=names) == expected


def test_matrices_hold_counts() -> None:
    matrix = np.array([[0, 2, 0, 1], [3, 0, 0, 0]])
    expected = [(0, 1, 2.0), (0, 3, 1.0), (1, 0, 3.0)]
    assert content(matrix) == expected
    assert content(matrix.tolist()) == expected
    assert content(scipy.sparse.csr_array(matrix)) == expected
    assert content(scipy.sparse.csr_array(matrix > 0)) == [(u, i, 1.0) for u, i, _ in expected]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.ones((4, 3)), ValueError, r"can be rows of \(user, item, rating\) or a matrix"),
        (np.ones(4), ValueError, r"pairs|expected \(n_users, n_items\)"),
        (([1], [2], [3], [4]), ValueError, r"a tuple of 4 was given; expected \(users, items\)"),
        (([1, 2], [3]), ValueError, "columns have different lengths: 2 users, 1 items"),
        ({"a": [1], "b": [2]}, ValueError, "cannot tell the column of user and item"),
        (
            {"user": [1], "item": [2], "count": [1], "plays": [1]},
            ValueError,
            r"columns \['count', 'plays'\] are all candidates",
        ),
        ({"user": [1], "item": [2], "count": ["x"]}, TypeError, r"counts\[0\] is 'x'"),
        (5, TypeError, "got int; expected a DataFrame"),
        (([1.5], [2]), ValueError, "users"),
    ],
)
def test_what_is_not_interactions_is_an_error(
    data: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        content(data)


def test_further_interactions_continue_the_rows_of_the_model() -> None:
    known = read_interactions((["a", "b"], [7, 8]), dtype=FLOAT)
    indexes = known.user_index, known.item_index
    more = (["c", "b"], [8, 9], [2, 1])
    found, _ = read_further_interactions(more, None, indexes, dtype=FLOAT, may_grow=(True, False))
    assert found.user_rows.tolist() == [2, 1]
    assert found.item_rows.tolist() == [1, -1]
    assert found.values.tolist() == [2, 1]
    assert found.user_index.ids.tolist() == ["a", "b", "c"]
    with pytest.raises(TypeError, match="users are integer"):
        read_further_interactions(([1], [8]), None, indexes, dtype=FLOAT)


def test_the_columns_of_interactions_are_recognized() -> None:
    assert find_interaction_columns(["Item_ID", "weights", "user"], None) == [
        "user",
        "Item_ID",
        "weights",
    ]
    assert find_interaction_columns(["user", "product"], None) == ["user", "product"]
    assert find_interaction_columns(["a", "b", "c"], (2, 0)) == ["c", "a"]
    with pytest.raises(ValueError, match="names 'n', which is not among the columns"):
        find_interaction_columns(["user", "item"], ("user", "item", "n"))
