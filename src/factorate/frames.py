"""DataFrames of any library, and the CSV and Parquet files they are read from."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

from factorate.exceptions import show

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import narwhals as nw

Names = tuple[str, str] | tuple[str, str, str]

ALIASES = {
    "user": ("user", "user_id", "userid"),
    "item": ("item", "item_id", "itemid", "movieid", "movie_id", "book_id", "bookid"),
    "rating": ("rating", "score", "stars"),
}


def to_frame(data: object) -> nw.DataFrame[Any] | None:
    """Return any DataFrame narwhals knows as an eager narwhals one; None for other objects."""
    import narwhals as nw

    frame = nw.from_native(data, pass_through=True)
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
    found = []
    for aliases in list(ALIASES.values())[:wanted]:
        matches = [name for name in present if str(name).lower() in aliases]
        if len(matches) > 1:
            raise ValueError(f"columns {matches} could each be meant; say which with columns=(…)")
        found += matches
    if len(found) == wanted:
        return found
    if len(present) == wanted and not found:
        return list(present)
    raise ValueError(
        f"cannot tell user, item{' and rating' if with_rating else ''} among the columns "
        f"{list(present)[:12]}; name them with columns=('user', 'item', 'rating'), or for a wide "
        f"table of users × items pass frame.to_numpy()"
    )


def _to_numpy(series: nw.Series[Any], what: str) -> Any:
    if series.null_count():
        where = int(series.is_null().arg_true()[0])
        raise ValueError(
            f"{what}[{where}] is {show(series[where])}, a missing value; drop that row"
        )
    return series.to_numpy()


def columns(
    frame: nw.DataFrame[Any], names: Names | None, with_rating: bool
) -> tuple[Any, Any, Any, str]:
    """Return the columns user, item and rating (or None) as arrays, and the library's name."""
    chosen = find_columns(frame.columns, names, with_rating)
    arrays = [
        _to_numpy(frame.get_column(name), what)
        for name, what in zip(chosen, ("users", "items", "ratings"), strict=False)
    ]
    users, items, *rest = arrays
    return users, items, rest[0] if rest else None, frame.implementation.name.lower()


def matrix_frame(values: Any, users: Any, items: Any, library: str) -> Any:
    """Return a filled matrix as a DataFrame of `library`.

    With pandas, users are its index and items its columns; other libraries have no index, so users
    are the first column, named "user", and items are named by their text.
    """
    if library in {"pandas", "modin"}:
        module = sys.modules[library if library == "pandas" else "modin.pandas"]
        return module.DataFrame(values, index=users, columns=items)
    import narwhals as nw

    data = {"user": users.tolist()}
    data |= {str(item): values[:, column] for column, item in enumerate(items.tolist())}
    backend: Any = library
    return nw.from_dict(data, backend=backend).to_native()


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            "reading CSV and Parquet files needs pyarrow: pip install 'factorate[files]'"
        ) from None
    return pyarrow


def read_file(path: Path, names: Names | None = None) -> Any:
    """Read a CSV file (with a header line) or a Parquet file into a pyarrow table.

    Raises
    ------
    FileNotFoundError
        If no file is there.
    ValueError
        If the ending is neither .csv nor .parquet, or a line does not parse (with its number).
    ImportError
        If pyarrow is not installed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    endings = [suffix.lower() for suffix in path.suffixes]
    if endings[-1:] in ([".parquet"], [".pq"]):
        pyarrow = _pyarrow()
        try:
            return pyarrow.parquet.read_table(path)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path} is not a Parquet file: {error}") from None
    if endings[-1:] in ([".csv"], [".tsv"]) or endings[-2:] in ([".csv", ".gz"], [".tsv", ".gz"]):
        return _read_csv(path, "\t" if ".tsv" in endings else ",", names)
    raise ValueError(f"{path} ends in {path.suffix!r}; expected .csv, .tsv, .csv.gz or .parquet")


def _read_csv(path: Path, delimiter: str, names: Names | None) -> Any:
    pyarrow = _pyarrow()
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter)
    try:
        table = pyarrow.csv.read_csv(path, parse_options=parse)
    except pyarrow.ArrowInvalid as error:
        _raise_line(path, delimiter, None)
        raise ValueError(f"{path} is not a CSV file: {error}") from None
    # A rating column that came out as text has a line that is no number: say which.
    try:
        rating = find_columns(table.column_names, names, with_rating=True)[2]
    except ValueError:
        return table  # there may be none, and whoever wants one says so
    if pyarrow.types.is_string(table.schema.field(rating).type):
        _raise_line(path, delimiter, rating)
    return table


def _raise_line(path: Path, delimiter: str, rating: str | None) -> None:
    """Find the line at fault; only runs once a fast reader has failed."""
    import gzip

    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.reader(file, delimiter=delimiter)
        header = next(reader, [])
        for fields in reader:
            if fields and len(fields) != len(header):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields where the header has "
                    f"{len(header)}: {delimiter.join(fields)!r}"
                )
            if fields and rating is not None:
                text = fields[header.index(rating)]
                try:
                    float(text)
                except ValueError:
                    raise ValueError(
                        f"{path}, line {reader.line_num}: {rating} is {text!r}, which is no number"
                    ) from None


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
