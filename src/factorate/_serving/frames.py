"""Build DataFrames of any library from predictions and recommendations."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

DEFAULT_LIBRARIES = ("pandas", "polars", "pyarrow")


def matrix_frame(values: Any, users: Any, items: Any, library: str) -> Any:
    """Return a matrix of predictions as a DataFrame.

    With pandas, users are the index and items the columns. Other libraries have no index: users are
    the first column, "user", and the names of the other columns are the items as text.

    Parameters
    ----------
    values : ndarray of shape (n_users, n_items)
        Predictions.
    users, items : ndarray
        Ids of the rows and columns.
    library : str
        Name of the DataFrame library.

    Returns
    -------
    DataFrame
        One row for each user.

    Raises
    ------
    ValueError
        If two columns would have the same name.
    ImportError
        If the library is not installed.
    """
    if library in {"pandas", "modin"}:
        module = _import("modin.pandas" if library == "modin" else library)
        return module.DataFrame(values, index=users, columns=items)
    import narwhals as nw

    _import(library)
    names = ["user", *map(str, items.tolist())]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns of the {library} DataFrame would be named {twice!r}")
    first = users if users.dtype != object else users.tolist()
    data = dict(zip(names, [first, *values.T], strict=True))
    backend: Any = library
    return nw.from_dict(data, backend=backend).to_native()


def table_frame(columns: dict[str, Any], library: str | None) -> Any:
    """Return columns as a DataFrame.

    Parameters
    ----------
    columns : dict of str to ndarray
        Columns by name.
    library : str or None
        Name of the DataFrame library; None for the first installed one of pandas, polars and
        pyarrow.

    Returns
    -------
    DataFrame
        One row for each entry of the columns.

    Raises
    ------
    ImportError
        If the library, or every one of the three, is not installed.
    """
    import narwhals as nw

    if library is None:
        library = next((name for name in DEFAULT_LIBRARIES if importlib.util.find_spec(name)), None)
        if library is None:
            raise ImportError(
                f"a DataFrame needs one of {', '.join(DEFAULT_LIBRARIES)}: install one"
            )
    _import(library)
    plain = {
        name: values.tolist() if values.dtype == object else values
        for name, values in columns.items()
    }
    backend: Any = library
    return nw.from_dict(plain, backend=backend).to_native()


def _import(library: str) -> Any:
    try:
        return importlib.import_module(library)
    except ImportError:
        raise ImportError(
            f"the model was fitted on a DataFrame of {library}, which is not installed"
        ) from None
