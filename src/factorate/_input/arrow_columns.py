"""Check that the columns of Parquet and Arrow files hold ids and ratings."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.column_names import ROLES
from factorate._utils.validation import escape, show

if TYPE_CHECKING:
    from collections.abc import Sequence

IDS = "ids: booleans, integers, text, bytes, timestamps, dates, whole decimal128 or whole floats"
NUMBERS = "real numbers"


def check_types(schema: Any, chosen: Sequence[str], file: str) -> None:
    """Raise ValueError unless the chosen columns have types of ids and ratings.

    Parameters
    ----------
    schema : pyarrow.Schema
        The types of all columns.
    chosen : sequence of str
        Names of the columns of users, items and perhaps ratings.
    file : str
        Name of the file in errors.
    """
    for role, name in zip(ROLES, chosen, strict=False):
        found, is_id = schema.field(name).type, role != "ratings"
        if not (_holds_ids(found) or _is_float(found) if is_id else _holds_numbers(found)):
            expected = IDS if is_id else NUMBERS
            raise ValueError(f"{_where(file, name)} has type {escape(found)}; expected {expected}")


def check_values(table: Any, file: str, first_row: int) -> Any:
    """Return a table with time zones in UTC; raise ValueError for values that are not accepted.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of users, items and perhaps ratings.
    file : str
        Name of the file in errors.
    first_row : int
        The row in the file where the table begins.
    """
    pyarrow = arrow()
    table.validate(full=True)  # a damaged file can hold text that is not UTF-8
    for position, (role, field) in enumerate(zip(ROLES, table.schema, strict=False)):
        column, where = table.column(position), _where(file, field.name)
        if column.null_count:
            row = first_row + pyarrow.compute.index(column.is_null(), True).as_py()
            raise ValueError(f"{where} has a missing value in row {row}; drop that row")
        if _is_float(field.type) and role != "ratings":
            table = table.set_column(position, field.name, _to_integers(column, where, first_row))
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


def _where(file: str, name: str) -> str:
    return f"{file}: column {show(name)}"


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


def _is_float(found: Any) -> bool:
    types = arrow().types
    return bool(types.is_float32(found) or types.is_float64(found))


def _to_integers(column: Any, where: str, first_row: int) -> Any:
    """Return ids that are floats as integers; raise ValueError unless they are whole numbers."""
    pyarrow = arrow()
    compute = pyarrow.compute
    limit = 2**24 if pyarrow.types.is_float32(column.type) else 2**53  # beyond it, digits are lost
    is_whole = compute.equal(compute.floor(column), column)
    is_exact = compute.and_(is_whole, compute.less_equal(compute.abs(column), float(limit)))
    row = compute.index(is_exact, False).as_py()
    if row >= 0:
        raise ValueError(
            f"{where} is {column[row].as_py()} in row {first_row + row}; ids that are floats are "
            f"whole numbers, up to {limit:,} in size"
        )
    return column.cast(pyarrow.int64())


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
