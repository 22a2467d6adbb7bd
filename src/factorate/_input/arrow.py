"""Import pyarrow when a file is read or written."""

from __future__ import annotations

from typing import Any


def arrow() -> Any:
    """Return pyarrow with the modules used here.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra to install.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.ipc
        import pyarrow.json
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            "reading and writing files needs pyarrow: pip install 'factorate[files]'"
        ) from None
    return pyarrow


def to_arrow(values: Any) -> Any:
    """Return values as an array of pyarrow; integers beyond 64 bits become decimals."""
    pyarrow = arrow()
    try:
        return pyarrow.array(values)
    except OverflowError:
        return pyarrow.array(values, pyarrow.decimal128(38, 0))
