"""Read columns of Parquet files."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.arrow_columns import check_types, check_values
from factorate._input.column_names import choose_from_file
from factorate._utils.validation import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factorate._input.source import Source


def read_parquet(
    source: Source, choose: Callable[[Sequence[str]], list[str]], batch_rows: int | None
) -> Iterator[Any]:
    """Yield the chosen columns of a Parquet file.

    Parameters
    ----------
    source : Source
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
        with source.open_with_arrow() as opened, pyarrow.parquet.ParquetFile(opened) as file:
            chosen = choose_from_file(choose, file.schema_arrow.names, source.name)
            check_types(file.schema_arrow, chosen, source.name)
            if batch_rows is None or not file.metadata.num_rows:
                tables = iter([file.read(chosen)])
            else:
                batches = file.iter_batches(batch_rows, columns=chosen)
                tables = (pyarrow.Table.from_batches([batch]) for batch in batches)
            for table in tables:
                yield check_values(table.select(chosen), source.name, first_row)
                first_row += len(table)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{source.name} is not a Parquet file: {escape(error)}") from None
    except (pyarrow.ArrowException, TypeError, OverflowError, zlib.error) as error:
        raise ValueError(f"{source.name} is a damaged Parquet file: {escape(error)}") from None
