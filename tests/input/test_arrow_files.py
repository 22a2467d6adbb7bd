"""Arrow IPC files and streams are read; Feather files are such files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forms import EXPECTED, FRAME, content, read
from optional import present
from optional import pyarrow as pa

from factorate._input.files import read_batches


def write(path: Path, columns: dict[str, Any], stream: bool = False) -> Path:
    present(pa)
    table = pa.table(columns)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return path


@pytest.mark.parametrize("stream", [False, True])
def test_files_and_streams_are_read(tmp_path: Path, stream: bool) -> None:
    path = write(tmp_path / "ratings.arrow", FRAME, stream)
    assert content(read(path)) == EXPECTED
    tables = list(read_batches(path, list, (None, None), batch_rows=2))
    assert [len(table) for table in tables] == [0, 2, 1, 1]
    assert pa.concat_tables(tables).to_pydict() == FRAME


def test_feather_files_are_read(tmp_path: Path) -> None:
    present(pa)
    import pyarrow.feather

    pyarrow.feather.write_feather(pa.table(FRAME), tmp_path / "ratings.feather")
    assert content(read(tmp_path / "ratings.feather")) == EXPECTED


def test_errors_name_the_column(tmp_path: Path) -> None:
    path = tmp_path / "r.arrow"
    with pytest.raises(ValueError, match=r"column 'user' is 2.5 in row 1; ids that are floats"):
        read(write(path, FRAME | {"user": [1.0, 2.5, 3.0, 4.0]}))
    with pytest.raises(ValueError, match=r"column 'user' is nan in row 3; ids that are floats"):
        read(write(path, FRAME | {"user": [1.0, 2.0, 3.0, float("nan")]}))
    with pytest.raises(ValueError, match=r"column 'user' has type list.*; expected ids"):
        read(write(path, FRAME | {"user": [[1], [2], [3], [4]]}))
    with pytest.raises(ValueError, match="column 'rating' has a missing value in row 3; drop"):
        list(read_batches(write(path, FRAME | {"rating": [1, 2, 3, None]}), list, (), batch_rows=1))


def test_ids_that_are_whole_floats_are_integers(tmp_path: Path) -> None:
    """Regression: a merge or an encoder turns integers into floats."""
    frame = FRAME | {"user": [1.0, 2.0, 3.0, 1.0]}
    ids = read(write(tmp_path / "r.arrow", frame)).user_index.ids
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, 2, 3]


@pytest.mark.parametrize("stream", [False, True])
def test_errors_name_a_damaged_file(tmp_path: Path, stream: bool) -> None:
    path = write(tmp_path / "r.arrow", FRAME, stream)
    whole = path.read_bytes()
    for damaged in (whole[:20], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"r\.arrow is (a damaged Arrow file|cut short)"):
            read(path)
    path.write_bytes(b"no arrow here")
    with pytest.raises(ValueError, match=r"r\.arrow is (a damaged Arrow file|cut short)"):
        read(path)
