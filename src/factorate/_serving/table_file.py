"""write_table_file: write tables one after another as CSV, Parquet or JSON lines."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow, to_arrow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO, Self

BATCH_ROWS = 1 << 14  # converted to Python objects at once


def write_table_file(tables: Iterable[dict[str, Any]], file: BinaryIO, file_format: str) -> None:
    """Write tables of the same columns one after another to an open file.

    Parameters
    ----------
    tables : iterable of dict
        The columns of each table by name: arrays or columns of pyarrow. The first table decides
        the types.
    file : BinaryIO
        The file, which stays open.
    file_format : {"csv", "tsv", "jsonl", "parquet"}
        The format.

    Raises
    ------
    ValueError
        If a value does not fit the type of its column.
    OSError
        If the file cannot be written.
    ImportError
        If pyarrow is not installed.
    """
    pyarrow = arrow()
    with contextlib.ExitStack() as stack:
        writer: Any = None
        for columns in tables:
            table = pyarrow.table({name: to_column(column) for name, column in columns.items()})
            if writer is None:
                writer = stack.enter_context(_open_writer(file, file_format, table.schema))
                schema = table.schema
            writer.write_table(table if file_format == "jsonl" else table.cast(schema))


def to_column(values: Any) -> Any:
    """Return a column of pyarrow; values that not every format has a type for become text.

    UUIDs are such values: some versions of pyarrow have a type for them, but cannot write it.
    """
    pyarrow = arrow()
    if isinstance(values, pyarrow.Array | pyarrow.ChunkedArray):
        return values
    try:
        column = to_arrow(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        column = None
    if column is None or isinstance(column.type, pyarrow.BaseExtensionType):
        return pyarrow.array([str(value) for value in values])
    return column


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
        for batch in table.to_batches(max_chunksize=BATCH_ROWS):
            rows = batch.to_pylist()
            lines = (json.dumps(row, ensure_ascii=False, default=_to_json) for row in rows)
            self.file.write("".join(f"{line}\n" for line in lines).encode())


def _to_json(value: object) -> int | str:
    """Convert a value that JSON has no type for: a large integer, else text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return int(value) if isinstance(value, Decimal) else str(value)
