"""read_ratings: files become arrays that every method accepts."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from optional import present
from optional import pyarrow as pa

import factorate as ft

U_DATA = "196\t242\t3\t881250949\n186\t302\t3.5\t891717742\n"


def test_a_file_becomes_three_arrays() -> None:
    present(pa)
    users, items, ratings = ft.read_ratings(io.StringIO(U_DATA))
    assert (users.tolist(), items.tolist(), ratings.tolist()) == (
        [196, 186],
        [242, 302],
        [3.0, 3.5],
    )
    assert [column.dtype for column in (users, items, ratings)] == [np.int64, np.int64, np.float64]
    users, _, _ = columns = ft.read_ratings(io.StringIO("ann;tea;5\nbob;rye;4\nann;rye;3\n"))
    assert users.tolist() == ["ann", "bob", "ann"]
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(columns)
    assert model.users_.tolist() == ["ann", "bob"]


def test_separator_header_and_columns_can_be_given() -> None:
    present(pa)
    found = ft.read_ratings(io.StringIO("3~7~a\n4~8~b\n"), columns=(2, 1, 0), sep="~", header=True)
    assert [column.tolist() for column in found] == [["b"], [8], [4.0]]
    found = ft.read_ratings(io.StringIO("who,what,stars\nann,tea,5\n"), columns=("what", "who", 2))
    assert [column.tolist() for column in found] == [["tea"], ["ann"], [5.0]]


def test_wrong_arguments_raise() -> None:
    present(pa)
    with pytest.raises(TypeError, match="sep is 3; expected text"):
        ft.read_ratings(io.StringIO(U_DATA), sep=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"columns is 'user'; expected names"):
        ft.read_ratings(io.StringIO(U_DATA), columns="user")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got int; expected the path of a file, or an open file"):
        ft.read_ratings(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"columns=.* has no rating"):
        ft.read_ratings(io.StringIO(U_DATA), columns=(0, 1))


def test_a_model_reads_numbered_columns(tmp_path: object) -> None:
    present(pa)
    model = ft.MatrixFactorization(2, 1, random_state=0, columns=(1, 0, 2))
    model.fit(io.StringIO(U_DATA))
    assert model.users_.tolist() == [242, 302]
    model.save(f"{tmp_path}/m.npz")
    assert ft.load(f"{tmp_path}/m.npz").columns == (1, 0, 2)


def test_times_without_a_header_are_not_ratings(tmp_path: Path) -> None:
    present(pa)
    path = tmp_path / "clicks.csv"
    path.write_text("1,2,881250949\n1,3,881250950\n2,2,881250951\n")
    message = "cannot tell the column of rating among .*'timestamp' holds times"
    with pytest.raises(ValueError, match=message):
        ft.read_ratings(path)
    with pytest.raises(ValueError, match=message):
        ft.MatrixFactorization(2).fit(path)
