"""read_pair_batches: pairs of user and item of any number, in batches of limited size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from factorate._input.arrow import arrow
from factorate._input.column_names import find_columns
from factorate._input.files import read_batches
from factorate._input.id_column import Encoded
from factorate._input.pairs import read_pairs
from factorate._serving.table_file import to_column
from factorate._store.batches import is_dataset, is_file
from factorate._training.factors import NO_ROWS
from factorate._utils.workers import slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.column_names import Names
    from factorate._input.unknown_ids import UnknownInBatches
    from factorate._store.stored_ratings import StoredRatings
    from factorate._utils.types import Rows

BATCH_ROWS = 1 << 18
NAMES = "user", "item"  # of the columns, if the pairs have none


class PairBatch(NamedTuple):
    """Some pairs.

    Attributes
    ----------
    user_rows, item_rows : ndarray of int32
        Rows of the model, −1 if unknown.
    columns : dict
        The ids as they were given, by the name of the column: arrays or columns of pyarrow.
    """

    user_rows: Rows
    item_rows: Rows
    columns: dict[str, Any]


def read_pair_batches(
    source: Any,
    fitted: FittedState,
    names: Names | None,
    unknowns: UnknownInBatches,
    *,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[PairBatch]:
    """Read pairs in batches, and look up their rows.

    Parameters
    ----------
    source : object
        The path of a file or an open file; a dataset of pyarrow; an iterator of batches; or pairs
        in any form that `predict` accepts.
    fitted : FittedState
        The fitted state of the model.
    names : tuple of str or int, or None
        Names or numbers of the columns; None to recognize them.
    unknowns : UnknownInBatches
        Counts the unknown ids.
    batch_rows : int, default=262144
        Maximum number of pairs of a batch, except of text files.

    Yields
    ------
    PairBatch

    Raises
    ------
    TypeError, ValueError
        If the source is not pairs, ids are of another type than those of the model, or batches
        have other names of columns than the first. Batches without names, or with those of
        `NAMES`, take the names of the first.
    """
    if is_file(source) or is_dataset(source):
        for table in _read_tables(source, fitted, names, batch_rows):
            chosen = tuple(table.column_names)
            pairs = _look_up(table, fitted, chosen, unknowns)
            yield pairs._replace(columns={name: table[name] for name in chosen})
        return
    batches = _number(source) if isinstance(source, Iterator) else [("", source)]
    titles: tuple[str, ...] | None = None
    is_empty = True
    for where, batch in batches:
        pairs = _look_up(batch, fitted, names, unknowns, where)
        found = tuple(pairs.columns)
        if titles is None:
            titles = found
        elif found not in (titles, NAMES):
            raise ValueError(
                f"{where}the columns are {list(found)}; expected {list(titles)}, as in batch 0"
            )
        for some in slices(len(pairs.user_rows), batch_rows):
            is_empty = False
            selected = (_select(ids, some) for ids in pairs.columns.values())
            columns = dict(zip(titles, selected, strict=True))
            yield PairBatch(pairs.user_rows[some], pairs.item_rows[some], columns)
    if is_empty:
        indexes = fitted.user_index, fitted.item_index
        columns = {
            name: to_column(index.ids).slice(0, 0)
            for name, index in zip(NAMES, indexes, strict=True)
        }
        yield PairBatch(NO_ROWS, NO_ROWS, columns)


def read_stored_batches(
    stored: StoredRatings, user_rows: Rows, item_rows: Rows
) -> Iterator[PairBatch]:
    """Read the pairs of a store, given the row of the model for each number of the store."""
    names = stored.manifest.columns or NAMES
    ids = [to_column(index.ids) for index in stored.indexes]
    id_rows = [stored.read_rows(side) for side in range(2)]
    for chunk in stored.read_chunks():
        numbers_of_sides = chunk.user_numbers, chunk.item_numbers
        columns = {
            name: of_side.take(rows.take(numbers))
            for name, of_side, rows, numbers in zip(
                names, ids, id_rows, numbers_of_sides, strict=True
            )
        }
        users, items = user_rows.take(chunk.user_numbers), item_rows.take(chunk.item_numbers)
        yield PairBatch(users, items, columns)


def _read_tables(
    source: Any, fitted: FittedState, names: Names | None, batch_rows: int
) -> Iterator[Any]:
    """Yield tables of pyarrow with the two columns of ids."""

    def choose(present: Sequence[str]) -> list[str]:
        return find_columns(present, names, with_ratings=False)

    if is_file(source):
        kinds = fitted.user_index.kind, fitted.item_index.kind
        yield from read_batches(source, choose, kinds, batch_rows=batch_rows)
        return
    chosen, pyarrow = choose(source.schema.names), arrow()
    for batch in source.to_batches(columns=chosen, batch_size=batch_rows):
        yield pyarrow.Table.from_batches([batch])


def _number(batches: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    for number, batch in enumerate(batches):
        yield f"batch {number}: ", batch


def _look_up(
    data: Any,
    fitted: FittedState,
    names: Names | None,
    unknowns: UnknownInBatches,
    where: str = "",
) -> PairBatch:
    """Read pairs in any form; errors begin with `where`."""
    try:
        users, items, given = read_pairs(data, fitted.user_index, fitted.item_index, names=names)
    except TypeError as error:
        raise TypeError(f"{where}{error}") from error
    except ValueError as error:  # also its subclasses, such as UnicodeDecodeError
        raise ValueError(f"{where}{error}") from error
    unknowns.add((given.user_ids, users), (given.item_ids, items))
    titles = given.names or NAMES
    return PairBatch(users, items, dict(zip(titles, (given.user_ids, given.item_ids), strict=True)))


def _select(ids: Any, some: slice) -> Any:
    return ids.distinct[ids.indices[some]] if isinstance(ids, Encoded) else ids[some]
