"""Read columns of Parquet files, and check that they hold ids and ratings."""

from __future__ import annotations

import datetime
import zlib
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.column_names import ROLES, choose_from_file
from factorate._utils.validation import escape, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

IDS = "ids: booleans, integers, text, bytes, timestamps, dates or whole decimal128"
RATINGS = "ratings: real numbers"


def read_parquet(
    path: Path, choose: Callable[[Sequence[str]], list[str]], batch_rows: int | None
) -> Iterator[Any]:
    """Yield the chosen columns of a Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    choose : callable
        Returns the names to read, given the names of all columns.
    batch_rows : int or None
        Maximum number of rows of a table; None for one table.

    Yields
    ------
    pyarrow.Table
        At least one, which may be empty. Timestamps with a time zone are in UTC.

    Raises
    ------
    ValueError
        If it is not a Parquet file or is damaged, the columns are not found, or a column does not
        hold ids or ratings.
    """
    pyarrow = arrow()
    first_row = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            chosen = choose_from_file(choose, file.schema_arrow.names, str(path))
            for role, name in zip(ROLES, chosen, strict=False):
                _check_type(file.schema_arrow.field(name).type, role, _where(path, name))
            if batch_rows is None or not file.metadata.num_rows:
                tables = iter([file.read(chosen)])
            else:
                batches = file.iter_batches(batch_rows, columns=chosen)
                tables = (pyarrow.Table.from_batches([batch]) for batch in batches)
            for table in tables:
                yield _check_values(table.select(chosen), path, first_row)
                first_row += len(table)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file: {escape(error)}") from None
    except (pyarrow.ArrowException, TypeError, OverflowError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged Parquet file: {escape(error)}") from None


def _where(path: Path, name: str) -> str:
    return f"{path}: column {show(name)}"


def _check_type(found: Any, role: str, where: str) -> None:
    """Raise ValueError unless ids or ratings can have a type of pyarrow."""
    is_id = role != "ratings"
    if not (_holds_ids(found) if is_id else _holds_numbers(found)):
        raise ValueError(f"{where} has type {escape(found)}; expected {IDS if is_id else RATINGS}")


def _holds_numbers(found: Any) -> bool:
    types = arrow().types
    if types.is_dictionary(found):
        return _holds_numbers(found.value_type)
    kinds = (
        types.is_boolean,
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_null,
    )
    return any(is_kind(found) for is_kind in kinds)


def _holds_ids(found: Any) -> bool:
    types = arrow().types
    if types.is_dictionary(found):
        return _holds_ids(found.value_type)
    if isinstance(found, arrow().BaseExtensionType):  # such as UUIDs, which are read as bytes
        return _holds_ids(found.storage_type)
    kinds = (
        types.is_boolean,
        types.is_integer,
        types.is_decimal128,  # narwhals reads no other decimals
        types.is_null,
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
        types.is_fixed_size_binary,
        types.is_timestamp,
        types.is_date,
    )
    return any(is_kind(found) for is_kind in kinds)


def _check_values(table: Any, path: Path, first_row: int) -> Any:
    """Return a table with time zones in UTC; raise ValueError for values that are not accepted.

    `first_row` is the row in the file where the table begins.
    """
    pyarrow = arrow()
    table.validate(full=True)  # a damaged file can hold text that is not UTF-8
    for position, (role, field) in enumerate(zip(ROLES, table.schema, strict=False)):
        column, where = table.column(position), _where(path, field.name)
        if column.null_count:
            row = first_row + pyarrow.compute.index(column.is_null(), True).as_py()
            raise ValueError(f"{where} has a missing value in row {row}; drop that row")
        if pyarrow.types.is_decimal(field.type) and role != "ratings":
            whole = pyarrow.compute.equal(pyarrow.compute.floor(column), column)
            row = pyarrow.compute.index(whole, False).as_py()
            if row >= 0:
                raise ValueError(
                    f"{where} is {column[row].as_py()} in row {first_row + row} and has type "
                    f"{field.type}; expected whole numbers, because they are ids"
                )
        if pyarrow.types.is_timestamp(field.type) and field.type.tz is not None:
            column = column.cast(pyarrow.timestamp(field.type.unit, "UTC"))
            _check_range(column, where)
            table = table.set_column(position, field.name, column)
    return table


def _check_range(column: Any, where: str) -> None:
    """Raise ValueError if a timestamp in UTC is not a ``datetime``, which has years 1 to 9999."""
    pyarrow = arrow()
    extremes = pyarrow.compute.min_max(column)
    for value in extremes.values():
        try:
            value.as_py()
        except (OverflowError, ValueError):
            lowest, highest = datetime.MINYEAR, datetime.MAXYEAR
            raise ValueError(
                f"{where} has type {column.type} and holds {value.value}; expected years "
                f"{lowest} to {highest}"
            ) from None
