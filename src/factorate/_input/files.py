"""Read files of ratings, pairs or ids, whole or in batches, in any of the file formats."""

from __future__ import annotations

import csv
import os
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.arrow_files import read_arrow
from factorate._input.column_names import find_columns
from factorate._input.csv_files import read_csv, with_integers
from factorate._input.file_formats import find_format
from factorate._input.find_sources import find_sources, is_file_object
from factorate._input.json_lines import read_json_lines
from factorate._input.parquet_files import read_parquet
from factorate._utils.validation import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from factorate._input.column_names import Names
    from factorate._input.source import Source

    Kinds = tuple[str | None, ...]
    Choose = Callable[[Sequence[str]], list[str]]

BATCH_ROWS = 1 << 16
BATCH_BYTES = 1 << 22
FORMATS = {  # to write
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
TEXT_KINDS = ("str", "str")


@dataclass(frozen=True)
class InputFile:
    """A file of ratings, pairs or ids, and what is known of its text.

    Parameters
    ----------
    source : str, path-like or file object
        As for `find_sources`.
    sep : str, optional
        Text between two fields of a text file; None to find it.
    header : bool, optional
        Whether the first line of a text file holds the names of the columns; None to find it out.
    """

    source: Any
    sep: str | None = None
    header: bool | None = None

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for a wrong source, separator or header."""
        if not isinstance(self.source, str | os.PathLike) and not is_file_object(self.source):
            found = type(self.source).__name__
            raise TypeError(f"got {found}; expected the path of a file, or an open file")
        if self.sep is not None and not isinstance(self.sep, str):
            raise TypeError(f"sep is {self.sep!r}; expected text, or None to find the separator")
        if self.sep is not None and (not self.sep or set(self.sep) & set('\r\n"')):
            raise ValueError(f"sep is {self.sep!r}; expected the text between two fields of a line")
        if self.header is not None and not isinstance(self.header, bool):
            raise TypeError(f"header is {self.header!r}; expected True, False or None")


def read_file(
    data: object,
    names: Names | None = None,
    with_ratings: bool = True,
    kinds: Kinds = (None, None),
    *,
    batch_bytes: int = BATCH_BYTES,
) -> Any:
    """Read the whole of a file of ratings or pairs, or of several.

    Parameters
    ----------
    data : InputFile, str, path-like or file object
        Text with any separator, JSON lines, Parquet or Arrow IPC files, also compressed; see
        `find_sources`.
    names : tuple of str or int, optional
        Names or numbers of the columns (user, item, rating); None to recognize them.
    with_ratings : bool, default=True
        Whether a column of ratings is needed.
    kinds : tuple of str or None, default=(None, None)
        Kinds of the user and item ids of a model. The ids in a text file are read as integers if
        all are written as integers ("7", not "007"; blanks around them are ignored) and the ids of
        the model are not text.
    batch_bytes : int, default=2**22
        Size of the blocks in which JSON lines are parsed.

    Returns
    -------
    pyarrow.Table
        Two or three columns, with the names of the first file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the format is not read, the file is damaged or not UTF-8, or a line is not a rating; the
        message gives its number.
    ImportError
        If pyarrow is not installed.
    """

    def choose(present: Sequence[str]) -> list[str]:
        return find_columns(present, names, with_ratings)

    return read_chosen(data, choose, kinds, batch_bytes=batch_bytes)


def read_chosen(
    data: object, choose: Choose, kinds: Kinds, *, batch_bytes: int = BATCH_BYTES
) -> Any:
    """Read some columns of a file, or of several, as `read_file` does.

    Parameters
    ----------
    data : InputFile, str, path-like or file object
        As for `read_file`.
    choose : callable
        Returns the names to read, the ids first, given the names of all columns.
    kinds : tuple of str or None
        As for `read_file`.
    batch_bytes : int, default=2**22
        As for `read_file`.

    Returns
    -------
    pyarrow.Table
        The chosen columns, with the names of the first file.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As `read_file`.
    """
    pyarrow = arrow()
    file = as_input_file(data)
    sources = _find_formats(file)
    all_text = all(form == "csv" for _, form in sources)
    read_kinds = TEXT_KINDS if all_text else kinds  # ids are integers in all files, or in none
    batches = _read(file, sources, _Wanted(choose, read_kinds, None, batch_bytes))
    try:
        table = pyarrow.concat_tables(list(batches), promote_options="permissive")
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise ValueError(f"{sources[0][0].name} mixes types of ids: {escape(error)}") from None
    return with_integers(table, kinds) if all_text else table


def read_batches(
    data: object,
    choose: Choose,
    kinds: Kinds,
    *,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Any]:
    """Yield some columns of a file, or of several, as tables of limited size.

    Parameters
    ----------
    data : InputFile, str, path-like or file object
        As for `read_file`.
    choose : callable
        Returns the names to read, given the names of all columns.
    kinds : tuple of str or None
        Kinds of the ids in the chosen columns, as for `read_file`.
    batch_rows : int, default=2**16
        Maximum number of rows of a table from a Parquet or Arrow file.
    batch_bytes : int, default=2**22
        Approximate size of the text of a table from any other file.

    Yields
    ------
    pyarrow.Table
        The chosen columns of some rows, with the names of the first file.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As `read_file`.
    """
    arrow()
    file = as_input_file(data)
    sources = _find_formats(file)
    yield from _read(file, sources, _Wanted(choose, kinds, batch_rows, batch_bytes))


def read_unconverted(
    data: object,
    choose: Choose,
    *,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> tuple[Iterator[Any], bool]:
    """Read as `read_batches` does, but the ids of text files as text.

    A reader of batches cannot know whether the ids of later batches are integers, too.

    Parameters
    ----------
    data, choose, batch_rows, batch_bytes
        As for `read_batches`.

    Returns
    -------
    tables : iterator of pyarrow.Table
        The chosen columns of some rows.
    is_text : bool
        Whether all files are text with separators, whose ids have no types.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As `read_file`.
    """
    arrow()
    file = as_input_file(data)
    sources = _find_formats(file)
    is_text = all(form == "csv" for _, form in sources)
    kinds = TEXT_KINDS if is_text else (None, None)
    return _read(file, sources, _Wanted(choose, kinds, batch_rows, batch_bytes)), is_text


def as_input_file(data: object) -> InputFile:
    """Return an `InputFile`, whose text is not known yet unless it was one."""
    return data if isinstance(data, InputFile) else InputFile(data)


def format_of(path: Path) -> str:
    """Return the format that the suffix of a path stands for: csv, tsv, jsonl or parquet.

    Parameters
    ----------
    path : Path
        Path of a file to write.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    """
    suffix = path.suffix.lower()
    if suffix in FORMATS:
        return FORMATS[suffix]
    raise ValueError(f"{path} ends in {path.suffix!r}; expected .csv, .tsv, .jsonl or .parquet")


def _find_formats(file: InputFile) -> list[tuple[Source, str]]:
    found = [(source, find_format(source)) for source in find_sources(file.source)]
    for source, form in found:
        if form != "csv" and (file.sep is not None or file.header is not None):
            raise ValueError(f"{source.name} has format {form}; sep and header are for text")
    return found


@dataclass(frozen=True)
class _Wanted:
    """What to read of each file; one table of each but JSON lines if `batch_rows` is None."""

    choose: Choose
    kinds: Kinds
    batch_rows: int | None
    batch_bytes: int
    described: set[str] = field(default_factory=set)  # dialects that were logged


def _read(file: InputFile, sources: Sequence[tuple[Source, str]], wanted: _Wanted) -> Iterator[Any]:
    """Yield the chosen columns of the files, with the names of the first."""
    names: list[str] | None = None
    for source, form in sources:
        try:
            for table in _open(file, source, form, wanted):
                names = names or table.column_names
                yield table.rename_columns(names)
        except (EOFError, OSError, zlib.error, csv.Error) as error:
            if isinstance(error, OSError) and error.errno is not None:  # such as no permission
                raise
            raise ValueError(f"{source.name} is cut short or damaged: {escape(error)}") from None


def _open(file: InputFile, source: Source, form: str, wanted: _Wanted) -> Iterator[Any]:
    if form == "parquet":
        return read_parquet(source, wanted.choose, wanted.batch_rows)
    if form == "arrow":
        return read_arrow(source, wanted.choose, wanted.batch_rows)
    if form == "jsonl":
        return read_json_lines(source, wanted.choose, wanted.batch_bytes)
    return read_csv(
        source,
        wanted.choose,
        wanted.kinds,
        sep=file.sep,
        header=file.header,
        batch_bytes=None if wanted.batch_rows is None else wanted.batch_bytes,
        described=wanted.described,
    )
