"""Read files of ratings, pairs or ids, whole or in batches, in any of the file formats."""

from __future__ import annotations

import csv
import zlib
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.column_names import find_columns
from factorate._input.csv_files import read_csv
from factorate._input.json_lines import read_json_lines
from factorate._input.parquet_files import read_parquet
from factorate._utils.validation import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from factorate._input.column_names import Names

    Kinds = tuple[str | None, ...]
    Choose = Callable[[Sequence[str]], list[str]]

BATCH_ROWS = 1 << 16
BATCH_BYTES = 1 << 22
FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


def read_file(
    path: Path,
    names: Names | None = None,
    with_ratings: bool = True,
    kinds: Kinds = (None, None),
    *,
    batch_bytes: int = BATCH_BYTES,
) -> Any:
    """Read a whole file of ratings or pairs.

    Parameters
    ----------
    path : Path
        A CSV file with a header line (.csv, .tsv), JSON lines (.jsonl), either of them optionally
        compressed (.gz), or a Parquet file.
    names : tuple of str, optional
        Names of the columns (user, item, rating); None to recognize them.
    with_ratings : bool, default=True
        Whether a column of ratings is needed.
    kinds : tuple of str or None, default=(None, None)
        Kinds of the user and item ids of a model. The ids in a CSV file are read as integers if all
        are written as integers ("7", not "007"; blanks around them are ignored) and the ids of the
        model are not text.
    batch_bytes : int, default=2**22
        Size of the blocks in which JSON lines are parsed.

    Returns
    -------
    pyarrow.Table
        Two or three columns.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ValueError
        If the suffix is unknown, the file is damaged or not UTF-8, or a line is not a rating; the
        message gives its number.
    ImportError
        If pyarrow is not installed.
    """
    pyarrow = arrow()

    def choose(present: Sequence[str]) -> list[str]:
        return find_columns(present, names, with_ratings)

    tables = list(_read(path, choose, kinds, batch_rows=None, batch_bytes=batch_bytes))
    try:
        return pyarrow.concat_tables(tables, promote_options="permissive")
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise ValueError(f"{path} mixes types of ids: {escape(error)}") from None


def read_batches(
    path: Path,
    choose: Choose,
    kinds: Kinds,
    *,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Any]:
    """Yield some columns of a file as tables of limited size.

    Parameters
    ----------
    path : Path
        As for `read_file`.
    choose : callable
        Returns the names to read, given the names of all columns.
    kinds : tuple of str or None
        Kinds of the ids in the chosen columns, as for `read_file`.
    batch_rows : int, default=2**16
        Maximum number of rows of a table from a Parquet file.
    batch_bytes : int, default=2**22
        Approximate size of the text of a table from any other file.

    Yields
    ------
    pyarrow.Table
        The chosen columns of some rows.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, ValueError, ImportError
        As `read_file`.
    """
    return _read(path, choose, kinds, batch_rows=batch_rows, batch_bytes=batch_bytes)


def format_of(path: Path, compression: str = "") -> str:
    """Return the format that the suffix of a path stands for: csv, tsv, jsonl or parquet.

    Parameters
    ----------
    path : Path
        Path of a file.
    compression : str, default=""
        A further suffix to ignore, such as ".gz".

    Raises
    ------
    ValueError
        If the suffix is unknown.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != compression]
    if suffixes and suffixes[-1] in FORMATS:
        return FORMATS[suffixes[-1]]
    raise ValueError(f"{path} ends in {path.suffix!r}; expected .csv, .tsv, .jsonl or .parquet")


def _read(
    path: Path, choose: Choose, kinds: Kinds, *, batch_rows: int | None, batch_bytes: int
) -> Iterator[Any]:
    """Yield the chosen columns; CSV and Parquet in one table if `batch_rows` is None."""
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; expected the path of a file")
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    form = format_of(path, ".gz")
    try:
        if form == "parquet":
            yield from read_parquet(path, choose, batch_rows)
        elif form == "jsonl":
            yield from read_json_lines(path, choose, batch_bytes)
        else:
            size = None if batch_rows is None else batch_bytes
            yield from read_csv(
                path, choose, kinds, delimiter="\t" if form == "tsv" else ",", batch_bytes=size
            )
    except (EOFError, OSError, zlib.error, csv.Error) as error:
        if isinstance(error, OSError) and error.errno is not None:  # such as a missing permission
            raise
        raise ValueError(f"{path} is cut short or damaged: {escape(error)}") from None
