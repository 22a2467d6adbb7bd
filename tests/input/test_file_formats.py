"""Files of formats that are not read raise errors that name the format and what to do."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from forms import content, read
from optional import present
from optional import pyarrow as pa


def npy(archive: bool) -> bytes:
    file = io.BytesIO()
    if archive:
        np.savez(file, users=[1], items=[2], ratings=[3.0])
    else:
        np.save(file, [[1, 2, 3]])
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("ratings.csv"))
    return file.getvalue()


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")
    return file.getvalue()


JSON = json.dumps([{"user": 1, "item": 2, "rating": 3}])
FILES = {
    "r.xlsx": (
        workbook(),
        r"is a spreadsheet, .* save the sheet as CSV, or pass pandas.read_excel",
    ),
    "r.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a spreadsheet"),
    "r.pkl": (
        pickle.dumps([1]),
        r"is a pickle, .* only if you trust it, .* pass pandas.read_pickle",
    ),
    "r.npy": (npy(archive=False), r"is a NumPy array, .* pass tuple\(numpy.load\(…\).T\)"),
    "r.npz": (npy(archive=True), "is a NumPy archive, .* scipy.sparse.load_npz"),
    "r.json": (JSON.encode(), r"is a JSON array, .* pandas.read_json\(…\), or write JSON lines"),
    "r.mat": (b"MATLAB 5.0 MAT-file, Platform", r"is a MATLAB file, .* scipy.io.loadmat"),
    "r.h5": (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
    "r.db": (b"SQLite format 3\0", "is an SQLite database, .* pandas.read_sql"),
    "r.mtx": (b"%%MatrixMarket matrix", "is a Matrix Market file, .* scipy.io.mmread"),
    "r.tar.gz": (tar(), "is a tar archive, .* extract it"),
    "r.rds": (gzip.compress(b"X\n\0\0\0\3"), "is a file of R, .* write.csv"),
    "r.orc": (b"ORC\x0a\x03\0", "is an ORC file, .* pyarrow.orc.read_table"),
    "r.feather": (b"FEA1\0\0\0\0", "is a Feather file of version 1, .* pandas.read_feather"),
    "r.csv": (b"\n<!DOCTYPE html>", "is a web page, .* check where it was downloaded from"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("suffix", ["", ".bin"])
def test_errors_name_the_format_and_what_to_do(tmp_path: Path, name: str, suffix: str) -> None:
    present(pa)
    data, message = FILES[name]
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"{path.name} {message}"):
        read(path)


@pytest.mark.parametrize(
    "text",
    [
        "orcid,item,rating\n7,2,3\n",
        "ORC,item,rating\n7,2,3\n",
        "PAR10,2,3\nPAR11,2,3\n",
        "ARROW1\titem\trating\n7\t2\t3\n",
        "FEA1;2;3\n",
        "user,item,rating,note\n7,2,3," + "x" * 228 + "mustard\n",
        "user,item,rating,note\n7,2,3," + "x" * 229 + "ustar00\n",
    ],
)
def test_text_that_begins_like_another_format_is_text(tmp_path: Path, text: str) -> None:
    present(pa)
    path = tmp_path / "ratings.txt"
    path.write_text(text)
    columns = (0, 1, 2)
    assert {rating for _, _, rating in content(read(path, names=columns))} == {3.0}


def test_an_empty_file_has_the_format_of_its_suffix(tmp_path: Path) -> None:
    present(pa)
    (tmp_path / "ratings.xlsx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"ratings.xlsx is a spreadsheet, which is not read"):
        read(tmp_path / "ratings.xlsx")


def test_the_first_bytes_count_before_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    pa.parquet.write_table(pa.table({"user": [1], "item": [2], "rating": [3.0]}), path)
    assert len(read(path).values) == 1
    path = tmp_path / "lines"
    path.write_text('\n{"user": 1, "item": 2, "rating": 3}')
    assert len(read(path).values) == 1
    path = tmp_path / "lines.json"
    path.write_text('{"user": 1, "item": 2, "rating": 3}')
    assert len(read(path).values) == 1
