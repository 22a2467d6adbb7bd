"""Tables are written as lines of JSON that every reader understands, in little memory."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from optional import present
from optional import pyarrow as pa

from factorate._serving import table_file
from factorate._serving.table_file import write_table_file


class Recorder(io.BytesIO):
    """A file that knows how many lines each call has written."""

    def __init__(self) -> None:
        super().__init__()
        self.n_lines: list[int] = []

    def write(self, content: Any) -> int:
        self.n_lines.append(bytes(content).count(b"\n"))
        return super().write(content)


def test_json_lines_are_converted_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: all rows of a table were Python objects at once."""
    present(pa)
    monkeypatch.setattr(table_file, "BATCH_ROWS", 4)
    file, users = Recorder(), np.arange(10)
    write_table_file([{"user": users}, {"user": users[:3]}], file, "jsonl")
    rows = [json.loads(line) for line in file.getvalue().splitlines()]
    assert rows == [{"user": user} for user in (*range(10), *range(3))]
    assert file.n_lines == [4, 4, 2, 3]


def test_bytes_are_text_in_json_lines() -> None:
    """Regression: they were written as Python shows them, with a b and quotes."""
    present(pa)
    file = io.BytesIO()
    ids = np.array([b"a", "ü".encode(), b"\xff"], object)
    write_table_file([{"user": ids}], file, "jsonl")
    rows = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [row["user"] for row in rows] == ["a", "ü", "\\xff"]
