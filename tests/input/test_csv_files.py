"""CSV files are read, and errors name the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from forms import content, read
from optional import pandas as pd

from factorate._input.pairs import read_pairs


def test_a_null_character_in_text_is_not_an_error(tmp_path: Path) -> None:
    """Regression: the error names the line with the missing rating, not that with the NUL."""
    (tmp_path / "r.csv").write_bytes(b"user,item,rating\na\0b,1,3\nc,1,\n")
    with pytest.raises(ValueError, match=r"r\.csv, line 3"):
        read(tmp_path / "r.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item,rating\n1,2,3\n1,2\n", r"line 3: 2 fields where the header has 3: '1,2'"),
        ("user,item,rating\n1,2,3\n1,2,3,4\n", r"line 3: 4 fields"),
        ("user,item,rating\n1,2,3\n1,3,good\n", r"line 3: rating is 'good', which is not a number"),
        ('user,item,Rating\n"a\nb",2,3\nc,3,bad\n', r"line 4: Rating is 'bad'"),
        ("user,item,rating\n1,2,3\n1,,4\n", "line 3: item is missing; drop the line"),
        ("user,item,rating\n", "there are no ratings"),
        ("", "is empty; expected a header line"),
        ("a,b,c,d\n1,2,3,4\n", r"columns=\('user', 'item', 'rating'\)"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,5,6\n", "line 1: '1,2,3' looks like a rating; put a header line"),
        (",,a\n1,2,3\n", "line 1: two columns are named ''; rename one"),
        ("\ufeffrating,user,item\n3,1,2\nx,1,3\n", "line 3: rating is 'x'"),
        ("user,item,rating\n1,2,3\n1,3,1_000\n", "line 3: rating is '1_000'"),
        ("user,item,rating\n1,2,3\n1,3,\n", "line 3: rating is missing"),
        ("user,item,rating\n1,2,3\n1,3,nan\n", "line 3: rating is 'nan', which is not a finite"),
        (
            "user,item,rating\n1,2,3\n1,3,1e999\n",
            "line 3: rating is '1e999', which is not a",
        ),
        ("ann,tea,5\nbob,rye,3\n", "bad.csv, line 1: .*'5'.* look like a rating; put a header"),
        ("a,b,c,d\n1,2,3,4\n", "bad.csv, line 1: cannot tell the column of user"),
    ],
)
def test_errors_name_the_line_and_value(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read(path)


def test_a_missing_header_raises(tmp_path: Path) -> None:
    """Regression: a first rating with text ids is not read as a header."""
    path = tmp_path / "pairs.csv"
    path.write_text("ann,tea,5\nbob,rye,3\n")
    index = read((["ann"], ["tea"], [5])).user_index
    with pytest.raises(ValueError, match=r"line 1: .*\['ann', 'tea', '5'\], look like a rating"):
        read_pairs(path, index, index)
    with pytest.raises(ValueError, match="put a header line"):
        read(pd.read_csv(path))
    assert len(read(pd.read_csv(path, header=None), names=(0, 1, 2)).values) == 2
    assert len(read(path, names=("ann", "tea", "5")).values) == 1


def test_columns_that_are_not_read_may_have_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes("user,item,rating,title\na,b,1,Ä\n".encode("latin-1"))
    assert content(read(path)) == [("a", "b", 1.0)]


def test_blanks_around_integers_and_column_names_are_ignored(tmp_path: Path) -> None:
    """Regression: an integer after a blank is an integer."""
    (tmp_path / "ratings.csv").write_text("rating, user, item\n3, 1,tea\n4 , 2, rye\n")
    assert content(read(tmp_path / "ratings.csv")) == [(1, "tea", 3.0), (2, " rye", 4.0)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["7", "12"], [7, 12]),
        (["007", "7"], ["007", "7"]),
        (["0x10", "16"], ["0x10", "16"]),
        (["12345678901234567890", "1"], ["1", "12345678901234567890"]),
        (["-5", "3"], [-5, 3]),
        (["NA", "1"], ["1", "NA"]),
    ],
)
def test_ids_are_integers_only_if_all_are_written_as_integers(
    tmp_path: Path, ids: list[str], expected: list[Any]
) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\r\n" + "".join(f"{u},x,1\r\n\r\n" for u in ids))
    assert read(path).user_index.ids.tolist() == expected


def test_ids_of_digits_are_text_if_the_ids_of_the_model_are_text(tmp_path: Path) -> None:
    """Regression: text ids that are all digits are not read as integers."""
    ratings = read((["a", "1"], [1, 2], [1.0, 2.0]))
    (tmp_path / "pairs.csv").write_text("user,item\n1,2\n")
    users, items, _ = read_pairs(tmp_path / "pairs.csv", ratings.user_index, ratings.item_index)
    assert (users.tolist(), items.tolist()) == ([0], [1])


def test_errors_escape_names_and_shorten_lines(tmp_path: Path) -> None:
    """Regression: control characters in a header do not reach the terminal."""
    path = tmp_path / "a.csv"
    path.write_text('user,item,"\x1b[31m\n"\n1,2,x\n')
    with pytest.raises(ValueError, match=r"line 3: \\x1b\[31m\\n is 'x', which is not a number"):
        read(path, names=("user", "item", "\x1b[31m\n"))
    path.write_text("user,item,rating\n" + "x," * 10**5)
    with pytest.raises(ValueError, match=r"100001 fields where the header has 3: 'x,x") as error:
        read(path)
    assert len(str(error.value)) < 1000
