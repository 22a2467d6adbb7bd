"""write_tables: write tables to a file or standard output as CSV, Parquet or JSON lines."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow, to_arrow
from factorate._input.files import format_of
from factorate.cli.outputs import STANDARD_OUTPUT, open_output

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self


def write_tables(
    tables: Iterable[dict[str, Any]], path: str, file_format: str | None = None
) -> None:
    """Write tables of the same columns one after another; a file appears when all are written.

    Parameters
    ----------
    tables : iterable of dict
        The columns of each table by name: arrays or columns of pyarrow. The first table decides
        the types.
    path : str
        Where to write; "-" is standard output.
    file_format : {"csv", "tsv", "jsonl", "parquet"}, optional
        By default that of the ending of `path`, and "csv" on standard output and devices.

    Raises
    ------
    ValueError
        If the ending of `path` is not .csv, .tsv, .jsonl or .parquet, or if a value does not fit
        the type of its column.
    OSError
        If the file cannot be written.
    ImportError
        If pyarrow is not installed.
    """
    pyarrow = arrow()
    file_format = file_format or ("csv" if _is_device(path) else format_of(Path(path)))
    with open_output(path) as file, contextlib.ExitStack() as stack:
        writer: Any = None
        for columns in tables:
            table = pyarrow.table({name: _to_arrow(column) for name, column in columns.items()})
            if writer is None:
                writer = stack.enter_context(_open_writer(file, file_format, table.schema))
                schema = table.schema
            writer.write_table(table if file_format == "jsonl" else table.cast(schema))


def _is_device(path: str) -> bool:
    """Return whether a path is standard output, a device, a FIFO or a socket."""
    target = Path(path)
    return path in STANDARD_OUTPUT or (
        target.exists() and not target.is_file() and not target.is_dir()
    )


def _open_writer(file: Any, file_format: str, schema: Any) -> Any:
    """Return a context manager with ``write_table``."""
    pyarrow = arrow()
    if file_format == "jsonl":
        return _JsonLinesWriter(file)
    if file_format == "parquet":
        return pyarrow.parquet.ParquetWriter(file, schema)
    options = pyarrow.csv.WriteOptions(delimiter="\t" if file_format == "tsv" else ",")
    return pyarrow.csv.CSVWriter(file, schema, write_options=options)


class _JsonLinesWriter:
    """The interface of pyarrow's writers for JSON lines, which pyarrow reads but does not write."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the file open, as pyarrow's writers do."""

    def write_table(self, table: Any) -> None:
        rows = table.to_pylist()
        lines = (json.dumps(row, ensure_ascii=False, default=_to_json) for row in rows)
        self.file.write("".join(f"{line}\n" for line in lines).encode())


def _to_arrow(column: Any) -> Any:
    """Return a column of pyarrow; values without a type in pyarrow, such as UUID, become text."""
    pyarrow = arrow()
    try:
        return column if isinstance(column, pyarrow.ChunkedArray) else to_arrow(column)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return pyarrow.array([str(value) for value in column])


def _to_json(value: object) -> int | str:
    """Convert a value that JSON has no type for: a large integer, else text."""
    return int(value) if isinstance(value, Decimal) else str(value)
