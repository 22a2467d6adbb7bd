"""Read files of ratings, pairs and ids: CSV, Parquet and JSON lines, whole or batch by batch."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import math
import re
import zlib
from typing import TYPE_CHECKING, Any

from factorate._input.frames import ROLES, find_columns, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from factorate._input.frames import Names

    Kinds = tuple[str | None, ...]
    Choose = Callable[[Sequence[str]], list[str]]

ROWS = 1 << 16  # of a batch
CSV_BYTES = 1 << 22  # of a batch
NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of other bytes
UTF16 = re.compile("[\0\udc80-\udcff]")  # every other byte of plain text is 0 there
FORMATS = {
    ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}  # fmt: skip


def arrow() -> Any:
    """Return pyarrow with the parts used here; raise ImportError that names the extra."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            "reading and writing files needs pyarrow: pip install 'factorate[files]'"
        ) from None
    return pyarrow


def format_of(path: Path, also: str = "") -> str:
    """Return "csv", "tsv", "jsonl" or "parquet" by the ending; `also` may stand after it.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() != also]
    if endings and endings[-1] in FORMATS:
        return FORMATS[endings[-1]]
    raise ValueError(f"{path} ends in {path.suffix!r}; expected .csv, .tsv, .jsonl or .parquet")


def read_file(
    path: Path, names: Names | None = None, with_ratings: bool = True, kinds: Kinds = (None, None)
) -> Any:
    """Read a whole file of ratings or pairs into a pyarrow table.

    Parameters
    ----------
    path
        A CSV file with a header line (.csv, .tsv), JSON lines (.jsonl), either also with .gz, or
        a Parquet file.
    names
        Names of the columns (user, item, rating), or None to find them.
    with_ratings
        Whether a rating is wanted.
    kinds
        Kinds of the ids of users and items that a model knows. The ids of a CSV file are integers
        if every one is written as an integer is ("7", not "007"; blanks around it are no part of
        it), and the model knows no text.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If no file is there.
    ValueError
        If the ending is none of these, the file is damaged, or a line does not parse, is not UTF-8
        or has a rating that is not finite (with its number).
    ImportError
        If pyarrow is not installed.
    """
    pyarrow = arrow()
    batches = list(
        _batches(path, lambda present: find_columns(present, names, with_ratings), whole=True)
    )
    try:
        table = pyarrow.concat_tables(batches, promote_options="permissive")
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise ValueError(f"{path} mixes types of ids: {error}") from None
    return _integers(table, kinds) if format_of(path, ".gz") in {"csv", "tsv"} else table


def read_batches(path: Path, choose: Choose, kinds: Kinds) -> Iterator[Any]:
    """Yield the chosen columns of a file as pyarrow tables of limited size.

    Parameters
    ----------
    path
        As in `read_file`.
    choose
        Returns the wanted ones of the names of all columns.
    kinds
        Kinds of ids of the chosen columns, as in `read_file`.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, ValueError, ImportError
        As `read_file`.
    """
    is_text = format_of(path, ".gz") in {"csv", "tsv"}
    for table in _batches(path, choose, whole=False):
        yield _integers(table, kinds) if is_text else table


def _batches(path: Path, choose: Choose, whole: bool) -> Iterator[Any]:
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; expected the path of a file")
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    form = format_of(path, ".gz")
    try:
        if form == "parquet":
            yield from _parquet_batches(path, choose, whole)
        elif form == "jsonl":
            yield from _json_batches(path, choose)
        else:
            yield from _csv_batches(path, "\t" if form == "tsv" else ",", choose, whole)
    except (EOFError, OSError, zlib.error, csv.Error) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, not the content
            raise
        raise ValueError(f"{path} is cut short or damaged: {error}") from None


def _choose(path: Path, choose: Choose, present: list[str], where: str = "") -> list[str]:
    """Choose columns of a file; ``where`` in it their names are."""
    try:
        chosen = choose(present)
    except ValueError as error:
        raise ValueError(f"{path}{where}: {error}") from None
    for name in chosen:
        if present.count(name) > 1:
            raise ValueError(f"{path}{where}: two columns are named {name!r}; rename one")
    return chosen


def _parquet_batches(path: Path, choose: Choose, whole: bool) -> Iterator[Any]:
    pyarrow = arrow()
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            chosen = _choose(path, choose, file.schema_arrow.names)
            if whole or not file.metadata.num_rows:
                yield file.read(chosen).select(chosen)
                return
            for batch in file.iter_batches(ROWS, columns=chosen):
                yield pyarrow.Table.from_batches([batch]).select(chosen)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file: {error}") from None


def _csv_batches(path: Path, delimiter: str, choose: Choose, whole: bool) -> Iterator[Any]:
    pyarrow = arrow()
    _, header = next(_lines(path, delimiter), (0, []))
    if not header:
        raise ValueError(f"{path} is empty; expected a header line and ratings")
    _check_utf8("".join(header), f"{path}, line 1", UTF16)
    if all(map(is_number, header)):
        raise ValueError(
            f"{path}, line 1: {delimiter.join(header)!r} looks like a rating; put a header line "
            f"such as user{delimiter}item{delimiter}rating before it"
        )
    chosen = _choose(path, choose, header, ", line 1")
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
        if whole:
            tables = iter([pyarrow.csv.read_csv(path, **options)])
        else:
            reading = pyarrow.csv.ReadOptions(block_size=CSV_BYTES)
            reader = pyarrow.csv.open_csv(path, read_options=reading, **options)
            empty = pyarrow.Table.from_batches([], reader.schema)
            batches = (pyarrow.Table.from_batches([batch]) for batch in reader)
            tables = itertools.chain([next(batches, empty)], batches)
        for table in tables:
            finite = pyarrow.compute.is_finite(table[chosen[2]]) if len(chosen) == 3 else None
            absent = any(table[name].null_count for name in chosen)
            if absent or (finite is not None and pyarrow.compute.all(finite).as_py() is False):
                _raise_line(path, delimiter, chosen)
            yield table
    except pyarrow.ArrowInvalid as error:
        _raise_line(path, delimiter, chosen)
        raise ValueError(f"{path} is not a CSV file: {error}") from None


def _json_batches(path: Path, choose: Choose) -> Iterator[Any]:
    pyarrow = arrow()
    chosen: list[str] | None = None
    with _opened(path) as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        while some := list(itertools.islice(lines, ROWS)):
            records = []
            for number, line in some:
                if not line.isascii():
                    _check_utf8(line, f"{path}, line {number}")
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    _check_utf8(line, f"{path}, line {number}", UTF16)
                    raise ValueError(f"{path}, line {number} is not JSON: {error}") from None
                if not isinstance(record, dict):
                    raise ValueError(f"{path}, line {number} is no JSON object: {line.strip()!r}")
                if chosen is None:
                    chosen = _choose(path, choose, list(record), f", line {number}")
                missing = [name for name in chosen if record.get(name) is None]
                if missing:
                    raise ValueError(
                        f"{path}, line {number}: {missing[0]} is missing; drop the line"
                    )
                records.append([record[name] for name in chosen])
            names = chosen or []
            columns: list[Any] = list(zip(*records, strict=True))
            said = f"{path}, lines {some[0][0]} to {some[-1][0]}"
            arrays = {
                name: _json_ids(column, f"{said}: {name}")
                for name, column in zip(names[:2], columns[:2], strict=True)
            }
            if len(columns) == len(ROLES):
                numbers = [number for number, _ in some]
                arrays[names[2]] = pyarrow.array(_ratings(columns[2], path, numbers, names[2]))
            yield pyarrow.table(arrays)
    if chosen is None:
        raise ValueError(f"{path} is empty; expected a JSON object in each line")


def _ratings(values: Sequence[object], path: Path, lines: Sequence[int], name: str) -> list[float]:
    """Return ratings as floats; whole numbers, too, so that all batches have one type."""
    ratings = []
    for value, line in zip(values, lines, strict=True):
        try:
            number = float(value) if isinstance(value, int | float) else math.nan
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ValueError(f"{path}, line {line}: {name} is {value!r}, which is no finite number")
        ratings.append(number)
    return ratings


def to_arrow(values: Any) -> Any:
    """Return an array of pyarrow; integers of more than 64 bits become decimals."""
    pyarrow = arrow()
    try:
        return pyarrow.array(values)
    except OverflowError:
        return pyarrow.array(values, pyarrow.decimal128(38, 0))


def _json_ids(values: Sequence[Any], what: str) -> Any:
    pyarrow = arrow()
    try:
        ids = to_arrow(values)
    except UnicodeEncodeError as error:  # JSON can write half of a pair of surrogates
        raise ValueError(
            f"{what} has {error.object[error.start]!r}, which is no character"
        ) from None
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise ValueError(
            f"{what} mixes types, or has an integer of more than 38 digits: {error}"
        ) from None
    types = pyarrow.types
    usable = types.is_integer, types.is_decimal, types.is_string, types.is_boolean
    if not any(is_one(ids.type) for is_one in usable):
        raise ValueError(f"{what} is of type {ids.type}; ids are integers, text, true or false")
    return ids


def _integers(table: Any, kinds: Kinds) -> Any:
    for place, (name, kind) in enumerate(zip(table.column_names, kinds, strict=False)):
        if kind != "str":
            table = table.set_column(place, name, _integers_if_written_so(table[name]))
    return table


def _integers_if_written_so(texts: Any) -> Any:
    """Return a column of texts as integers if each reads back as it was written, but for blanks."""
    trim = arrow().compute.ascii_trim_whitespace
    integers = _as_integers(texts)
    if integers is None and _as_integers(trim(texts[:1])) is not None:  # most texts end here
        integers = _as_integers(trim(texts))
    return texts if integers is None else integers


def _as_integers(texts: Any) -> Any | None:
    pyarrow = arrow()
    try:
        integers = texts.cast(pyarrow.int64())
    except pyarrow.ArrowInvalid:
        return None
    same = pyarrow.compute.all(pyarrow.compute.equal(integers.cast(pyarrow.string()), texts))
    return integers if same.as_py() is not False else None


def _opened(path: Path, newline: str | None = None) -> Any:
    """Open a file of text; its bytes that are no UTF-8 become surrogates."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    return opened(path, "rt", newline=newline, encoding="utf-8-sig", errors="surrogateescape")


def _check_utf8(text: str, said: str, wrong: re.Pattern[str] = NOT_UTF8) -> None:
    if wrong.search(text):
        raise ValueError(f"{said} is not UTF-8, which is expected; convert the file")


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each line that is not empty."""
    with _opened(path, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        for fields in reader:
            if fields:
                yield reader.line_num, fields


def _raise_line(path: Path, delimiter: str, chosen: list[str]) -> None:
    """Name the line at fault, if any; only runs once the fast reader has failed."""
    lines = _lines(path, delimiter)
    _, header = next(lines)
    places = [header.index(name) for name in chosen]
    for number, fields in lines:
        said = f"{path}, line {number}"
        text = delimiter.join(fields)
        _check_utf8(text, said)
        if len(fields) != len(header):
            raise ValueError(
                f"{said}: {len(fields)} fields where the header has {len(header)}: {text!r}"
            )
        for place, name in zip(places, chosen, strict=True):
            if not fields[place]:
                raise ValueError(f"{said}: {name} is missing; drop the line")
        if len(chosen) < len(ROLES):
            continue
        rating = fields[places[2]]
        if not is_number(rating) or not math.isfinite(float(rating)):
            kind = "finite number" if is_number(rating) else "number"
            raise ValueError(f"{said}: {chosen[2]} is {rating!r}, which is no {kind}")
