"""Read the columns of DataFrames and Series of any library as arrays."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.column_names import ROLES, find_columns
from factorate._input.encode import encode_array, encode_arrow, merge_equal
from factorate._utils.validation import escape, show

if TYPE_CHECKING:
    import narwhals as nw

    from factorate._input.column_names import Names
    from factorate._input.id_column import Encoded

# The eager libraries that narwhals reads.
LIBRARIES = frozenset({"pandas", "polars", "pyarrow", "modin", "cudf"})


def to_frame(data: object) -> nw.DataFrame[Any] | None:
    """Return a DataFrame of any library as an eager DataFrame of narwhals.

    Parameters
    ----------
    data : object
        A DataFrame or LazyFrame of any library, which is collected in memory, an Arrow RecordBatch
        or other object that exports Arrow columns as a PyCapsule stream, or any other object.

    Returns
    -------
    narwhals.DataFrame or None
        None if `data` is not a DataFrame.

    Raises
    ------
    ValueError
        If two columns have the same name.
    ImportError
        If `data` is a stream, and neither pyarrow nor polars is installed.
    """
    import narwhals as nw

    if hasattr(type(data), "__dask_graph__") and hasattr(type(data), "columns"):
        data = data.compute()  # type: ignore[attr-defined]  # a DataFrame of Dask
    try:
        frame = nw.from_native(data, pass_through=True, allow_series=True)
        if hasattr(frame, "__arrow_c_stream__") and not isinstance(frame, nw.DataFrame | nw.Series):
            frame = _read_stream(frame)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"two columns have the same name: {escape(error)}") from None
    if isinstance(frame, nw.LazyFrame):
        return frame.collect()
    return frame if isinstance(frame, nw.DataFrame) else None


def read_frame(
    frame: nw.DataFrame[Any], names: Names | None, with_ratings: bool, what: str = ROLES[2]
) -> list[Any]:
    """Return the columns of users, items and, if `with_ratings`, ratings as arrays.

    Parameters
    ----------
    frame : narwhals.DataFrame
        Ratings, or pairs of user and item.
    names : tuple of str or None
        Names of the columns (user, item, rating), or None to recognize them.
    with_ratings : bool
        Whether a column of ratings is needed.
    what : str, default="ratings"
        Name of that column in errors.

    Returns
    -------
    list of ndarray or Encoded
        Two or three columns.

    Raises
    ------
    ValueError
        If the columns are not found, or a value is missing.
    TypeError
        If NumPy has no equivalent of the type of a column.
    """
    chosen = find_columns(frame.columns, names, with_ratings)
    roles = *ROLES[:2], what
    return [
        _to_numpy(frame.get_column(name), role) for name, role in zip(chosen, roles, strict=False)
    ]


def read_series(values: Any, what: str) -> Any:
    """Return a Series of any library, or an array of pyarrow, as an array.

    Parameters
    ----------
    values : object
        The Series; any other object is returned as it is.
    what : str
        Name of the column in errors; "users" and "items" are ids, anything else is numbers.

    Returns
    -------
    ndarray, Encoded or object
        Text is an `Encoded` column where pyarrow is installed.

    Raises
    ------
    ValueError
        If a value is missing.
    TypeError
        If NumPy has no equivalent of the type.
    """
    if isinstance(values, np.ndarray | list | tuple):
        return values
    import narwhals as nw  # a slow import, which arrays do not need

    if hasattr(values, "__arrow_c_array__"):  # narwhals reads chunked arrays of pyarrow only
        values = importlib.import_module("pyarrow").chunked_array([values])
    series = nw.from_native(values, pass_through=True, allow_series=True)
    return _to_numpy(series, what) if isinstance(series, nw.Series) else values


def check_library(library: object) -> str | None:
    """Return the name of a DataFrame library, or None; raise ValueError for any other name.

    The library named in a model file is imported, so the name must be checked.
    """
    if library is None or (isinstance(library, str) and library in LIBRARIES):
        return library
    raise ValueError(f"{library!r} is not a library of DataFrames")


def _read_stream(data: Any) -> nw.DataFrame[Any]:
    """Read an object with the method ``__arrow_c_stream__``, which exports Arrow columns."""
    import narwhals as nw

    for library in ("pyarrow", "polars"):
        if importlib.util.find_spec(library):
            return nw.from_arrow(data, backend=library)
    raise ImportError(
        f"reading the Arrow columns of {type(data).__name__} needs pyarrow: "
        f"pip install 'factorate[files]'"
    )


def _to_numpy(series: nw.Series[Any], what: str) -> Any:
    import narwhals as nw

    is_id = what in ROLES[:2]
    if is_id:
        encoded = _encode_objects(series)
        if encoded is not None:
            return encoded
    if series.null_count():
        row = int(series.is_null().arg_true()[0])
        raise ValueError(f"{what}[{row}] is {show(series[row])}, a missing value; drop that row")
    if isinstance(series.dtype, nw.Categorical):
        series = _decode(series)
    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        return np.fromiter(series.to_list(), object, len(series))  # datetime64 has no time zone
    if isinstance(series.dtype, nw.String | nw.Categorical | nw.Enum) and is_id:
        encoded = _encode(series)
        if encoded is not None:
            return encoded
    if isinstance(series.dtype, nw.Decimal) and is_id:
        numbers = series.to_list()
        if all(number == int(number) for number in numbers):
            return np.fromiter(map(int, numbers), object, len(numbers))
    try:
        return series.to_numpy()
    except Exception as error:  # each DataFrame library raises its own for types NumPy lacks
        raise TypeError(
            f"{what} are {series.dtype}, which NumPy cannot represent: {escape(error)}"
        ) from None


def _decode(series: nw.Series[Any]) -> nw.Series[Any]:
    """Return a categorical column as a column of its values, unless these are text."""
    import narwhals as nw

    native = series.to_native()
    if series.implementation.is_pandas_like():
        if not hasattr(native, "cat"):  # a dictionary of pyarrow in pandas
            values = type(native.dtype)(native.dtype.pyarrow_dtype.value_type)
            return nw.from_native(native.astype(values), series_only=True)
        categories = nw.from_native(native.cat.categories.to_series(), series_only=True)
        if not isinstance(categories.dtype, nw.String):
            return nw.from_native(native.astype(native.cat.categories.dtype), series_only=True)
    elif series.implementation.is_pyarrow() and not _is_text(native.type.value_type):
        return nw.from_native(native.cast(native.type.value_type), series_only=True)
    return series


def _is_text(found: Any) -> bool:
    types = importlib.import_module("pyarrow").types
    kinds = types.is_string, types.is_large_string, types.is_string_view
    return any(is_kind(found) for is_kind in kinds)


def _encode(series: nw.Series[Any]) -> Encoded | None:
    """Encode a column of text with pyarrow, faster than in Python; None if it cannot."""
    try:
        import pyarrow
    except ImportError:
        return None
    try:
        return encode_arrow(series.to_arrow())
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, pyarrow.ArrowTypeError):
        return None


def _encode_objects(series: nw.Series[Any]) -> Encoded | None:
    """Encode a column of pandas that holds text as objects of Python; None if it does not."""
    if not series.implementation.is_pandas():
        return None
    native = series.to_native()
    if native.dtype != object and getattr(native.dtype, "storage", "") != "python":
        return None
    encoded = encode_array(native.to_numpy(object))
    if encoded is None or set(map(type, encoded.distinct.tolist())) != {str}:
        return None
    return merge_equal(encoded)
