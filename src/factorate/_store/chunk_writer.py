"""ChunkWriter: write ratings to files of equal numbers of ratings, while others are read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._store.array_files import write_array
from factorate._store.manifest import CHUNK_RATINGS, Chunk, chunk_fields, chunk_name
from factorate._store.write_folder import flush_to_disk
from factorate._utils.ahead import Call

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._store.distinct_ratings import DistinctRatings
    from factorate._store.folder import Folder
    from factorate._utils.ahead import Ahead
    from factorate._utils.types import Rows


class ChunkWriter:
    """Writes ratings to files of equal numbers of ratings, in the order in which they are added.

    Parameters
    ----------
    folder : Path or RemotePath
        Folder of the files.
    ahead : Ahead or None
        The thread that writes a file while the next one is filled, and flushes it to the disk; None
        to write it in the calling thread.
    chunk_ratings : int, default=2**20
        Ratings of a file.
    """

    def __init__(
        self, folder: Folder, ahead: Ahead | None, chunk_ratings: int = CHUNK_RATINGS
    ) -> None:
        self._folder = folder
        self._ahead = ahead
        self._kind = Chunk(n_ratings=chunk_ratings, code_bytes=1, checksum=0)
        self._records = np.empty(chunk_ratings, chunk_fields(self._kind))
        self._n_waiting = 0
        self._written: tuple[NDArray[Any], Call[int]] | None = None  # the file before
        self._chunks: list[Chunk] = []
        self._flushes: list[Call[None]] = []

    def convert(self, code_bytes: int, distinct: DistinctRatings) -> None:
        """Change the size of codes from now on, also of ratings that are not in a file yet.

        Parameters
        ----------
        code_bytes : int
            Bytes of a code; 0 for ratings without codes.
        distinct : DistinctRatings
            The rating of each code.
        """
        if code_bytes == self._kind.code_bytes:
            return
        before, fields = self._records, chunk_fields(self._kind)
        waiting = slice(0, self._n_waiting)
        self._kind = replace(self._kind, code_bytes=code_bytes)
        self._records = np.empty(len(before), chunk_fields(self._kind))
        users, items, ratings = (before[name][waiting] for name, _ in fields)
        self._fill(waiting, users, items, ratings if code_bytes else distinct.levels.take(ratings))

    def add(self, users: Rows, items: Rows, ratings: NDArray[Any]) -> None:
        """Add ratings, and write files as they become full.

        Parameters
        ----------
        users, items : ndarray of int32
            Numbers of users and items.
        ratings : ndarray
            Codes of ratings, or ratings if codes have no bytes.
        """
        begin = 0
        while begin < len(ratings):
            end = min(begin + len(self._records) - self._n_waiting, len(ratings))
            to = slice(self._n_waiting, self._n_waiting + end - begin)
            self._fill(to, users[begin:end], items[begin:end], ratings[begin:end])
            self._n_waiting = to.stop
            if self._n_waiting == len(self._records):
                self._write()
            begin = end

    def finish(self) -> tuple[Chunk, ...]:
        """Write the last ratings, and return what is in each file."""
        if self._n_waiting:
            self._write()
        self._end_write()
        for flush in self._flushes:
            flush.result()
        return tuple(self._chunks)

    def _fill(self, to: slice, users: Rows, items: Rows, ratings: NDArray[Any]) -> None:
        columns = users, items, ratings
        for (name, _), column in zip(chunk_fields(self._kind), columns, strict=True):
            self._records[name][to] = column

    def _write(self) -> None:
        """Write a file, or begin to, after the end of writing the one before."""
        free = self._end_write()
        records, path = self._records[: self._n_waiting], self._path(len(self._chunks))
        write = partial(write_array, path, records)
        call = Call(write) if self._ahead is None else self._ahead.submit(write)
        self._written = self._records, call
        self._chunks.append(replace(self._kind, n_ratings=len(records)))
        if self._ahead is None:
            free = self._end_write()
        if free is None or free.dtype != records.dtype:
            free = np.empty_like(self._records)
        self._records, self._n_waiting = free, 0

    def _end_write(self) -> NDArray[Any] | None:
        """Wait until the last file is written, and return its records, which are not needed."""
        if self._written is None:
            return None
        (records, call), self._written = self._written, None
        self._chunks[-1] = replace(self._chunks[-1], checksum=call.result())
        path = self._path(len(self._chunks) - 1)
        if self._ahead is not None and isinstance(path, Path):
            self._flushes.append(self._ahead.submit(partial(flush_to_disk, path)))
        return records

    def _path(self, number: int) -> Folder:
        return self._folder / chunk_name(number)
