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
from optional import polars as pl
from optional import present, scipy
from optional import pyarrow as pa

from factorate._input.column_names import find_interaction_columns
from factorate._input.files import InputFile
from factorate._input.interactions import read_further_interactions, read_interactions
from factorate._input.wide import Wide

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


def test_a_first_line_without_known_names_may_be_no_header(tmp_path: Path) -> None:
    present(pa)
    path = tmp_path / "pairs.csv"
    path.write_text("ann,tea\nbob,rye\n")
    message = r"cannot tell the column .*; if the first line holds no names, set header=False"
    with pytest.raises(ValueError, match=message):
        content(path)
    expected = [("ann", "tea", 1.0), ("bob", "rye", 1.0)]
    assert content(InputFile(path, header=False)) == expected
    with pytest.raises(ValueError, match=r"--columns ann,tea$"):
        content(InputFile(path, header=True))


def test_matrices_hold_counts() -> None:
    matrix = np.array([[0, 2, 0, 1], [3, 0, 0, 0], [0, 0, 0, 0], [0, 5, 0, 0]])
    expected = [(0, 1, 2.0), (0, 3, 1.0), (1, 0, 3.0), (3, 1, 5.0)]
    assert content(matrix) == expected
    assert content(matrix.tolist()) == expected
    assert content(scipy.sparse.csr_array(matrix)) == expected
    assert content(scipy.sparse.csr_array(matrix > 0)) == [(u, i, 1.0) for u, i, _ in expected]


def test_zeros_of_a_wide_table_are_pairs_without_interactions() -> None:
    """Regression: such a table, as of pandas' crosstab, was rejected if it had no NaN."""
    frame = pd.DataFrame({"user": ["a", "a", "b"], "item": ["x", "x", "y"]})
    expected = [("a", "x", 2.0), ("b", "y", 1.0)]
    table = pd.crosstab(frame["user"], frame["item"])
    assert content(Wide(table)) == expected
    assert content(Wide(table.where(table > 0))) == expected
    assert content(Wide(table.to_numpy())) == [(0, 0, 2.0), (1, 1, 1.0)]


TIMES = [1_700_000_000, 1_700_000_060]


def test_times_are_not_counts() -> None:
    """Regression: times in the third column were taken as counts, silently."""
    users, items = ["a", "b"], ["x", "y"]
    message = "the counts look like times .*: leave them out, or divide them by a number"
    for times in (TIMES, [1000 * time for time in TIMES], np.array(TIMES, np.float64)):
        with pytest.raises(ValueError, match=message):
            content((users, items, times))
        with pytest.raises(ValueError, match=message):
            content((users, items), times)
    rows = list(zip(users, items, TIMES, strict=True))
    with pytest.raises(ValueError, match=r"looks like a time .* leave it out with columns=\(0, 1"):
        content(rows)
    assert content(rows, names=(0, 1)) == [("a", "x", 1.0), ("b", "y", 1.0)]
    assert content((users, items, [1, 2e9])) == [("a", "x", 1.0), ("b", "y", 2e9)]


@pytest.mark.parametrize("form", [list, np.array])
def test_two_long_rows_can_be_two_columns(form: Any) -> None:
    """Regression: two columns in a list were read as a matrix of two users, silently."""
    columns = form([[1, 1, 2, 3], [7, 8, 7, 9]])
    with pytest.raises(
        ValueError, match=r"shape \(2, 4\) can be two columns or a matrix of two us"
    ):
        content(columns)
    assert content(tuple(columns)) == [(1, 7, 1.0), (1, 8, 1.0), (2, 7, 1.0), (3, 9, 1.0)]
    assert len(content(Wide(columns))) == 8


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.ones((4, 3)), ValueError, r"can be rows of \(user, item, count\) or a matrix"),
        ([[1, 2, 3]] * 3, ValueError, r"three counts .* pass a tuple \(users, items, counts\)"),
        ([["a", "b"] * 2] * 2, ValueError, "no matrix of counts; for columns pass a tuple"),
        (np.ones(4), ValueError, r"pairs|expected \(n_users, n_items\)"),
        (
            ([1], [2], [3], [4]),
            ValueError,
            r"expected \(users, items\) or \(users, items, counts\)",
        ),
        (([1, 2], [3]), ValueError, "columns have different lengths: 2 users, 1 items"),
        ({"a": [1], "b": [2]}, ValueError, "cannot tell the column of user and item"),
        (
            {"user": [1], "item": [2], "count": [1], "plays": [1]},
            ValueError,
            r"columns \['count', 'plays'\] are all candidates",
        ),
        ({"user": [1], "item": [2], "count": ["x"]}, TypeError, r"counts\[0\] is 'x'"),
        (5, TypeError, r"got int; expected a DataFrame.* \(user, item, count\)"),
        (([1.5], [2]), ValueError, "users"),
    ],
)
def test_what_is_not_interactions_is_an_error(
    data: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        content(data)


def test_errors_of_counts_do_not_call_them_ratings() -> None:
    frame = pd.DataFrame({"user": [1, 2], "item": [3, 4], "count": [1, None]})
    with pytest.raises(ValueError, match=r"^counts\[1\] is nan, a missing value"):
        content(frame)
    pairs = [[1, 3], [2, 4]]
    with pytest.raises(ValueError, match="2 users, 2 items, 1 counts"):
        content(pairs, [1])
    with pytest.raises(ValueError, match="a sparse matrix holds its counts"):
        content(scipy.sparse.csr_array(np.eye(2)), [1, 1])
    with pytest.raises(ValueError, match="a wide table holds its counts"):
        content(Wide(np.eye(4)), [1, 1])
    with pytest.raises(
        ValueError, match=r"a tuple of 3 was given with y; expected \(users, items\)"
    ):
        content(([1], [2], [3]), [1])


def test_errors_locate_the_entries_of_matrices() -> None:
    matrix = np.array([[0, 1, 0, 0], [0, 0, 0, -2.0], [0, 0, 1, 0], [1, 0, 0, 0]])
    message = r"the entry in row 1, column 3 is -2\.0; .* drop dislikes"
    for data in (matrix, scipy.sparse.csr_array(matrix)):
        with pytest.raises(ValueError, match=message):
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


def test_sizes_of_groups_are_counts() -> None:
    """Regression: the columns that count rows of groups in pandas and polars were not used."""
    frame = pd.DataFrame({"user": ["a", "a", "b"], "item": ["x", "x", "y"]})
    expected = [("a", "x", 2.0), ("b", "y", 1.0)]
    assert content(frame.groupby(["user", "item"], as_index=False).size()) == expected
    assert content(frame.value_counts().reset_index()) == expected
    assert content(pl.DataFrame(frame).group_by(["user", "item"]).len()) == expected
    assert find_interaction_columns(["user", "item", "size", "price"], None) == ["user", "item"]
    assert find_interaction_columns(["size", "user", "item"], None) == ["user", "item"]


def test_the_error_for_many_unknown_columns_names_wide_tables() -> None:
    frame = pd.DataFrame({"user": [1, 2, 3, 4], "item": [5, 6, 7, 8]})
    with pytest.raises(ValueError, match="or pass a wide table of users × items with wide=True"):
        content(pd.crosstab(frame["user"], frame["item"]))


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


def test_more_interactions_than_can_be_numbered_are_an_error_before_they_are_read() -> None:
    ids = np.broadcast_to(np.int32(0), 2**31)  # takes no memory
    message = "2,147,483,648 interactions; expected at most .* pass repeated pairs once, with their"
    with pytest.raises(ValueError, match=message):
        content((ids, ids))
