"""Read columns of text files with any separator, and name the line of an error."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import logging
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.column_names import ROLES, choose_from_file, is_known_name, is_number
from factorate._input.converted_text import replace_separator
from factorate._input.csv_dialect import find_dialect
from factorate._input.source import HEAD_BYTES
from factorate._utils.validation import escape, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factorate._input.csv_dialect import Dialect
    from factorate._input.source import Source

logger = logging.getLogger("factorate")

REPLACEMENT = "\x1f"  # of a separator of several bytes, which pyarrow does not know
NOT_UTF8 = re.compile("[\udc80-\udcff]")  # bytes that errors="surrogateescape" could not decode
UTF16 = re.compile("[\0\udc80-\udcff]")  # plain text in UTF-16 has zero bytes


def read_csv(
    source: Source,
    choose: Callable[[Sequence[str]], list[str]],
    kinds: tuple[str | None, ...],
    *,
    sep: str | None = None,
    header: bool | None = None,
    batch_bytes: int | None = None,
    described: set[str] | None = None,
) -> Iterator[Any]:
    """Yield the chosen columns of a text file: ids as text or integers, ratings as floats.

    Parameters
    ----------
    source : Source
        The file, in UTF-8.
    choose : callable
        Returns the names to read, the ids first, given the names of all columns.
    kinds : tuple of str or None
        Kinds of the ids of a model; ids of kind "str" are not converted to integers.
    sep : str, optional
        Text between two fields; None to find it.
    header : bool, optional
        Whether the first line holds the names of the columns; None to find it out.
    batch_bytes : int, optional
        Size of the text of a table; None for one table.
    described : set of str, optional
        The dialects of other files that were logged already; that of this file is added.

    Yields
    ------
    pyarrow.Table
        At least one, which may be empty.

    Raises
    ------
    ValueError
        If a line is not UTF-8, does not have the fields of the first, lacks an id, or has a rating
        that is not a finite number.
    """
    pyarrow = arrow()
    text = _read_text(source, sep, header)
    _log(text, set() if described is None else described)
    try:
        chosen = choose_from_file(choose, text.names, text.where)
    except ValueError as error:
        if header or text.dialect.names is not None or any(map(is_known_name, text.names)):
            raise
        advice = "if the first line holds no names, set header=False or --no-header"
        raise ValueError(f"{error}; {advice}") from None
    types = (pyarrow.string(), pyarrow.string(), pyarrow.float64())
    delimiter = {"delimiter": text.dialect.sep if text.dialect.quoted else REPLACEMENT}
    quotes = {} if text.dialect.quoted else {"quote_char": False}
    reading = {} if text.dialect.names is None else {"column_names": text.names}
    options = {
        "parse_options": pyarrow.csv.ParseOptions(**delimiter, **quotes),
        "convert_options": pyarrow.csv.ConvertOptions(
            include_columns=chosen,
            column_types=dict(zip(chosen, types, strict=False)),
            strings_can_be_null=True,
            null_values=[""],
            decimal_point=text.dialect.decimal,
        ),
    }
    try:
        with text.open() as file:
            if batch_bytes is None:
                whole = pyarrow.csv.ReadOptions(**reading)
                tables = iter([pyarrow.csv.read_csv(file, whole, **options)])
            else:
                blocks = pyarrow.csv.ReadOptions(block_size=batch_bytes, **reading)
                reader = pyarrow.csv.open_csv(file, blocks, **options)
                empty = pyarrow.Table.from_batches([], reader.schema)
                batches = (pyarrow.Table.from_batches([batch]) for batch in reader)
                tables = itertools.chain([next(batches, empty)], batches)
            for table in tables:
                finite = pyarrow.compute.is_finite(table[chosen[2]]) if len(chosen) == 3 else None
                absent = any(table[name].null_count for name in chosen)
                if absent or (finite is not None and pyarrow.compute.all(finite).as_py() is False):
                    _raise_for_line(text, chosen)
                yield with_integers(table, kinds)
    except pyarrow.ArrowInvalid as error:
        _raise_for_line(text, chosen)
        raise ValueError(f"{source.name} is not a CSV file: {escape(error)}") from None


def with_integers(table: Any, kinds: tuple[str | None, ...]) -> Any:
    """Convert columns of ids to integers where possible, unless the ids of the model are text."""
    for position, (name, kind) in enumerate(zip(table.column_names, kinds, strict=False)):
        if kind != "str":
            table = table.set_column(position, name, _integers_or_texts(table[name]))
    return table


@dataclass(frozen=True)
class _Text:
    """A text file with its dialect and the names of its columns."""

    source: Source
    dialect: Dialect
    names: list[str]

    @property
    def where(self) -> str:
        """Where the names of the columns are, for errors."""
        if self.dialect.names is None:
            return f"{self.source.name}, line 1"
        return f"{self.source.name}, which has no header line"

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        """Open the file for pyarrow."""
        if self.source.path is not None and self.dialect.quoted:
            # Given a path such as a.csv.gz, pyarrow would decompress the content.
            with arrow().memory_map(str(self.source.path)) as file:
                yield file
        elif self.dialect.quoted:
            with self.source.open() as file:
                yield file
        else:
            sep = self.dialect.sep.encode()
            with replace_separator(self.source.open(), sep, REPLACEMENT.encode()) as file:
                yield file

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number and the fields of each line that is not empty."""
        sep = self.dialect.sep
        with (
            self.source.open() as binary,
            io.TextIOWrapper(binary, "utf-8-sig", "surrogateescape", newline="") as file,
        ):
            if self.dialect.quoted:
                reader = csv.reader(file, delimiter=sep)
                for fields in reader:
                    if fields:
                        yield reader.line_num, fields
            else:
                for number, line in enumerate(file, 1):
                    if line.rstrip("\r\n"):
                        yield number, line.rstrip("\r\n").split(sep)


def _read_text(source: Source, sep: str | None, header: bool | None) -> _Text:
    """Find the dialect of a file and the names of its columns."""
    head = source.head()
    text = head.decode("utf-8-sig", "surrogateescape")
    if len(head) == HEAD_BYTES:  # the last line is cut
        text = text[: text.rfind("\n") + 1] or text
    if not text.strip("\r\n"):
        raise ValueError(f"{source.name} is empty; expected lines with a user and an item")
    usual = _usual_separator(source)
    dialect = find_dialect(text, sep=sep, header=header, default_sep=usual)
    _, first = next(_Text(source, dialect, []).lines(), (0, []))
    _check_utf8("".join(first), f"{source.name}, line 1", UTF16)
    names = first if dialect.names is None else list(dialect.names)
    return _Text(source, dialect, names)


def _log(text: _Text, described: set[str]) -> None:
    """Log the dialect of a file, as INFO unless it is usual or that of another file."""
    description = text.dialect.describe()
    if text.dialect.names is None:
        description += f" {escape(text.dialect.sep.join(text.names))}"
    has_known_names = text.dialect.names is None and any(map(is_known_name, text.names))
    is_usual = has_known_names and text.dialect.sep == _usual_separator(text.source)
    level = logging.DEBUG if is_usual or description in described else logging.INFO
    described.add(description)
    logger.log(level, "%s: %s", text.source.name, description)


def _usual_separator(source: Source) -> str:
    return "\t" if source.suffix == ".tsv" else ","


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


def _check_utf8(text: str, where: str, wrong: re.Pattern[str] = NOT_UTF8) -> None:
    if wrong.search(text):
        raise ValueError(
            f"{where} is not UTF-8, which is expected; convert the file, or pass "
            f"pandas.read_csv(…, encoding=…)"
        )


def _raise_for_line(text: _Text, chosen: list[str]) -> None:
    """Raise ValueError for the first wrong line, if any, once pyarrow has found an error."""
    lines = text.lines()
    first_line = "line 1"
    if text.dialect.names is None:
        first_line = "the header"
        next(lines)
    positions = [text.names.index(name) for name in chosen]
    for number, fields in lines:
        where = f"{text.source.name}, line {number}"
        line = text.dialect.sep.join(fields)
        _check_utf8(line, where)
        if len(fields) != len(text.names):
            raise ValueError(
                f"{where}: {len(fields)} fields where {first_line} has {len(text.names)}: "
                f"{show(line)}"
            )
        for position, name in zip(positions, chosen, strict=True):
            if not fields[position]:
                raise ValueError(f"{where}: {escape(name)} is missing; drop the line")
        if len(chosen) < len(ROLES):
            continue
        rating = fields[positions[2]]
        number_text = rating if text.dialect.decimal == "." else rating.replace(",", ".")
        if not is_number(number_text) or not math.isfinite(float(number_text)):
            expected = "a finite number" if is_number(number_text) else "a number"
            raise ValueError(
                f"{where}: {escape(chosen[2])} is {show(rating)}, which is not {expected}"
            )
