"""Read columns of Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.column_names import choose_from_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


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
        At least one, which may be empty.

    Raises
    ------
    ValueError
        If it is not a Parquet file, or the columns are not found.
    """
    pyarrow = arrow()
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            chosen = choose_from_file(choose, file.schema_arrow.names, str(path))
            if batch_rows is None or not file.metadata.num_rows:
                yield file.read(chosen).select(chosen)
                return
            for batch in file.iter_batches(batch_rows, columns=chosen):
                yield pyarrow.Table.from_batches([batch]).select(chosen)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file: {error}") from None
