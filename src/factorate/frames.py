"""DataFrames of any library, and the CSV and Parquet files they are read from."""

from __future__ import annotations

import csv
import gzip
import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate.checks import show
from factorate.ids import Encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import narwhals as nw

Names = tuple[str, str] | tuple[str, str, str]

LIBRARIES = ("pandas", "polars", "pyarrow")
ROLES = ("users", "items", "ratings")
ALIASES = {
    "user": ("user", "user_id", "userid"),
    "item": ("item", "item_id", "itemid", "movieid", "movie_id", "book_id", "bookid"),
    "rating": ("rating", "score", "stars"),
}


def to_frame(data: object) -> nw.DataFrame[Any] | None:
    """Return any DataFrame narwhals knows as an eager narwhals one; None for other objects."""
    import narwhals as nw

    try:
        frame = nw.from_native(data, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"two columns have the same name: {error}") from None
    if isinstance(frame, nw.LazyFrame):
        return frame.collect()
    return frame if isinstance(frame, nw.DataFrame) else None


def find_columns(present: Sequence[str], names: Names | None, with_rating: bool) -> list[str]:
    """Choose the columns of user, item and, if `with_rating`, rating.

    Raises
    ------
    ValueError
        If they cannot be told; the message names ``columns=``.

    Examples
    --------
    >>> find_columns(["timestamp", "movieId", "rating", "userId"], None, True)
    ['userId', 'movieId', 'rating']
    """
    wanted = 3 if with_rating else 2
    if names is not None:
        if len(names) < wanted:
            raise ValueError(f"columns={names!r} has no rating; expected (user, item, rating)")
        chosen = list(names[:wanted])
        absent = [name for name in chosen if name not in present]
        if absent:
            raise ValueError(
                f"columns={names!r} names {absent[0]!r}, which is not among the columns "
                f"{list(present)}"
            )
        return chosen
    matches = [
        [name for name in present if str(name).lower() in aliases]
        for aliases in list(ALIASES.values())[:wanted]
    ]
    for several in matches:
        if len(several) > 1:
            raise ValueError(f"columns {several} could each be meant; say which with columns=(…)")
    if all(matches):
        return [name for (name,) in matches]
    # Else in their order, unless a name that is known stands in another's place.
    in_place = all(not found or present.index(found[0]) == k for k, found in enumerate(matches))
    if in_place and len(present) in ((3,) if with_rating else (2, 3)):
        return list(present[:wanted])
    missing = [role for role, found in zip(ALIASES, matches, strict=False) if not found]
    raise ValueError(
        f"cannot tell the column of {' and '.join(missing)} among {list(present)[:12]}; name them "
        f"with columns=('user', 'item', 'rating'), or for a wide table of users × items pass "
        f"frame.to_numpy()"
    )


def _to_numpy(series: nw.Series[Any], what: str) -> Any:
    import narwhals as nw

    if series.null_count():
        where = int(series.is_null().arg_true()[0])
        raise ValueError(
            f"{what}[{where}] is {show(series[where])}, a missing value; drop that row"
        )
    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        return np.fromiter(series.to_list(), object, len(series))  # an array would lose the zone
    if isinstance(series.dtype, nw.String | nw.Categorical | nw.Enum):
        encoded = _encode(series)
        if encoded is not None:
            return encoded
    try:
        return series.to_numpy()
    except Exception as error:  # of the DataFrame's library, for types NumPy does not have
        raise TypeError(f"{what} are {series.dtype}, which is no array: {error}") from None


def _encode(series: nw.Series[Any]) -> Encoded | None:
    """Encode a column of text by pyarrow, many times as fast as Python; None where it can't."""
    try:
        import pyarrow
    except ImportError:
        return None
    try:
        # Through text, so that categories nobody uses are no ids.
        text = series.to_arrow().cast(pyarrow.large_string()).dictionary_encode()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, pyarrow.ArrowTypeError):
        return None
    if isinstance(text, pyarrow.ChunkedArray):
        text = text.combine_chunks()
    distinct = text.dictionary.to_pylist()
    return Encoded(
        np.fromiter(distinct, object, len(distinct)), text.indices.to_numpy().astype(np.int32)
    )


def columns(
    frame: nw.DataFrame[Any], names: Names | None, with_rating: bool
) -> tuple[Any, Any, Any, str]:
    """Return the columns user, item and rating (or None) as arrays, and the library's name."""
    chosen = find_columns(frame.columns, names, with_rating)
    arrays = [
        _to_numpy(frame.get_column(name), what) for name, what in zip(chosen, ROLES, strict=False)
    ]
    users, items, *rest = arrays
    return users, items, rest[0] if rest else None, frame.implementation.name.lower()


def matrix_frame(values: Any, users: Any, items: Any, library: str) -> Any:
    """Return a filled matrix as a DataFrame of `library`.

    With pandas, users are its index and items its columns; other libraries have no index, so users
    are the first column, named "user", and items are named by their text.

    Raises
    ------
    ValueError
        If two columns would have one name.
    """
    if library in {"pandas", "modin"}:
        module = _optional("modin.pandas" if library == "modin" else library)
        return module.DataFrame(values, index=users, columns=items)
    import narwhals as nw

    _optional(library)
    names = ["user", *map(str, items.tolist())]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns of the {library} DataFrame would be named {twice!r}")
    data = dict(
        zip(names, [users if users.dtype != object else users.tolist(), *values.T], strict=True)
    )
    backend: Any = library
    return nw.from_dict(data, backend=backend).to_native()


def table_frame(columns: dict[str, Any], library: str | None) -> Any:
    """Return columns as a DataFrame of `library`; for None, of the first of those there are.

    Raises
    ------
    ImportError
        If the library, or every one, is not installed.
    """
    import narwhals as nw

    if library is None:
        library = next((name for name in LIBRARIES if importlib.util.find_spec(name)), None)
        if library is None:
            raise ImportError(f"a DataFrame needs one of {', '.join(LIBRARIES)}: install one")
    _optional(library)
    plain = {
        name: values.tolist() if values.dtype == object else values
        for name, values in columns.items()
    }
    backend: Any = library
    return nw.from_dict(plain, backend=backend).to_native()


def _optional(library: str) -> Any:
    try:
        return importlib.import_module(library)
    except ImportError:
        raise ImportError(
            f"the model was fitted on a DataFrame of {library}, which is not installed"
        ) from None


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            "reading CSV and Parquet files needs pyarrow: pip install 'factorate[files]'"
        ) from None
    return pyarrow


def read_file(
    path: Path,
    names: Names | None = None,
    with_rating: bool = True,
    kinds: tuple[str | None, str | None] = (None, None),
) -> Any:
    """Read a CSV file (with a header line) or a Parquet file into a pyarrow table.

    Parameters
    ----------
    path
        A .csv, .tsv, .csv.gz, .tsv.gz or .parquet file.
    names
        Names of the columns (user, item, rating), or None to find them.
    with_rating
        Whether a rating is wanted.
    kinds
        Kinds of the ids of users and items that a model knows. The ids of a CSV file are integers
        if every one is written as an integer is ("7", not "007"), and the model knows no text.

    Raises
    ------
    FileNotFoundError
        If no file is there.
    ValueError
        If the ending is none of these, or a line does not parse (with its number).
    ImportError
        If pyarrow is not installed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if endings[-1:] in ([".parquet"], [".pq"]):
        pyarrow = _pyarrow()
        try:
            return pyarrow.parquet.read_table(path)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path} is not a Parquet file: {error}") from None
    if endings[-1:] in ([".csv"], [".tsv"]):
        return _read_csv(path, "\t" if endings[-1] == ".tsv" else ",", names, with_rating, kinds)
    raise ValueError(f"{path} ends in {path.suffix!r}; expected .csv, .tsv, .csv.gz or .parquet")


def _read_csv(
    path: Path,
    delimiter: str,
    names: Names | None,
    with_rating: bool,
    kinds: tuple[str | None, str | None],
) -> Any:
    pyarrow = _pyarrow()
    _, header = next(_lines(path, delimiter), (0, []))
    if not header:
        raise ValueError(f"{path} is empty; expected a header line and ratings")
    if all(map(_is_number, header)):
        raise ValueError(
            f"{path}, line 1: {delimiter.join(header)!r} looks like a rating; put a header line "
            f"such as user{delimiter}item{delimiter}rating before it"
        )
    chosen = find_columns(header, names, with_rating)
    types = dict(zip(chosen, (pyarrow.string(), pyarrow.string(), pyarrow.float64()), strict=False))
    try:
        table = pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=chosen,
                column_types=types,
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pyarrow.ArrowInvalid as error:
        _raise_line(path, delimiter, chosen)
        raise ValueError(f"{path} is not a CSV file: {error}") from None
    if any(table[name].null_count for name in chosen):
        _raise_line(path, delimiter, chosen)
    for place, (name, kind) in enumerate(zip(chosen, kinds, strict=False)):
        if kind != "str":
            table = table.set_column(place, name, _integers_if_written_so(table[name]))
    return table


def _integers_if_written_so(texts: Any) -> Any:
    """Return a column of texts as integers if each reads back as it was written."""
    pyarrow = _pyarrow()
    try:
        integers = texts.cast(pyarrow.int64())
    except pyarrow.ArrowInvalid:
        return texts
    same = pyarrow.compute.all(pyarrow.compute.equal(integers.cast(pyarrow.string()), texts))
    return integers if same.as_py() is not False else texts


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the fields of each line that is not empty."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.reader(file, delimiter=delimiter)
        for fields in reader:
            if fields:
                yield reader.line_num, fields


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _raise_line(path: Path, delimiter: str, chosen: list[str]) -> None:
    """Name the line at fault, if any; only runs once the fast reader has failed."""
    lines = _lines(path, delimiter)
    _, header = next(lines)
    places = [header.index(name) for name in chosen]
    for number, fields in lines:
        said = f"{path}, line {number}"
        text = delimiter.join(fields)
        if any("\udc80" <= letter <= "\udcff" for letter in text):
            raise ValueError(f"{said} is not UTF-8; convert the file")
        if len(fields) != len(header):
            raise ValueError(
                f"{said}: {len(fields)} fields where the header has {len(header)}: {text!r}"
            )
        for place, name in zip(places, chosen, strict=True):
            if not fields[place]:
                raise ValueError(f"{said}: {name} is missing; drop the line")
        if len(chosen) == len(ROLES) and not _is_number(fields[places[2]]):
            raise ValueError(f"{said}: {chosen[2]} is {fields[places[2]]!r}, which is no number")


def write_file(pairs: Any, predicted: Any, path: str | None) -> None:
    """Write the pairs of a pyarrow table with their predictions, as CSV to stdout without a path.

    Raises
    ------
    ValueError
        If the path ends in neither .csv nor .parquet.
    """
    pyarrow = _pyarrow()
    table = pairs.append_column("prediction", pyarrow.array(predicted))
    if path is None:
        pyarrow.csv.write_csv(table, sys.stdout.buffer)
    elif path.lower().endswith(".parquet"):
        pyarrow.parquet.write_table(table, path)
    elif path.lower().endswith(".csv"):
        pyarrow.csv.write_csv(table, path)
    else:
        raise ValueError(f"cannot write {path!r}; expected a path that ends in .csv or .parquet")
