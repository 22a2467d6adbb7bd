"""Write tables to files or standard output: CSV, Parquet and JSON lines, batch by batch."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow, to_arrow
from factorate._input.files import format_of
from factorate._utils.atomic_files import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Write = Callable[[dict[str, Any]], None]


@contextmanager
def writing(path: str | None, form: str | None = None) -> Iterator[Write]:
    """Give a function that writes columns, batch by batch; a file appears when all is written.

    Parameters
    ----------
    path
        Where to; None is standard output.
    form
        "csv", "jsonl" or "parquet"; None is by the ending of `path`, and CSV without one.

    Raises
    ------
    ValueError
        If the ending is none of .csv, .tsv, .jsonl and .parquet.
    """
    arrow()
    form = form or ("csv" if path is None else format_of(Path(path)))
    if path is None:
        writer = _Writer(sys.stdout.buffer, form)
        yield writer.write
        writer.close()
        return
    with replacing(Path(path)) as file:
        writer = _Writer(file, form)
        yield writer.write
        writer.close()


class _Writer:
    """Writes tables of one schema, that of the first."""

    def __init__(self, sink: Any, form: str) -> None:
        self.sink, self.form = sink, form
        self.opened: Any = None

    def write(self, columns: dict[str, Any]) -> None:
        pyarrow = arrow()
        table = pyarrow.table({name: _plain(values) for name, values in columns.items()})
        if self.form == "jsonl":
            lines = (
                json.dumps(row, ensure_ascii=False, default=_as_json) for row in table.to_pylist()
            )
            self.sink.write("".join(f"{line}\n" for line in lines).encode())
        elif self.form == "parquet":
            self.opened = self.opened or pyarrow.parquet.ParquetWriter(self.sink, table.schema)
            self.opened.write_table(table)
        else:
            text = pyarrow.BufferOutputStream()
            delimiter = "\t" if self.form == "tsv" else ","
            options = pyarrow.csv.WriteOptions(
                include_header=self.opened is None, delimiter=delimiter
            )
            pyarrow.csv.write_csv(table, text, options)
            self.opened = True
            self.sink.write(text.getvalue())

    def close(self) -> None:
        if self.form == "parquet" and self.opened is not None:
            self.opened.close()
        self.sink.flush()


def _plain(values: Any) -> Any:
    """Return a column as pyarrow takes it: a UUID becomes text."""
    pyarrow = arrow()
    try:
        return values if isinstance(values, pyarrow.ChunkedArray) else to_arrow(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return pyarrow.array([str(value) for value in values])


def _as_json(value: object) -> int | str:
    """Return what JSON does not have: large integers as such, all else as text."""
    return int(value) if isinstance(value, Decimal) else str(value)
