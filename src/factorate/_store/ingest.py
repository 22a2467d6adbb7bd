"""ingest: read ratings in batches, and write a store."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.levels import MAX_LEVELS, MAX_SHORT
from factorate._input.rating_values import read_values, value_range
from factorate._input.ratings import read_id_column
from factorate._input.stored_ids import store_ids
from factorate._store.array_files import write_array
from factorate._store.chunk_writer import ChunkWriter
from factorate._store.distinct_ratings import DistinctRatings
from factorate._store.id_numbers import IdNumbers
from factorate._store.manifest import (
    CHUNK_RATINGS,
    SIDES,
    Manifest,
    write_manifest,
)
from factorate._store.number_counts import NumberCounts
from factorate._store.write_folder import write_folder
from factorate._utils.ahead import Ahead
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from factorate._input.columns import Columns
    from factorate._input.id_index import IdIndex
    from factorate._store.batches import Batches
    from factorate._store.folder import Folder
    from factorate._utils.types import Floats, Rows


def ingest(
    path: Folder,
    batches: Batches,
    *,
    n_threads: int = 1,
    chunk_ratings: int = CHUNK_RATINGS,
    max_levels: int = MAX_LEVELS,
    report: Callable[[int], object] = lambda _: None,
) -> None:
    """Write a store, which is complete when this returns; see `write_folder`.

    Parameters
    ----------
    path : Path or RemotePath
        Where the store is to be, which must not exist.
    batches : Batches
        The ratings.
    n_threads : int, default=1
        Number of threads.
    chunk_ratings : int, default=2**20
        Ratings of a file.
    max_levels : int, default=65536
        Maximum number of distinct ratings for which codes are stored. From the file on in which
        there are more, ratings are stored as they are.
    report : callable, default=None
        Called with the number of ratings of each batch.

    Raises
    ------
    FileExistsError
        If `path` exists, or another process is writing it.
    TypeError, ValueError
        If the input is not ratings; the message tells where.
    OSError
        If the store cannot be written, such as to a full disk. Nothing is left of it.
    """
    with write_folder(path) as folder, contextlib.ExitStack() as stack:
        ahead = stack.enter_context(Ahead()) if n_threads > 1 else None
        ratings = _NumberedRatings(
            folder,
            Workers(n_threads),
            ChunkWriter(folder, ahead, chunk_ratings),
            max_levels=max_levels,
        )
        for columns in _read(batches, n_threads):
            try:
                n = ratings.add(columns)
            except (TypeError, ValueError) as error:
                first, end = ratings.n_ratings, ratings.n_ratings + len(columns.user_ids)
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"ratings {first:,} to {end:,} of the source: {error}") from error
            report(n)
        if not ratings.n_ratings:
            raise ValueError("there are no ratings; at least one is needed")
        ratings.finish(batches)


def _read(batches: Batches, n_threads: int) -> Iterator[Columns]:
    """Iterate over batches; with several threads, the next one is read meanwhile."""
    if n_threads == 1 or not batches.is_own:
        yield from batches.columns
        return
    with Ahead() as ahead:
        read = partial(next, batches.columns, None)
        following = ahead.submit(read)
        while (columns := following.result()) is not None:
            following = ahead.submit(read)
            yield columns


class _NumberedRatings:
    """The ratings that have been read: their numbers, and what is known of them."""

    def __init__(
        self, folder: Folder, workers: Workers, chunks: ChunkWriter, *, max_levels: int
    ) -> None:
        self.n_ratings = 0
        self._folder = folder
        self._workers = workers
        self._chunks = chunks
        self._ids = IdNumbers("users"), IdNumbers("items")
        self._counts = NumberCounts(), NumberCounts()
        self._distinct = DistinctRatings(max_levels)
        self._is_coded = True
        self._range = np.inf, -np.inf
        self._names: tuple[str, str] | None = None

    def add(self, columns: Columns) -> int:
        """Assign numbers to the ratings of a batch, and write files as they become full."""
        is_single = getattr(columns.ratings, "dtype", None) == np.float32
        values = read_values(columns.ratings, np.dtype(np.float32 if is_single else np.float64))
        given = columns.user_ids, columns.item_ids
        sides = [read_id_column(ids, f"{side}s") for side, ids in zip(SIDES, given, strict=True)]
        # Python converts text, one thread at a time.
        in_order = any(column.values.dtype == object for column in sides)
        workers = Workers() if in_order else self._workers
        users, items = workers.map(lambda side: self._number(side, sides[side]), range(2))
        self._chunks.add(users, items, self._encode(values))
        if self._names is None:
            self._names = columns.names
        self.n_ratings += len(values)
        return len(values)

    def finish(self, batches: Batches) -> None:
        """Write the last ratings, the ids and the manifest."""
        chunks = self._chunks.finish()
        arrays: dict[str, NDArray[Any]] = {}
        indexes: list[IdIndex] = []
        for side, ids, counts in zip(SIDES, self._ids, self._counts, strict=True):
            index, rows = ids.finish(batches.convert)
            of_rows = np.zeros(len(index.ids), np.int64)
            np.add.at(of_rows, rows, counts.total(len(rows)))
            indexes.append(index)
            arrays |= store_ids(index, side)
            arrays |= {f"{side}_rows": rows, f"{side}_counts": of_rows}
        has_codes = any(chunk.code_bytes for chunk in chunks)
        levels = self._distinct.levels if has_codes else np.empty(0)
        arrays["levels"] = levels
        if self._is_coded:
            arrays["level_counts"] = self._distinct.counts[: len(levels)]
        low, high = self._range
        user_index, item_index = indexes
        manifest = Manifest(
            n_users=len(user_index.ids),
            n_items=len(item_index.ids),
            n_numbers=(len(self._ids[0]), len(self._ids[1])),
            n_levels=len(levels),
            minimum=low,
            maximum=high,
            id_kinds=(user_index.kind, item_index.kind),
            id_bytes=(_id_bytes(arrays, "user"), _id_bytes(arrays, "item")),
            columns=self._names,
            checksums={
                name: write_array(self._folder / f"{name}.npy", array)
                for name, array in arrays.items()
            },
            chunks=chunks,
        )
        write_manifest(self._folder, manifest)

    def _number(self, side: int, column: Any) -> Rows:
        """Return the numbers of the ids of one side, and count their ratings."""
        numbers = self._ids[side].add(column)
        self._counts[side].add(numbers, len(self._ids[side]))
        return numbers

    def _encode(self, values: Floats) -> NDArray[Any]:
        """Return the codes of ratings; once there are too many distinct ones, the ratings."""
        if len(values):
            low, high = value_range(values)
            self._range = min(self._range[0], low), max(self._range[1], high)
        codes = self._distinct.add(values) if self._is_coded else None
        self._is_coded = codes is not None
        if codes is None:
            self._chunks.convert(0, self._distinct)
            return values
        self._chunks.convert(1 if len(self._distinct) <= MAX_SHORT else 2, self._distinct)
        return codes


def _id_bytes(arrays: dict[str, NDArray[Any]], side: str) -> int:
    return len(arrays[f"{side}_ids"]) if f"{side}_id_ends" in arrays else 0
