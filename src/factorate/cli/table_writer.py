"""write_tables: write tables to a file, a device or standard output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.files import format_of
from factorate._serving.table_file import write_table_file
from factorate.cli.outputs import STANDARD_OUTPUT, open_output

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_tables(
    tables: Iterable[dict[str, Any]], path: str, file_format: str | None = None
) -> None:
    """Write tables of the same columns one after another; a file appears when all are written.

    Parameters
    ----------
    tables : iterable of dict
        As for `write_table_file`.
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
    arrow()
    file_format = file_format or ("csv" if _is_device(path) else format_of(Path(path)))
    with open_output(path) as file:
        write_table_file(tables, file, file_format)


def _is_device(path: str) -> bool:
    """Return whether a path is standard output, a device, a FIFO or a socket."""
    target = Path(path)
    return path in STANDARD_OUTPUT or (
        target.exists() and not target.is_file() and not target.is_dir()
    )
