"""Files of every format are read, whole and in batches."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from forms import EXPECTED, FRAME, content, read
from optional import pandas as pd
from optional import pyarrow as pa

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
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_errors_name_the_line_that_is_not_utf8(tmp_path: Path, ending: str, encoding: str) -> None:
    """Regression: UTF-16, and Latin-1 in JSON, raise an error that names the line."""
    lines = TEXTS[ending]
    path = tmp_path / f"bad.{ending}"
    path.write_bytes("\n".join(lines).encode(encoding))
    number = len(lines) if encoding == "latin-1" else 1
    with pytest.raises(ValueError, match=f"bad.{ending}, line {number} is not UTF-8, which is exp"):
        read(path)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_errors_name_a_damaged_compressed_file(tmp_path: Path, ending: str) -> None:
    """Regression: the error names the file, unlike that of the decompression library."""
    lines = {
        "csv": ["user,item,rating", *(f"u{n},{n % 7},{n % 5}" for n in range(5000))],
        "jsonl": [f'{{"user": {n}, "item": {n % 7}, "rating": 1}}' for n in range(5000)],
    }
    whole = gzip.compress("\n".join(lines[ending]).encode())
    path = tmp_path / f"ratings.{ending}.gz"
    damaged = whole[:300] + b"xxxx" + whole[304:]
    for damage in (whole[: len(whole) // 2], whole[:12], damaged, b"user,item,rating\n1,2,3\n"):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=rf"{path.name} is cut short or damaged: "):
            read(path)


def test_a_file_of_pairs_needs_no_ratings(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("user,item,rating\n1,2,?\n")
    index = read(([1], [2], [1.0])).user_index
    assert read_pairs(tmp_path / "pairs.csv", index, index)[0].tolist() == [0]


def test_errors_name_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file '.*absent\.csv'"):
        read(tmp_path / "absent.csv")
    with pytest.raises(IsADirectoryError, match="is a folder; expected the path of a file"):
        read(tmp_path)
    (tmp_path / "ratings.xlsx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"ends in '\.xlsx'; expected \.csv"):
        read(tmp_path / "ratings.xlsx")
    (tmp_path / "ratings.parquet").write_bytes(b"no parquet here")
    with pytest.raises(ValueError, match="is not a Parquet file"):
        read(tmp_path / "ratings.parquet")
    one = pa.array([1])
    twice = pa.Table.from_arrays([one] * 4, names=["user", "item", "rating", "user"])
    pa.parquet.write_table(twice, tmp_path / "ratings.parquet")
    with pytest.raises(ValueError, match="two columns are named 'user'; rename one"):
        read(tmp_path / "ratings.parquet")
