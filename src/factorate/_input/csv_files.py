"""Read columns of CSV files, and name the line of an error."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import re
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.bounded_gzip import is_gzip, open_bytes
from factorate._input.column_names import ROLES, choose_from_file, is_number
from factorate._utils.validation import escape, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

NOT_UTF8 = re.compile("[\udc80-\udcff]")  # bytes that errors="surrogateescape" could not decode
UTF16 = re.compile("[\0\udc80-\udcff]")  # plain text in UTF-16 has zero bytes


def read_csv(
    path: Path,
    choose: Callable[[Sequence[str]], list[str]],
    kinds: tuple[str | None, ...],
    *,
    delimiter: str,
    batch_bytes: int | None,
) -> Iterator[Any]:
    """Yield the chosen columns of a CSV file: ids as text or integers, ratings as floats.

    Parameters
    ----------
    path : Path
        A file with a header line; it is decompressed if its suffix is .gz.
    choose : callable
        Returns the names to read, the ids first, given the names of all columns.
    kinds : tuple of str or None
        Kinds of the ids of a model; ids of kind "str" are not converted to integers.
    delimiter : str
        Character between the fields.
    batch_bytes : int or None
        Size of the text of a table; None for one table.

    Yields
    ------
    pyarrow.Table
        At least one, which may be empty.

    Raises
    ------
    ValueError
        If a line is not UTF-8, does not have the fields of the header, lacks an id, or has a rating
        that is not a finite number.
    """
    pyarrow = arrow()
    header = _read_header(path, delimiter)
    chosen = choose_from_file(choose, header, f"{path}, line 1")
    types = (pyarrow.string(), pyarrow.string(), pyarrow.float64())
    options = {
        "parse_options": pyarrow.csv.ParseOptions(delimiter=delimiter),
        "convert_options": pyarrow.csv.ConvertOptions(
            include_columns=chosen,
            column_types=dict(zip(chosen, types, strict=False)),
            strings_can_be_null=True,
            null_values=[""],
        ),
    }
    try:
        with open_bytes(path) if is_gzip(path) else contextlib.nullcontext(path) as source:
            if batch_bytes is None:
                tables = iter([pyarrow.csv.read_csv(source, **options)])
            else:
                reading = pyarrow.csv.ReadOptions(block_size=batch_bytes)
                reader = pyarrow.csv.open_csv(source, read_options=reading, **options)
                empty = pyarrow.Table.from_batches([], reader.schema)
                batches = (pyarrow.Table.from_batches([batch]) for batch in reader)
                tables = itertools.chain([next(batches, empty)], batches)
            for table in tables:
                finite = pyarrow.compute.is_finite(table[chosen[2]]) if len(chosen) == 3 else None
                absent = any(table[name].null_count for name in chosen)
                if absent or (finite is not None and pyarrow.compute.all(finite).as_py() is False):
                    _raise_for_line(path, delimiter, chosen)
                yield _with_integers(table, kinds)
    except pyarrow.ArrowInvalid as error:
        _raise_for_line(path, delimiter, chosen)
        raise ValueError(f"{path} is not a CSV file: {escape(error)}") from None


def _read_header(path: Path, delimiter: str) -> list[str]:
    """Return the names of the columns."""
    _, header = next(_lines(path, delimiter), (0, []))
    if not header:
        raise ValueError(f"{path} is empty; expected a header line and ratings")
    _check_utf8("".join(header), f"{path}, line 1", UTF16)
    if all(map(is_number, header)):
        raise ValueError(
            f"{path}, line 1: {show(delimiter.join(header))} looks like a rating; put a header "
            f"line such as user{delimiter}item{delimiter}rating before it"
        )
    return header


def _with_integers(table: Any, kinds: tuple[str | None, ...]) -> Any:
    """Convert columns of ids to integers where possible, unless the ids of the model are text."""
    for position, (name, kind) in enumerate(zip(table.column_names, kinds, strict=False)):
        if kind != "str":
            table = table.set_column(position, name, _integers_or_texts(table[name]))
    return table


def _integers_or_texts(texts: Any) -> Any:
    """Return the texts as integers, ignoring blanks around them, or unchanged if some are not."""
    trim = arrow().compute.ascii_trim_whitespace
    integers = _to_integers(texts)
    if integers is None and _to_integers(trim(texts[:1])) is not None:  # text is not trimmed
        integers = _to_integers(trim(texts))
    return texts if integers is None else integers


def _to_integers(texts: Any) -> Any | None:
    """Return texts as integers if each is written as an integer is: "7", not "007"."""
    pyarrow = arrow()
    try:
        integers = texts.cast(pyarrow.int64())
    except pyarrow.ArrowInvalid:
        return None
    same = pyarrow.compute.all(pyarrow.compute.equal(integers.cast(pyarrow.string()), texts))
    return integers if same.as_py() is not False else None


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each line that is not empty."""
    with (
        open_bytes(path) as binary,
        io.TextIOWrapper(binary, "utf-8-sig", "surrogateescape", newline="") as file,
    ):
        reader = csv.reader(file, delimiter=delimiter)
        for fields in reader:
            if fields:
                yield reader.line_num, fields


def _check_utf8(text: str, where: str, wrong: re.Pattern[str] = NOT_UTF8) -> None:
    if wrong.search(text):
        raise ValueError(f"{where} is not UTF-8, which is expected; convert the file")


def _raise_for_line(path: Path, delimiter: str, chosen: list[str]) -> None:
    """Raise ValueError for the first wrong line, if any, once pyarrow has found an error."""
    lines = _lines(path, delimiter)
    _, header = next(lines)
    positions = [header.index(name) for name in chosen]
    for number, fields in lines:
        where = f"{path}, line {number}"
        text = delimiter.join(fields)
        _check_utf8(text, where)
        if len(fields) != len(header):
            raise ValueError(
                f"{where}: {len(fields)} fields where the header has {len(header)}: {show(text)}"
            )
        for position, name in zip(positions, chosen, strict=True):
            if not fields[position]:
                raise ValueError(f"{where}: {escape(name)} is missing; drop the line")
        if len(chosen) < len(ROLES):
            continue
        rating = fields[positions[2]]
        if not is_number(rating) or not math.isfinite(float(rating)):
            expected = "a finite number" if is_number(rating) else "a number"
            raise ValueError(
                f"{where}: {escape(chosen[2])} is {show(rating)}, which is not {expected}"
            )
