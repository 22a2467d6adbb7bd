"""Read a source of ratings in batches of limited size."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._input.arrow import arrow
from factorate._input.column_names import ROLES, find_columns
from factorate._input.columns import Columns, read_columns
from factorate._input.csv_files import with_integers
from factorate._input.files import InputFile, read_unconverted
from factorate._input.find_sources import is_file_object
from factorate._input.frame_columns import read_series
from factorate._input.id_column import IdColumn, read_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from factorate._input.column_names import Names

BATCH_ROWS = 1 << 18
BATCH_BYTES = 1 << 24


class Batches(NamedTuple):
    """The batches of a source.

    Attributes
    ----------
    columns : iterable of Columns
        The batches.
    convert : callable or None
        Converts distinct ids of text to integers if all are written as integers; None if the source
        states the types of its ids.
    is_own : bool
        Whether a thread may read the next batch meanwhile: an iterator of the user stays in its
        thread.
    """

    columns: Iterator[Columns]
    convert: Callable[[NDArray[Any]], IdColumn] | None = None
    is_own: bool = False


def open_batches(
    source: Any,
    names: Names | None,
    *,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
) -> Batches:
    """Find out what a source is, and read it in batches.

    Parameters
    ----------
    source : object
        A path or an open file, as for `files.read_file`; a dataset of pyarrow; a DataFrame of Dask,
        whose partitions are the batches; an iterator of ratings in any form; or ratings in any
        other form, which are one batch.
    names : tuple of str or int, or None
        Names or numbers of the columns (user, item, rating), or (user, item), where all ratings are
        1; None to recognize three columns.
    batch_rows : int, default=2**18
        Maximum number of ratings of a batch of a Parquet or Arrow file.
    batch_bytes : int, default=2**24
        Approximate size of the text of a batch of any other file.

    Returns
    -------
    Batches
    """
    with_ratings = names is None or len(names) == len(ROLES)
    if is_file(source):
        tables, is_text = read_unconverted(
            source,
            lambda present: find_columns(present, names, with_ratings),
            batch_rows=batch_rows,
            batch_bytes=batch_bytes,
        )
        return Batches(map(_read_table, tables), _to_integers if is_text else None, is_own=True)
    if is_dataset(source):
        chosen = find_columns(source.schema.names, names, with_ratings)
        found = source.to_batches(columns=chosen, batch_size=batch_rows)
        pyarrow = arrow()
        tables = (pyarrow.Table.from_batches([batch]) for batch in found)
        return Batches(map(_read_table, tables), is_own=True)
    if _is_dask_frame(source):
        chosen = find_columns(list(source.columns), names, with_ratings)
        numbers = (0, 1, 2) if with_ratings else (0, 1)
        partitions = _compute_each(source[chosen])
        return Batches(_read_each(partitions, numbers, "partition"), is_own=True)
    if isinstance(source, Iterator):
        return Batches(_read_each(source, names, "batch"))
    return Batches(iter([_read_columns(source, names)]))


def is_file(source: Any) -> bool:
    """Return whether a source is a path or an open file; the reader of chunks of pandas is none."""
    if isinstance(source, str | os.PathLike | InputFile):
        return True
    has_lines = hasattr(source, "readline") or not isinstance(source, Iterator)
    return is_file_object(source) and has_lines


def is_dataset(source: Any) -> bool:
    """Return whether an object is a dataset of pyarrow, or has the same methods."""
    methods = ("to_batches", "scanner")
    return hasattr(source, "schema") and all(callable(getattr(source, m, None)) for m in methods)


def _is_dask_frame(source: Any) -> bool:
    """Return whether an object is a DataFrame of Dask, without importing Dask."""
    is_of_dask = any(base.__module__.startswith("dask") for base in type(source).__mro__)
    return is_of_dask and hasattr(source, "columns") and hasattr(source, "to_delayed")


def _compute_each(frame: Any) -> Iterator[Any]:
    """Compute the partitions of a DataFrame of Dask in order.

    A thread may do so, with the client of the thread that calls this.
    """
    context = contextvars.copy_context()
    return (context.run(partition.compute) for partition in frame.to_delayed())


def _read_each(source: Iterator[Any], names: Names | None, what: str) -> Iterator[Columns]:
    for number, batch in enumerate(source):
        try:
            columns = _read_columns(batch, names)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{what} {number} of the source: {error}") from error
        yield columns


def _read_table(table: Any) -> Columns:
    """Return a table of two or three columns of a file, in the order user, item, rating."""
    return _read_columns(table, tuple(table.column_names))._replace(library=None)


def _read_columns(source: Any, names: Names | None) -> Columns:
    """Return ratings in any form as columns; two names are those of users and items."""
    if names is None or len(names) == len(ROLES):
        return read_columns(source, names=names)
    columns = read_columns(source, names=names, with_ratings=False)
    return columns._replace(ratings=np.ones(len(columns.user_ids)))


def _to_integers(texts: NDArray[Any]) -> IdColumn:
    """Return ids of text files as integers, if all are written as integers."""
    pyarrow = arrow()
    table = pyarrow.table({"ids": pyarrow.array(texts, pyarrow.string())})
    converted = with_integers(table, (None,)).column(0)
    if not pyarrow.types.is_integer(converted.type):
        return IdColumn(texts, "str")
    return read_ids(np.asarray(read_series(converted, "ids")), "ids")
