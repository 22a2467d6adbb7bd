"""ingest: read ratings in batches, and write a store."""

from __future__ import annotations

import contextlib
import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.rating_values import read_values
from factorate._input.ratings import read_id_column
from factorate._input.stored_ids import store_ids
from factorate._kernels import counting
from factorate._store.array_files import write_array
from factorate._store.distinct_ratings import DistinctRatings
from factorate._store.id_numbers import IdNumbers
from factorate._store.manifest import (
    CHUNK_RATINGS,
    SIDES,
    Chunk,
    Manifest,
    chunk_name,
    write_manifest,
)
from factorate._utils.ahead import Ahead
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from factorate._input.columns import Columns
    from factorate._input.id_index import IdIndex
    from factorate._store.batches import Batches
    from factorate._utils.types import Offsets, Rows

LOCK = "writing.lock"
SUFFIX = ".partial"  # of the name of a store that is being written
MAX_SHORT = 1 << 8  # codes below have one byte


def ingest(
    path: Path,
    batches: Batches,
    *,
    n_threads: int = 1,
    chunk_ratings: int = CHUNK_RATINGS,
    report: Callable[[int], object] = lambda _: None,
) -> None:
    """Write a store, which appears at `path` when it is complete.

    Until then it is at a path that ends in ".partial". What an earlier call that was killed left
    there is removed.

    Parameters
    ----------
    path : Path
        Where the store is to be, which must not exist.
    batches : Batches
        The ratings.
    n_threads : int, default=1
        Number of threads.
    chunk_ratings : int, default=2**20
        Ratings of a file.
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
    if path.exists():
        raise FileExistsError(f"{str(path)!r} exists; delete it first, or choose another path")
    with _writing(path) as folder:
        ratings = _NumberedRatings(folder, Workers(n_threads), chunk_ratings)
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
    """The ratings that have been read: those in files, and those of the file to be written next."""

    def __init__(self, folder: Path, workers: Workers, chunk_ratings: int) -> None:
        self.n_ratings = 0
        self._folder = folder
        self._workers = workers
        self._ids = IdNumbers("users"), IdNumbers("items")
        self._counts = [np.zeros(0, np.int64), np.zeros(0, np.int64)]  # of each number
        self._ratings = DistinctRatings()
        self._code_counts = np.zeros(0, np.int64)
        self._chunks: list[Chunk] = []
        self._names: tuple[str, str] | None = None
        self._numbers = np.empty((2, chunk_ratings), np.int32)
        self._codes = np.empty(chunk_ratings, np.uint16)
        self._n_waiting = 0

    def add(self, columns: Columns) -> int:
        """Assign numbers to the ratings of a batch, and write files as they become full."""
        values = read_values(columns.ratings, np.dtype(np.float64)).astype(np.float64, copy=False)
        given = columns.user_ids, columns.item_ids
        sides = [read_id_column(ids, f"{side}s") for side, ids in zip(SIDES, given, strict=True)]
        # Python converts text, one thread at a time.
        in_order = any(column.values.dtype == object for column in sides)
        workers = Workers() if in_order else self._workers
        users, items = workers.map(lambda side: self._number(side, sides[side]), range(2))
        codes = self._ratings.add(values)
        counts = np.bincount(codes, minlength=len(self._ratings.code_by_value))
        self._code_counts = _lengthened(self._code_counts, len(counts))
        self._code_counts[: len(counts)] += counts
        if self._names is None:
            self._names = columns.names
        begin = 0
        while begin < len(codes):
            free = len(self._codes) - self._n_waiting
            end = min(begin + free, len(codes))
            to = slice(self._n_waiting, self._n_waiting + end - begin)
            self._numbers[0, to], self._numbers[1, to] = users[begin:end], items[begin:end]
            self._codes[to] = codes[begin:end]
            self._n_waiting += end - begin
            if self._n_waiting == len(self._codes):
                self._write_chunk()
            begin = end
        self.n_ratings += len(codes)
        return len(codes)

    def finish(self, batches: Batches) -> None:
        """Write the last ratings, the ids and the manifest."""
        if self._n_waiting:
            self._write_chunk()
        arrays: dict[str, NDArray[Any]] = {}
        indexes: list[IdIndex] = []
        for side, ids, counts in zip(SIDES, self._ids, self._counts, strict=True):
            index, rows = ids.finish(batches.convert)
            of_rows = np.zeros(len(index.ids), np.int64)
            np.add.at(of_rows, rows, counts[: len(rows)])
            indexes.append(index)
            arrays |= store_ids(index, side)
            arrays |= {f"{side}_rows": rows, f"{side}_counts": of_rows}
        values = np.array(list(self._ratings.code_by_value))
        arrays |= {"levels": values, "level_counts": self._code_counts[: len(values)]}
        user_index, item_index = indexes
        manifest = Manifest(
            n_users=len(user_index.ids),
            n_items=len(item_index.ids),
            n_numbers=(len(self._ids[0]), len(self._ids[1])),
            n_levels=len(values),
            minimum=float(values.min()),
            maximum=float(values.max()),
            id_kinds=(user_index.kind, item_index.kind),
            id_bytes=(_id_bytes(arrays, "user"), _id_bytes(arrays, "item")),
            columns=self._names,
            checksums={
                name: write_array(self._folder / f"{name}.npy", array)
                for name, array in arrays.items()
            },
            chunks=tuple(self._chunks),
        )
        write_manifest(self._folder, manifest)

    def _number(self, side: int, column: Any) -> Rows:
        """Return the numbers of the ids of one side, and count their ratings."""
        numbers = self._ids[side].add(column)
        self._counts[side] = _lengthened(self._counts[side], len(self._ids[side]))
        counting.count(numbers, self._counts[side])
        return numbers

    def _write_chunk(self) -> None:
        n, self._n_waiting = self._n_waiting, 0
        code_bytes = 1 if len(self._ratings.code_by_value) <= MAX_SHORT else 2
        records = np.empty(n, [("user", "<i4"), ("item", "<i4"), ("code", f"<u{code_bytes}")])
        records["user"], records["item"] = self._numbers[:, :n]
        records["code"] = self._codes[:n]
        checksum = write_array(self._folder / chunk_name(len(self._chunks)), records)
        self._chunks.append(Chunk(n_ratings=n, code_bytes=code_bytes, checksum=checksum))


def _lengthened(counts: Offsets, n: int) -> Offsets:
    """Return counts extended to at least `n` entries by zeros."""
    if n <= len(counts):
        return counts
    longer = np.zeros(max(n, 2 * len(counts)), np.int64)
    longer[: len(counts)] = counts
    return longer


def _id_bytes(arrays: dict[str, NDArray[Any]], side: str) -> int:
    return len(arrays[f"{side}_ids"]) if f"{side}_id_ends" in arrays else 0


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `path` when the block ends without an error."""
    folder = path.with_name(path.name + SUFFIX)
    if not path.parent.exists():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} in")
    if folder.exists():
        _check_unfinished(folder)
    folder.mkdir(exist_ok=True)
    with (folder / LOCK).open("ab") as lock:
        _lock(lock.fileno(), folder)
        try:
            for file in folder.iterdir():
                if file.name != LOCK:
                    file.unlink()
            yield folder
            _flush_to_disk(folder)
            lock.close()  # Windows does not move or delete open files
            (folder / LOCK).unlink()
            folder.rename(path)
        except BaseException as error:
            lock.close()
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and error.filename is None and error.errno is not None:
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise


def _check_unfinished(folder: Path) -> None:
    """Raise FileExistsError unless a folder is what a call that was killed has left."""
    names = {file.name for file in folder.iterdir()} if folder.is_dir() else None
    if names is None or (names and LOCK not in names):
        raise FileExistsError(
            f"{str(folder)!r} exists and is not an unfinished store; move it, because the store is "
            f"written there"
        )


def _lock(descriptor: int, folder: Path) -> None:
    """Raise FileExistsError if another process is writing a store; it keeps the lock until then."""
    try:
        import fcntl
    except ImportError:  # Windows, where open files cannot be deleted
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise FileExistsError(f"another process is writing {str(folder)!r}") from None


def _flush_to_disk(folder: Path) -> None:
    for file in folder.iterdir():
        with file.open("r+b") as opened:
            os.fsync(opened.fileno())
