"""StoredRatings: the ratings, ids and counts of a store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._input.stored_ids import restore_ids
from factorate._kernels import counting
from factorate._store.array_files import damaged, read_array
from factorate._store.manifest import (
    NAME,
    SIDES,
    Manifest,
    chunk_fields,
    chunk_name,
    read_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from factorate._input.id_index import IdIndex
    from factorate._store.folder import Folder
    from factorate._utils.types import Doubles, Floats, Offsets, Rows
    from factorate.exceptions import RatingStoreError


NO_VALUES = np.empty(0)


class Numbered(NamedTuple):
    """Some ratings of a store, or of a partition on a cluster.

    Attributes
    ----------
    user_numbers, item_numbers : ndarray of int32
        The number of the user and of the item of each rating.
    codes : ndarray of uint8 or uint16
        The index of each rating among the levels; empty if the ratings have no codes.
    values : ndarray
        The ratings, if they have no codes; else empty. Those of a store are float64.
    """

    user_numbers: Rows
    item_numbers: Rows
    codes: NDArray[Any]
    values: Floats = NO_VALUES


@dataclass(frozen=True)
class StoredRatings:
    """The content of a store, which is read when it is needed.

    Every array is checked: its checksum, dtype and shape, and that rows and numbers are in range.

    Attributes
    ----------
    folder : Path or RemotePath
        The folder of the store.
    manifest : Manifest
        Its manifest.
    """

    folder: Folder
    manifest: Manifest

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return self.manifest.n_users, self.manifest.n_items

    @cached_property
    def indexes(self) -> tuple[IdIndex, IdIndex]:
        """The ids of users and items, in ascending order."""
        users, items = (self._read_index(side) for side in range(2))
        return users, items

    def read_rows(self, side: int) -> Rows:
        """Return the row of each number of a user (side 0) or item (side 1)."""
        rows = self._read(f"{SIDES[side]}_rows", "i4", self.manifest.n_numbers[side])
        n = self.shape[side]
        if rows.min() < 0 or rows.max() >= n:
            raise self._damaged(f"{SIDES[side]}_rows", f"a row is outside 0…{n - 1}")
        return rows

    def read_counts(self, side: int) -> Offsets:
        """Return the number of ratings of each row of a user (side 0) or item (side 1)."""
        name = f"{SIDES[side]}_counts"
        counts = self._read(name, "i8", self.shape[side])
        if counts.min() < 1 or counts.sum() != self.manifest.n_ratings:
            raise self._damaged(name, f"they are not those of {self.manifest.n_ratings} ratings")
        return counts

    @cached_property
    def levels(self) -> Doubles:
        """The distinct ratings that have codes, in the order of their codes."""
        n = self.manifest.n_levels
        levels = self._read("levels", "f8", n)
        if not np.isfinite(levels).all() or len(np.unique(levels)) < n:
            raise self._damaged("levels", "they are not distinct finite numbers")
        return levels

    def read_level_counts(self) -> Offsets:
        """Return the number of ratings of each level, if all ratings have codes."""
        counts = self._read("level_counts", "i8", self.manifest.n_levels)
        if counts.min() < 1 or counts.sum() != self.manifest.n_ratings:
            reason = f"they are not those of {self.manifest.n_ratings} ratings"
            raise self._damaged("level_counts", reason)
        return counts

    def read_chunk(self, number: int) -> Numbered:
        """Return the ratings of one file.

        Raises
        ------
        RatingStoreError
            If the file is missing or damaged.
        """
        chunk, path = self.manifest.chunks[number], self.folder / chunk_name(number)
        records = read_array(path, chunk_fields(chunk), (chunk.n_ratings,), chunk.checksum)
        users, items = (np.ascontiguousarray(records[side]) for side in SIDES)
        codes, values = np.empty(0, np.uint8), NO_VALUES
        if chunk.code_bytes:
            codes = np.ascontiguousarray(records["code"])
        else:
            values = np.ascontiguousarray(records["rating"])
        manifest = self.manifest
        ends = *manifest.n_numbers, manifest.n_levels
        for what, column, end in zip(
            ("user", "item", "code"), (users, items, codes), ends, strict=True
        ):
            if len(column) and (column.min() < 0 or column.max() >= end):
                raise damaged(path, f"a {what} is outside 0…{end - 1}")
        low, high = manifest.minimum, manifest.maximum
        if len(values) and not (low <= values.min() and values.max() <= high):  # also for NaN
            raise damaged(path, f"a rating is outside {low}…{high}")
        return Numbered(users, items, codes, values)

    def decode(self, ratings: Numbered) -> Doubles:
        """Return the ratings of a file as numbers."""
        if len(ratings.codes):
            return self.levels.take(ratings.codes)
        return ratings.values.astype(np.float64, copy=False)

    def read_chunks(self) -> Iterator[Numbered]:
        """Iterate over the ratings, the files one after the other."""
        for number in range(len(self.manifest.chunks)):
            yield self.read_chunk(number)

    def read_row_batches(self) -> Iterator[tuple[Rows, Rows]]:
        """Iterate over the rows of users and items of the ratings."""
        user_rows, item_rows = self.read_rows(0), self.read_rows(1)
        for chunk in self.read_chunks():
            yield user_rows.take(chunk.user_numbers), item_rows.take(chunk.item_numbers)

    def verify(self) -> None:
        """Read everything, and raise RatingStoreError for the first file that is damaged."""
        _ = self.indexes
        rows = [self.read_rows(side) for side in range(2)]
        expected = [self.read_counts(side) for side in range(2)]
        counts = [np.zeros(n, np.int64) for n in self.shape]
        of_levels = np.zeros(len(self.levels), np.int64)
        expected_of_levels = self.read_level_counts() if self.manifest.is_coded else of_levels
        low, high = np.inf, -np.inf
        for chunk in self.read_chunks():
            for side, numbers in enumerate((chunk.user_numbers, chunk.item_numbers)):
                counting.count(rows[side].take(numbers), counts[side])
            of_levels += np.bincount(chunk.codes, minlength=len(of_levels))
            values = self.decode(chunk)
            low, high = min(low, values.min()), max(high, values.max())
        if [low, high] != [self.manifest.minimum, self.manifest.maximum]:
            raise damaged(self.folder / NAME, "its range is not that of the ratings")
        for side in range(2):
            if not np.array_equal(counts[side], expected[side]):
                raise self._damaged(f"{SIDES[side]}_counts", "they are not those of the ratings")
        if not np.array_equal(of_levels, expected_of_levels):
            raise self._damaged("level_counts", "they are not those of the ratings")

    def _read_index(self, side: int) -> IdIndex:
        name, n, n_bytes = f"{SIDES[side]}_ids", self.shape[side], self.manifest.id_bytes[side]
        arrays = {}
        ends = f"{SIDES[side]}_id_ends"
        if ends in self.manifest.checksums:
            arrays[name] = self._read(name, "u1", n_bytes)
            arrays[ends] = self._read(ends, "i8", n)
        else:
            arrays[name] = self._read(name, "b1 i8 u8 M8", n)
        try:
            index = restore_ids(arrays, SIDES[side], self.manifest.id_kinds[side])
        except (ValueError, KeyError) as error:
            raise self._damaged(name, error) from None
        if len(index.ids) != n:
            raise self._damaged(name, f"it has {len(index.ids)} ids; expected {n}")
        return index

    def _read(self, name: str, dtypes: str, n: int) -> NDArray[Any]:
        path = self.folder / f"{name}.npy"
        return read_array(path, dtypes, (n,), self.manifest.checksums[name])

    def disagreement(self, name: str) -> RatingStoreError:
        """Return the error for a file of counts that are not those of the ratings."""
        return damaged(self.folder, f"{name} does not agree with the ratings")

    def _damaged(self, name: str, reason: object) -> Exception:
        return damaged(self.folder / f"{name}.npy", reason)


def open_stored(folder: Folder) -> StoredRatings:
    """Open a store by reading its manifest alone."""
    return StoredRatings(folder, read_manifest(folder))
