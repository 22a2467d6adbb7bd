"""Read columns of Arrow IPC files and streams; Feather files of version 2 are such files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorate._input.arrow import arrow
from factorate._input.arrow_columns import check_types, check_values
from factorate._input.column_names import choose_from_file
from factorate._utils.validation import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factorate._input.source import Source

FILE_SIGNATURE = b"ARROW1"


def read_arrow(
    source: Source, choose: Callable[[Sequence[str]], list[str]], batch_rows: int | None
) -> Iterator[Any]:
    """Yield the chosen columns of an Arrow IPC file or stream.

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
        If the file is damaged, the columns are not found, or a column does not hold ids or ratings.
    """
    pyarrow = arrow()
    is_file = source.head().startswith(FILE_SIGNATURE)
    first_row = 0
    try:
        with source.open_with_arrow() as opened:
            reader = (pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream)(opened)
            chosen = choose_from_file(choose, reader.schema.names, source.name)
            check_types(reader.schema, chosen, source.name)
            for batch in _batches(reader, batch_rows):
                yield check_values(batch.select(chosen), source.name, first_row)
                first_row += len(batch)
    except (pyarrow.ArrowException, TypeError, OverflowError) as error:
        raise ValueError(f"{source.name} is a damaged Arrow file: {escape(error)}") from None


def _batches(reader: Any, batch_rows: int | None) -> Iterator[Any]:
    """Yield tables of at most `batch_rows` rows; at least one."""
    pyarrow = arrow()
    if batch_rows is None:
        yield reader.read_all()
        return
    yield pyarrow.Table.from_batches([], reader.schema)
    batches = (
        map(reader.get_batch, range(reader.num_record_batches))
        if hasattr(reader, "num_record_batches")
        else reader
    )
    for batch in batches:
        for first in range(0, len(batch), batch_rows):
            yield pyarrow.Table.from_batches([batch.slice(first, batch_rows)])
