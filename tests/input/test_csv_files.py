"""CSV files are read, and errors name the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from forms import content, read
from optional import pandas as pd
from optional import present
from optional import pyarrow as pa

from factorate._input.files import InputFile
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
        ("", "is empty; expected lines with a user and an item"),
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
        ("1,2,3\n4,5\n", "line 2: 2 fields where line 1 has 3: '4,5'"),
        ("1,2,x\n4,5,6\n", "line 1: rating is 'x', which is not a number"),
        ("1::2::3\n1::2::x\n", "line 2: rating is 'x', which is not a number"),
        ("user;item;Rating\n1;2;3,5\n1;2;3,x\n", "line 3: Rating is '3,x', which is not a number"),
        ("1\n2\n", "bad.csv, which has no header line: cannot tell the column"),
        ("user,user,rating\n1,2,3\n", "line 1: two columns are named 'user'; rename one"),
        ("1,2,3,4\n5,6,7,8\n", "no header line: cannot tell the columns? of .*'0', '1', '2', '3'"),
        ("\ufeffrating,user,item\n3,1,2\nx,1,3\n", "line 3: rating is 'x'"),
        ("user,item,rating\n1,2,3\n1,3,1_000\n", "line 3: rating is '1_000'"),
        ("user,item,rating\n1,2,3\n1,3,\n", "line 3: rating is missing"),
        ("user,item,rating\n1,2,3\n1,3,nan\n", "line 3: rating is 'nan', which is not a finite"),
        (
            "user,item,rating\n1,2,3\n1,3,1e999\n",
            "line 3: rating is '1e999', which is not a",
        ),
        ("a,b,c,d\n1,2,3,4\n", "bad.csv, line 1: cannot tell the column"),
    ],
)
def test_errors_name_the_line_and_value(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read(path)


def test_a_file_without_a_header_is_read_in_order(tmp_path: Path) -> None:
    """Regression: a first rating with text ids is not read as a header."""
    path = tmp_path / "pairs.csv"
    path.write_text("ann,tea,5\nbob,rye,3\n")
    index = read((["ann"], ["tea"], [5])).user_index
    assert read_pairs(path, index, index)[0].tolist() == [0, -1]
    assert content(read(path)) == [("ann", "tea", 5.0), ("bob", "rye", 3.0)]
    with pytest.raises(ValueError, match="put a header line"):
        read(pd.read_csv(path))
    assert len(read(pd.read_csv(path, header=None), names=(0, 1, 2)).values) == 2
    with_header = InputFile(path, header=True)
    assert content(read(with_header, names=("ann", "tea", "5"))) == [("bob", "rye", 3.0)]


MOVIELENS = {
    "u.data": ("196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n", 3),
    "ratings.dat": ("1::1193::5::978300760\n1::661::3::978302109\n2::1357::5::978298709\n", 3),
    "ratings.dat of 10m": ("1::122::5::838985046\n1::185::4.5::838983525\n", 2),
    "ratings.csv": (
        "userId,movieId,rating,timestamp\r\n1,296,5.0,1147880044\r\n1,306,3.5,1147868817\r\n",
        2,
    ),
}


@pytest.mark.parametrize("name", MOVIELENS)
def test_files_of_movielens_are_read_as_downloaded(tmp_path: Path, name: str) -> None:
    present(pa)
    text, n_ratings = MOVIELENS[name]
    path = tmp_path / name.removesuffix(" of 10m")
    path.write_bytes(text.encode())
    ratings = content(read(path))
    assert len(ratings) == n_ratings
    assert (
        ratings[0]
        == {
            "u.data": (22, 377, 1.0),
            "ratings.dat": (1, 661, 3.0),
            "ratings.dat of 10m": (1, 122, 5.0),
            "ratings.csv": (1, 296, 5.0),
        }[name]
    )


def test_columns_are_given_by_number(tmp_path: Path) -> None:
    present(pa)
    path = tmp_path / "r.txt"
    path.write_text("881250949 4.5 a 7\n891717742 3 b 8\n")
    assert content(read(path, names=(2, 3, 1))) == [("a", 7, 4.5), ("b", 8, 3.0)]
    with pytest.raises(ValueError, match=r"names 4, which is not among .*numbered from 0 to 3"):
        read(path, names=(2, 3, 4))
    path.write_text("stars;who;what\n1;2;3\n")
    assert content(read(path, names=(1, 2, 0))) == [(2, 3, 1.0)]


def test_numbers_may_have_a_decimal_comma(tmp_path: Path) -> None:
    present(pa)
    path = tmp_path / "r.csv"
    path.write_text('user;item;rating\n"a;1";x;3,5\n"b";x;4\n')
    assert content(read(path)) == [("a;1", "x", 3.5), ("b", "x", 4.0)]


@pytest.mark.parametrize("sep", ["::", "||", "¦", "\t", "|", " ", "~"])
def test_the_separator_can_be_given(tmp_path: Path, sep: str) -> None:
    present(pa)
    path = tmp_path / "ratings"
    path.write_text(f"a{sep}b,{sep}2\nc{sep}d;{sep}3\n", encoding="utf-8")
    expected = [("a", "b,", 2.0), ("c", "d;", 3.0)]
    assert content(read(InputFile(path, sep=sep))) == expected
    if sep in {"::", "\t", "|"}:
        assert content(read(path)) == expected


def test_what_was_detected_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    present(pa)
    (tmp_path / "u.data").write_text("1\t2\t3\t881250949\n")
    (tmp_path / "r.csv").write_text("user;item;rating\n1;2;3\n")
    (tmp_path / "usual.csv").write_text("user,item,rating\n1,2,3\n")
    with caplog.at_level("INFO", "factorate"):
        for name in ("u.data", "r.csv", "usual.csv"):
            read(tmp_path / name)
    assert [record.getMessage().split("/")[-1] for record in caplog.records] == [
        "u.data: separator tab, no header line, columns user, item, rating, timestamp",
        "r.csv: separator semicolon, header line user;item;rating",
    ]


def test_the_dialect_of_several_files_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    present(pa)
    for number in range(9):
        (tmp_path / f"{number}.dat").write_text("1|2|3\n" if number == 7 else "1\t2\t3\n")
    with caplog.at_level("INFO", "factorate"):
        assert len(read(tmp_path).values) == 9
    columns = "no header line, columns user, item, rating"
    assert [record.getMessage().split("/")[-1].partition(": ")[2] for record in caplog.records] == [
        "9 files",
        f"separator tab, {columns}",
        f"separator '|', {columns}",
    ]


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
