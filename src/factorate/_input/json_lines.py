"""Read columns of JSON lines, files with a JSON object on each line."""

from __future__ import annotations

import codecs
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow, to_arrow
from factorate._input.column_names import ROLES, choose_from_file
from factorate._utils.validation import escape, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factorate._input.source import Source

ID_TYPES = (int, str, bool)
MAX_DIGITS = 38  # of a decimal in pyarrow


def read_json_lines(
    source: Source, choose: Callable[[Sequence[str]], list[str]], batch_bytes: int
) -> Iterator[Any]:
    """Yield the chosen columns of JSON lines: ids in the type of the first, ratings as floats.

    Parameters
    ----------
    source : Source
        A file in UTF-8.
    choose : callable
        Returns the names to read, the ids first, given the names in the first line.
    batch_bytes : int
        Size of the text of a table, rounded up to whole lines.

    Yields
    ------
    pyarrow.Table
        At least one.

    Raises
    ------
    ValueError
        If the file is empty, or a line is not a JSON object in UTF-8, with a finite rating and ids
        of the same types as in the first line.
    """
    first: _Record | None = None
    number = 1
    with source.open() as file:
        while block := file.read(batch_bytes):
            block += file.readline()
            if number == 1:
                block = block.removeprefix(codecs.BOM_UTF8)
            if first is None:
                first = _first_record(source.name, choose, block, number)
            if first is not None and block.strip():
                table = _parse(block, first)
                yield _parse_lines(source.name, block, number, first) if table is None else table
            number += block.count(b"\n")
    if first is None:
        raise ValueError(f"{source.name} is empty; expected a JSON object on each line")


@dataclass(frozen=True)
class _Record:
    """The chosen values on one line."""

    line: int
    values: dict[str, Any]


def _first_record(
    file: str, choose: Callable[[Sequence[str]], list[str]], block: bytes, number: int
) -> _Record | None:
    """Return the chosen values on the first line that is not blank; None if all are."""
    for line, text in _lines(block, number):
        where = f"{file}, line {line}"
        record = _parse_line(text, where)
        chosen = choose_from_file(choose, list(record), where)
        return _Record(line, {name: record[name] for name in chosen})
    return None


def _parse(block: bytes, first: _Record) -> Any | None:
    """Parse a block with pyarrow; return None if it must be parsed line by line."""
    pyarrow = arrow()
    types = {int: pyarrow.int64(), str: pyarrow.string(), bool: pyarrow.bool_()}
    names = list(first.values)
    schema = {name: types.get(type(first.values[name])) for name in names[:2]}
    schema |= dict.fromkeys(names[2:], pyarrow.float64())
    # Types are given because pyarrow would read text that looks like a date as one. It crashes on
    # a block that begins with null.
    if None in schema.values() or not block.lstrip().startswith(b"{") or not _is_utf8(block):
        return None
    try:
        table = pyarrow.json.read_json(
            pyarrow.BufferReader(block),
            pyarrow.json.ReadOptions(use_threads=False, block_size=len(block)),
            pyarrow.json.ParseOptions(pyarrow.schema(schema), unexpected_field_behavior="ignore"),
        )
    except pyarrow.ArrowInvalid:
        return None
    if len(table) != sum(map(bool, map(bytes.strip, block.split(b"\n")))):
        return None  # the lines are not one object each
    if any(column.null_count for column in table.columns):
        return None
    finite = [pyarrow.compute.all(pyarrow.compute.is_finite(table[name])) for name in names[2:]]
    return table if all(is_finite.as_py() for is_finite in finite) else None


def _parse_lines(file: str, block: bytes, number: int, first: _Record) -> Any:
    """Parse a block line by line, to name a wrong line and read integers beyond 64 bits."""
    names = list(first.values)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for line, text in _lines(block, number):
        where = f"{file}, line {line}"
        record = _parse_line(text, where)
        for role, name in zip(ROLES, names, strict=False):
            value = record.get(name)
            if value is None:
                raise ValueError(f"{where}: {escape(name)} is missing; drop the line")
            if role == "ratings":
                columns[name].append(_check_rating(value, f"{where}: {escape(name)}"))
            else:
                _check_id(value, f"{where}: {escape(name)}")
                known = first.values[name]
                if type(value) is not type(known):
                    raise ValueError(
                        f"{where}: {escape(name)} is {show(value)} where line {first.line} has "
                        f"{show(known)}; the ids of a column have one type"
                    )
                columns[name].append(value)
    return arrow().table({name: to_arrow(values) for name, values in columns.items()})


def _lines(block: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the text of each line that is not blank."""
    for line, text in enumerate(block.split(b"\n"), number):
        if text.strip():
            yield line, text


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse_line(line: bytes, where: str) -> dict[str, Any]:
    if not _is_utf8(line):
        raise ValueError(f"{where} is not UTF-8, which is expected; convert the file")
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        if b"\0" in line:  # plain text in UTF-16 has zero bytes
            raise ValueError(f"{where} is not UTF-8, which is expected; convert the file") from None
        raise ValueError(f"{where} is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise ValueError(f"{where} is not a JSON object: {show(line.strip().decode())}")
    return record


def _check_id(value: Any, what: str) -> None:
    if type(value) not in ID_TYPES:
        raise ValueError(f"{what} is {show(value)}; ids must be integers, text, true or false")
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise ValueError(f"{what} is an integer of more than {MAX_DIGITS} digits: {show(value)}")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:  # JSON can escape half of a surrogate pair
            half = value[error.start]
            raise ValueError(f"{what} has {half!r}, which is not a character") from None


def _check_rating(value: object, what: str) -> float:
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{what} is {show(value)}, which is not a finite number")
    return number
