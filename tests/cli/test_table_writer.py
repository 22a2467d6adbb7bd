"""Tables written as CSV, Parquet and JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from optional import present
from optional import pyarrow as pa

from factorate.cli.table_writer import write_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES: list[dict[str, Any]] = [
    {"id": np.array(["a", 'b"'], object), "score": np.array([1.5, 2], np.float32)},
    {"id": np.array(["ü"], object), "score": np.array([3], np.float32)},
]
TEXTS = {
    "csv": '"id","score"\n"a",1.5\n"b""",2\n"ü",3\n',
    "tsv": '"id"\t"score"\n"a"\t1.5\n"b"""\t2\n"ü"\t3\n',
    "jsonl": '{"id": "a", "score": 1.5}\n{"id": "b\\"", "score": 2.0}\n{"id": "ü", "score": 3.0}\n',
}


@pytest.fixture(autouse=True)
def _needs_pyarrow() -> None:
    present(pa)


@pytest.mark.parametrize("ending", TEXTS)
def test_text_formats(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.{ending}"
    write_tables(TABLES, str(path))
    assert path.read_bytes().decode() == TEXTS[ending]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    write_tables(TABLES, str(path))
    table = pa.parquet.read_table(path)
    assert table.to_pydict() == {"id": ["a", 'b"', "ü"], "score": [1.5, 2, 3]}
    assert str(table.schema.field("score").type) == "float"


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_tables(TABLES, "-")
    assert capfdbinary.readouterr().out.decode() == TEXTS["csv"]
    write_tables(TABLES, "-", "jsonl")
    assert capfdbinary.readouterr().out.decode() == TEXTS["jsonl"]
    write_tables(TABLES, "-", "parquet")
    parquet = pa.BufferReader(capfdbinary.readouterr().out)
    assert pa.parquet.read_table(parquet).num_rows == 3


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_first_table_decides_the_types(file_format: str, tmp_path: Path) -> None:
    path, large = tmp_path / "out", np.array([10**20], object)
    write_tables([{"id": large}, {"id": np.array([1])}], str(path), file_format)
    if file_format == "csv":
        assert path.read_text() == f'"id"\n{10**20}\n1\n'
    else:
        assert list(map(int, pa.parquet.read_table(path)["id"].to_pylist())) == [10**20, 1]
    with pytest.raises(ValueError, match=r"int64|out of bounds"):
        write_tables([{"id": np.array([1])}, {"id": large}], str(path), file_format)


def test_uuid_is_text_and_a_large_integer_a_number_in_json(tmp_path: Path) -> None:
    path, name = tmp_path / "out.jsonl", UUID(int=7)
    columns = {"id": np.array([name], object), "large": np.array([10**20], object)}
    write_tables([columns], str(path))
    assert json.loads(path.read_text()) == {"id": str(name), "large": 10**20}


def test_error_leaves_no_file(tmp_path: Path) -> None:
    def tables() -> Iterator[dict[str, Any]]:
        yield TABLES[0]
        raise ValueError("no second table")

    for ending in ("csv", "jsonl", "parquet"):
        with pytest.raises(ValueError, match="no second table"):
            write_tables(tables(), str(tmp_path / f"out.{ending}"))
    assert not list(tmp_path.iterdir())


def test_errors_name_the_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'[^']*absent.out\.csv'"):
        write_tables(TABLES, str(tmp_path / "absent" / "out.csv"))
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_tables(TABLES, str(tmp_path), "csv")
    with pytest.raises(ValueError, match=r"expected \.csv, \.tsv, \.jsonl or \.parquet"):
        write_tables(TABLES, str(tmp_path / "out.txt"))
