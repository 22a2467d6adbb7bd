"""find_dialect: find the separator and the header of a text file from its first lines."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorate._input.column_names import MINIMUM_TIME, is_known_name, is_number, plain_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    Line = Sequence[str]

SEPARATORS = ("\t", "::", ";", ",", "|")
BLANK = " "  # only if no other separator is in the first line
SEPARATOR_NAMES = {"\t": "tab", " ": "blank", ",": "comma", ";": "semicolon"}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
ID_HEADERS = frozenset({"id", "ids"})  # of a single column
DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a text file holds its columns.

    Parameters
    ----------
    sep : str
        Text between two fields.
    names : tuple of str or None
        Names of the columns of a file without a header line; None if it has one.
    decimal : {".", ","}
        The decimal point of its numbers.
    """

    sep: str
    names: tuple[str, ...] | None
    decimal: str

    @property
    def quoted(self) -> bool:
        """Whether a field in double quotes can hold the separator."""
        return len(self.sep.encode()) == 1

    def describe(self) -> str:
        """Return the dialect in words.

        Examples
        --------
        >>> Dialect(sep="::", names=("user", "item"), decimal=".").describe()
        "separator '::', no header line, columns user, item"
        """
        sep = SEPARATOR_NAMES.get(self.sep, repr(self.sep))
        decimal = "" if self.decimal == "." else ", decimal comma"
        columns = "header line"
        if self.names == ("id",):
            return "one column, no header line"
        if self.names is not None:
            columns = f"no header line, columns {', '.join(self.names)}"
        return f"separator {sep}{decimal}, {columns}"


def find_dialect(
    text: str, *, sep: str | None = None, header: bool | None = None, default_sep: str = ","
) -> Dialect:
    r"""Find the separator and the header of a text from its first lines.

    Parameters
    ----------
    text : str
        The first lines; not empty.
    sep : str, optional
        The separator; None to find it.
    header : bool, optional
        Whether the first line holds the names of the columns; None to find it out. It does if it
        has a known name such as "user", has no number where the following lines have numbers, or
        has several fields, none of which is a number or, unless it is empty, occurs in the same
        column of another line.
        A single column of text needs a known name.
    default_sep : str, default=","
        The separator of a text of one column.

    Returns
    -------
    Dialect
        The dialect. Columns without a header are called user, item, and rating or timestamp,
        whichever their values are; they are numbered from 0 if two could be ratings. A single
        column is called id.

    Examples
    --------
    >>> find_dialect("196\t242\t3\t881250949\n186\t302\t3\t891717742\n").names
    ('user', 'item', 'rating', 'timestamp')
    >>> find_dialect("kunde;artikel;note\n7;12;3,5\n")
    Dialect(sep=';', names=None, decimal=',')
    """
    if sep is None:
        sep = _find_separator(text) or default_sep
    lines = split_lines(text, sep)
    decimal = "," if sep != "," and _has_decimal_commas(lines) else "."
    if header is None:
        header = _has_header(lines)
    return Dialect(sep=sep, names=None if header else _name_columns(lines), decimal=decimal)


def split_lines(text: str, sep: str) -> list[list[str]]:
    """Return the fields of each line that is not empty."""
    if len(sep.encode()) > 1:
        lines = (line.removesuffix("\r") for line in text.split("\n"))
        return [line.split(sep) for line in lines if line]
    try:
        lines_of_fields = csv.reader(io.StringIO(text, newline=""), delimiter=sep)
        return [fields for fields in lines_of_fields if fields]
    except csv.Error:  # such as a field of more than 128 KiB
        return []


def _find_separator(text: str) -> str | None:
    """Return the separator that splits most lines into as many fields as the first.

    Three fields or more are preferred to two, then separators that are early in `SEPARATORS`.
    """
    best, best_rank = None, (0.0, False)
    for sep in (*SEPARATORS, BLANK):
        if sep == BLANK and best is not None:
            break
        lines = split_lines(text, sep)
        width = len(lines[0]) if lines else 0
        rank = sum(len(fields) == width for fields in lines) / max(1, len(lines)), width >= 3
        if width >= 2 and rank > best_rank:
            best, best_rank = sep, rank
    return best


def _has_header(lines: Sequence[Line]) -> bool:
    first, *others = lines or [[]]
    if any(map(is_known_name, first)):
        return True
    rows = [fields for fields in others if len(fields) == len(first) and fields != first]
    columns = list(zip(first, *rows, strict=True))
    beside_numbers = [name for name, *values in columns if _are_numbers(values)]
    if len(first) == 1 and not beside_numbers:  # a list of ids
        return plain_name(first[0]) in ID_HEADERS
    if beside_numbers:
        return not any(map(_is_number, beside_numbers))
    return not any(_is_number(name) or (name and name in values) for name, *values in columns)


def _name_columns(lines: Sequence[Line]) -> tuple[str, ...]:
    """Name columns by their order, or number them if more than one could hold the ratings."""
    width = len(lines[0]) if lines else 0
    rows = [fields for fields in lines if len(fields) == width]
    columns = list(zip(*rows, strict=True))
    if width == 1:
        return ("id",)
    names = ["user", "item"]
    names += [
        "timestamp" if all(map(_is_timestamp, column)) else "rating" for column in columns[2:]
    ]
    return tuple(names if len(set(names)) == width else map(str, range(width)))


def _has_decimal_commas(lines: Sequence[Line]) -> bool:
    fields = [field for line in lines for field in line]
    has_points = any("." in field and is_number(field) for field in fields)
    return not has_points and any(map(DECIMAL_COMMA.fullmatch, fields))


def _are_numbers(values: Sequence[str]) -> bool:
    """Return whether there are values, and all that are not missing are numbers."""
    present = [value for value in values if value]
    return bool(present) and all(map(_is_number, present))


def _is_number(text: str) -> bool:
    return is_number(text.replace(",", "."))


def _is_timestamp(text: str) -> bool:
    value = text.strip()
    return bool(DATE.match(value)) or (is_number(value) and float(value) >= MINIMUM_TIME)
