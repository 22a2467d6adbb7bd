"""Files of every format are read, whole and in batches."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from forms import EXPECTED, FRAME, content, read
from optional import pandas as pd
from optional import present
from optional import pyarrow as pa

from factorate._input.column_names import find_columns
from factorate._input.files import InputFile, read_batches
from factorate._input.pairs import read_pairs


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    pd.DataFrame(FRAME).to_csv(path, index=False)
    return path


def test_csv_and_parquet_are_read(csv: Path, tmp_path: Path) -> None:
    assert content(read(csv)) == EXPECTED
    assert content(read(str(csv))) == EXPECTED
    pa.parquet.write_table(pa.table(FRAME), tmp_path / "ratings.parquet")
    assert content(read(tmp_path / "ratings.parquet")) == EXPECTED
    (tmp_path / "ratings.csv.gz").write_bytes(gzip.compress(csv.read_bytes()))
    assert content(read(tmp_path / "ratings.csv.gz")) == EXPECTED
    (tmp_path / "ratings.tsv").write_text(csv.read_text().replace(",", "\t"))
    assert content(read(tmp_path / "ratings.tsv")) == EXPECTED


TEXTS = {
    "csv": ["user,item,rating", "a,b,1", "ä,b,1"],
    "jsonl": ['{"user": "a", "item": 1, "rating": 1}', '{"user": "ä", "item": 1, "rating": 1}'],
}


@pytest.mark.parametrize("ending", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_may_begin_with_a_byte_order_mark(tmp_path: Path, ending: str, encoding: str) -> None:
    path = tmp_path / f"good.{ending}"
    path.write_bytes("\n".join(TEXTS[ending]).encode(encoding))
    item = "b" if ending == "csv" else 1
    assert content(read(path)) == [("a", item, 1.0), ("ä", item, 1.0)]


@pytest.mark.parametrize("ending", TEXTS)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le"])
def test_errors_name_the_line_that_is_not_utf8(tmp_path: Path, ending: str, encoding: str) -> None:
    """Regression: UTF-16 without a byte order mark, and Latin-1, raise an error of the line."""
    lines = TEXTS[ending]
    path = tmp_path / f"bad.{ending}"
    path.write_bytes("\n".join(lines).encode(encoding))
    number = len(lines) if encoding == "latin-1" else 1
    with pytest.raises(ValueError, match=f"bad.{ending}, line {number} is not UTF-8, which is exp"):
        read(path)


def test_a_file_of_pairs_needs_no_ratings(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("user,item,rating\n1,2,?\n")
    index = read(([1], [2], [1.0])).user_index
    assert read_pairs(tmp_path / "pairs.csv", index, index)[0].tolist() == [0]


def test_errors_name_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file '.*absent\.csv'"):
        read(tmp_path / "absent.csv")
    (tmp_path / "ratings.parquet").write_bytes(b"no parquet here")
    with pytest.raises(ValueError, match="is not a Parquet file"):
        read(tmp_path / "ratings.parquet")
    one = pa.array([1])
    twice = pa.Table.from_arrays([one] * 4, names=["user", "item", "rating", "user"])
    pa.parquet.write_table(twice, tmp_path / "ratings.parquet")
    with pytest.raises(ValueError, match="two columns are named 'user'; rename one"):
        read(tmp_path / "ratings.parquet")


def test_ids_of_several_files_have_one_type(tmp_path: Path) -> None:
    """Ids are integers only if they are written as integers in all files."""
    present(pa)
    (tmp_path / "1.csv").write_text("user,item,rating\n1,2,3\n")
    (tmp_path / "2.csv").write_text("item;user;rating\n7;x1;4\n")
    assert content(read(tmp_path)) == [("1", 2, 3.0), ("x1", 7, 4.0)]


def test_files_of_several_formats_and_headers_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("userId,movieId,rating\n1,2,3\n")
    (tmp_path / "2.dat").write_text("1::4::3\n2::4::5\n")
    pa.parquet.write_table(
        pa.table({"rating": [1.0], "user": [9], "item": [9]}), tmp_path / "3.parquet"
    )
    assert content(read(tmp_path)) == [(1, 2, 3.0), (1, 4, 3.0), (2, 4, 5.0), (9, 9, 1.0)]
    batches = list(read_batches(tmp_path, lambda names: find_columns(names, None, True), (None,)))
    assert {tuple(batch.column_names) for batch in batches} == {("userId", "movieId", "rating")}


def test_separator_and_header_are_for_text(tmp_path: Path) -> None:
    present(pa)
    (tmp_path / "r.jsonl").write_text('{"user": 1, "item": 1, "rating": 1}')
    with pytest.raises(ValueError, match=r"r\.jsonl has format jsonl; sep and header are for text"):
        read(InputFile(tmp_path / "r.jsonl", sep=","))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sep": 3}, TypeError, "sep is 3; expected text"),
        ({"sep": ""}, ValueError, "sep is ''; expected the text between two fields"),
        ({"sep": "\n"}, ValueError, r"sep is '\\n'; expected the text between two fields"),
        ({"header": 0}, TypeError, "header is 0; expected True, False or None"),
    ],
)
def test_wrong_separators_and_headers_raise(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        InputFile("r.csv", **options)
