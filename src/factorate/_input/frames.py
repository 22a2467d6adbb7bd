"""DataFrames of any library, and which of their columns are meant."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_columns import Encoded
from factorate._utils.validation import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    import narwhals as nw

Names = tuple[str, str] | tuple[str, str, str]

LIBRARIES = ("pandas", "polars", "pyarrow")
FRAME_LIBRARIES = frozenset({*LIBRARIES, "modin", "cudf"})  # the eager ones that narwhals reads
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


def find_columns(present: Sequence[str], names: Names | None, with_ratings: bool) -> list[str]:
    """Choose the columns of user, item and, if `with_ratings`, rating.

    Raises
    ------
    ValueError
        If they cannot be told; the message names ``columns=``.

    Examples
    --------
    >>> find_columns(["timestamp", "movieId", "rating", "userId"], None, True)
    ['userId', 'movieId', 'rating']
    """
    wanted = 3 if with_ratings else 2
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
        [name for name in present if _plain(name) in aliases]
        for aliases in list(ALIASES.values())[:wanted]
    ]
    for several in matches:
        if len(set(several)) < len(several):
            raise ValueError(f"two columns are named {several[0]!r}; rename one")
        if len(several) > 1:
            raise ValueError(f"columns {several} could each be meant; say which with columns=(…)")
    if all(matches):
        return [name for (name,) in matches]
    # Else in their order, unless a name that is known stands in another's place.
    in_place = all(not found or present.index(found[0]) == k for k, found in enumerate(matches))
    if in_place and len(present) in ((3,) if with_ratings else (2, 3)):
        _check_names(present)
        return list(present[:wanted])
    missing = [role for role, found in zip(ALIASES, matches, strict=False) if not found]
    raise ValueError(
        f"cannot tell the column of {' and '.join(missing)} among {list(present)[:12]}; name them "
        f"with columns=('user', 'item', 'rating'), or for a wide table of users × items pass "
        f"frame.to_numpy()"
    )


def _plain(name: object) -> str:
    return str(name).strip().lower()


def _check_names(names: Sequence[Any]) -> None:
    if len(names) == len(ROLES) and isinstance(names[2], str) and is_number(names[2]):
        raise ValueError(
            f"the names of the columns, {list(names)}, look like a rating; put a header line such "
            f"as user,item,rating before it, or name the columns with columns=(…)"
        )


def is_number(text: str) -> bool:
    """Say whether a text is a number, as files write them.

    Examples
    --------
    >>> is_number("4.5"), is_number("tea"), is_number("1_000")
    (True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def find_ids(present: Sequence[str], side: str, name: str | None = None) -> list[str]:
    """Choose the one column of users or of items.

    Examples
    --------
    >>> find_ids(["age", "user_id"], "user")
    ['user_id']
    """
    if name is not None:
        if name not in present:
            raise ValueError(f"there is no column {name!r} among {list(present)}")
        return [name]
    found = [column for column in present if _plain(column) in ALIASES[side]]
    if len(found) == 1:
        return found
    if len(present) == 1:
        return list(present)
    raise ValueError(
        f"cannot tell the column of {side} among {list(present)[:12]}; name it with --columns"
    )


def _to_numpy(series: nw.Series[Any], what: str) -> Any:
    import narwhals as nw

    if series.null_count():
        where = int(series.is_null().arg_true()[0])
        raise ValueError(
            f"{what}[{where}] is {show(series[where])}, a missing value; drop that row"
        )
    if isinstance(series.dtype, nw.Categorical):
        series = _decode(series)
    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        return np.fromiter(series.to_list(), object, len(series))  # an array would lose the zone
    if isinstance(series.dtype, nw.String | nw.Categorical | nw.Enum) and what != "ratings":
        encoded = _encode(series)
        if encoded is not None:
            return encoded
    if isinstance(series.dtype, nw.Decimal) and what != "ratings":
        numbers = series.to_list()
        if all(number == int(number) for number in numbers):
            return np.fromiter(map(int, numbers), object, len(numbers))
    try:
        return series.to_numpy()
    except Exception as error:  # of the DataFrame's library, for types NumPy does not have
        raise TypeError(f"{what} are {series.dtype}, which is no array: {error}") from None


def _decode(series: nw.Series[Any]) -> nw.Series[Any]:
    """Return a column of categories as one of their values, unless these are text."""
    import narwhals as nw

    native = series.to_native()
    if series.implementation.is_pandas_like():
        if not hasattr(native, "cat"):  # a dictionary of pyarrow in pandas
            values = type(native.dtype)(native.dtype.pyarrow_dtype.value_type)
            return nw.from_native(native.astype(values), series_only=True)
        categories = nw.from_native(native.cat.categories.to_series(), series_only=True)
        if not isinstance(categories.dtype, nw.String):
            return nw.from_native(native.astype(native.cat.categories.dtype), series_only=True)
    elif series.implementation.is_pyarrow():
        return nw.from_native(native.cast(native.type.value_type), series_only=True)
    return series


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


def column(values: Any, what: str) -> Any:
    """Return a Series of any library as the column of a DataFrame is; other objects as they are."""
    if isinstance(values, np.ndarray | list | tuple):
        return values
    import narwhals as nw  # only now: it takes a while

    if hasattr(values, "__arrow_c_array__"):  # an Array of pyarrow; narwhals knows chunked ones
        values = importlib.import_module("pyarrow").chunked_array([values])
    series = nw.from_native(values, pass_through=True, allow_series=True)
    return _to_numpy(series, what) if isinstance(series, nw.Series) else values


def columns(
    frame: nw.DataFrame[Any], names: Names | None, with_ratings: bool
) -> tuple[Any, Any, Any, str]:
    """Return the columns user, item and rating (or None) as arrays, and the library's name."""
    chosen = find_columns(frame.columns, names, with_ratings)
    may_be_wide = with_ratings and names is None and len(frame.columns) == len(ROLES)
    if may_be_wide and _has_labels(frame):
        known = set(itertools.chain.from_iterable(ALIASES.values()))
        if not any(_plain(name) in known for name in chosen):
            raise ValueError(
                f"the columns {frame.columns} beside a labelled index can be ratings or a wide "
                f"table of users × items; for ratings name them with columns=(…), for a table pass "
                f"scipy.sparse.coo_array(frame.fillna(0).to_numpy())"
            )
    arrays = [
        _to_numpy(frame.get_column(name), what) for name, what in zip(chosen, ROLES, strict=False)
    ]
    users, items, *rest = arrays
    return users, items, rest[0] if rest else None, frame.implementation.name.lower()


def _has_labels(frame: nw.DataFrame[Any]) -> bool:
    """Say whether the rows of pandas have names: more than the numbers that a filter leaves."""
    index = getattr(frame.to_native(), "index", None)
    if index is None or not len(index):
        return False
    return index.nlevels > 1 or index.name is not None or index.dtype.kind not in "iu"


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


def check_library(library: object) -> str | None:
    """Return the name of a library of DataFrames, or None; raise ValueError for any other name.

    A model file names the library that its DataFrames are made with, and that library is imported.
    """
    if library is None or (isinstance(library, str) and library in FRAME_LIBRARIES):
        return library
    raise ValueError(f"{library!r} is not a library of DataFrames")


def _optional(library: str) -> Any:
    try:
        return importlib.import_module(library)
    except ImportError:
        raise ImportError(
            f"the model was fitted on a DataFrame of {library}, which is not installed"
        ) from None
