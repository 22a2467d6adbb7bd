"""Manifest: the JSON file that describes a store, with the checksum of every other file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorate._input.levels import MAX_LEVELS
from factorate._input.stored_ids import KIND_OF_DTYPE, TEXT_KINDS
from factorate._store.folder import file_sizes
from factorate._utils.validation import MAX_ROWS, escape
from factorate.exceptions import RatingStoreError

if TYPE_CHECKING:
    from factorate._store.folder import Folder

FORMAT = 2
CODED_FORMAT = 1  # of a store all of whose ratings have codes, which the first version reads
NAME = "store.json"
SIDES = ("user", "item")
MAX_BYTES = 1 << 28  # about a million chunks
CHUNK_RATINGS = 1 << 20
ARRAYS = (  # the names that `Manifest.checksums` may have
    "user_ids",
    "item_ids",
    "user_id_ends",
    "item_id_ends",
    "user_rows",
    "item_rows",
    "user_counts",
    "item_counts",
    "levels",
    "level_counts",
)
OPTIONAL = ("user_id_ends", "item_id_ends", "level_counts")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A file of ratings.

    Attributes
    ----------
    n_ratings : int
        Number of its ratings.
    code_bytes : int
        Bytes of the code of a rating, 1 or 2; 0 if the file holds the ratings themselves.
    checksum : int
        CRC-32 of the file.
    """

    n_ratings: int
    code_bytes: int
    checksum: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What the manifest of a store states.

    Attributes
    ----------
    n_users, n_items : int
        Number of distinct ids.
    n_numbers : tuple of int
        Number of users and of items as they were read. It is larger than that of distinct ids if
        texts such as "7" and " 7" turned out to be the same integer.
    n_levels : int
        Number of distinct ratings that have codes.
    minimum, maximum : float
        The range of the ratings.
    id_kinds : tuple of str
        Kinds of the user ids and item ids.
    id_bytes : tuple of int
        Bytes of the arrays of ids that are stored as bytes; 0 for other ids.
    columns : tuple of str or None
        Names of the columns of users and items in the source, if they had any.
    checksums : dict
        CRC-32 of the file of each array.
    chunks : tuple of Chunk
        The files of ratings, in the order of the source.
    """

    n_users: int
    n_items: int
    n_numbers: tuple[int, int]
    n_levels: int
    minimum: float
    maximum: float
    id_kinds: tuple[str, str]
    id_bytes: tuple[int, int]
    columns: tuple[str, str] | None
    checksums: dict[str, int]
    chunks: tuple[Chunk, ...]

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return sum(chunk.n_ratings for chunk in self.chunks)

    @property
    def is_coded(self) -> bool:
        """Whether all ratings have codes, and the number of ratings of each code is stored."""
        return "level_counts" in self.checksums


def chunk_name(number: int) -> str:
    """Return the name of a file of ratings.

    Examples
    --------
    >>> chunk_name(12)
    'ratings-000012.npy'
    """
    return f"ratings-{number:06}.npy"


def chunk_fields(chunk: Chunk) -> list[tuple[str, str]]:
    """Return the fields of the records of a file of ratings.

    Examples
    --------
    >>> chunk_fields(Chunk(n_ratings=1, code_bytes=0, checksum=0))
    [('user', '<i4'), ('item', '<i4'), ('rating', '<f8')]
    """
    third = ("code", f"<u{chunk.code_bytes}") if chunk.code_bytes else ("rating", "<f8")
    return [("user", "<i4"), ("item", "<i4"), third]


def is_file_of_store(name: str) -> bool:
    """Return whether a file has the name of a file of a store.

    Examples
    --------
    >>> is_file_of_store("ratings-000012.npy"), is_file_of_store("ratings.csv")
    (True, False)
    """
    return re.fullmatch(rf"{NAME}|(ratings-\d{{6,}}|{'|'.join(ARRAYS)})\.npy", name) is not None


def write_manifest(folder: Folder, manifest: Manifest) -> None:
    """Write the manifest of a store."""
    version = CODED_FORMAT if manifest.is_coded else FORMAT
    text = json.dumps({"format": version} | asdict(manifest), allow_nan=False)
    with (folder / NAME).open("wb") as file:
        file.write(text.encode())


def read_manifest(folder: Folder) -> Manifest:
    """Read and check the manifest of a store.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    RatingStoreError
        If the folder is not a store, or its manifest is damaged or of a later format.
    """
    path = folder / NAME
    try:
        if isinstance(path, Path) and path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise TypeError("it does not hold an object")
        version = found.pop("format", None)
        if type(version) is int and version > FORMAT:
            raise RatingStoreError(
                f"{folder} has format {version}; this version reads up to {FORMAT}: upgrade "
                f"factorate"
            )
        if version not in (CODED_FORMAT, FORMAT) or type(version) is not int:
            raise ValueError(f"format is {version!r}; expected an integer ≥ 1")
        manifest = _to_manifest(found)
        _check(manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise _not_a_store(folder) from None
    except RatingStoreError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = f"{type(error).__name__}: {escape(error)}"
        raise RatingStoreError(f"{path} is damaged: {reason}; create the store again") from None
    return manifest


def _not_a_store(folder: Folder) -> Exception:
    """Return the error for a folder without a manifest."""
    if not folder.exists():
        return FileNotFoundError(f"no folder {str(folder)!r}")
    names = file_sizes(folder)
    if names and all(map(is_file_of_store, names)):
        return RatingStoreError(
            f"{folder} is an unfinished store: it has no {NAME}, which is written last; wait until "
            f"it is written, or create it again"
        )
    return RatingStoreError(
        f"{folder} is not a store of ratings: it has no {NAME}; RatingStore.create writes one"
    )


def _to_manifest(found: dict[str, Any]) -> Manifest:
    chunks = tuple(Chunk(**chunk) for chunk in found.pop("chunks"))
    columns = found.pop("columns")
    for name in ("n_numbers", "id_kinds", "id_bytes"):
        found[name] = tuple(found[name])
    return Manifest(**found, chunks=chunks, columns=columns and tuple(columns))


def _check(manifest: Manifest) -> None:
    """Raise ValueError or TypeError unless all values are possible."""
    counts = manifest.n_users, manifest.n_items, *manifest.n_numbers
    _check_integers("numbers of users and items", counts, 1, MAX_ROWS)
    _check_integers("n_levels", (manifest.n_levels,), int(manifest.is_coded), MAX_LEVELS)
    _check_integers("id_bytes", manifest.id_bytes, 0, 1 << 62)
    _check_integers("sizes", [chunk.n_ratings for chunk in manifest.chunks], 1, CHUNK_RATINGS)
    code_bytes = [chunk.code_bytes for chunk in manifest.chunks]
    _check_integers("code_bytes", code_bytes, int(manifest.is_coded), 2)
    checksums = [*manifest.checksums.values(), *(chunk.checksum for chunk in manifest.chunks)]
    _check_integers("checksums", checksums, 0, 2**32 - 1)
    if len(manifest.n_numbers) != 2 or len(manifest.id_bytes) != 2 or not manifest.chunks:
        raise ValueError("expected two sides and at least one chunk")
    kinds = {*KIND_OF_DTYPE.values(), *TEXT_KINDS}
    if len(manifest.id_kinds) != 2 or not kinds.issuperset(manifest.id_kinds):
        raise ValueError(f"id_kinds are {manifest.id_kinds}; expected two of {sorted(kinds)}")
    names = manifest.columns
    if names is not None and (len(names) != 2 or not all(isinstance(name, str) for name in names)):
        raise ValueError("columns are not two names")
    missing = set(ARRAYS) - set(OPTIONAL) - manifest.checksums.keys()
    if missing or not set(ARRAYS).issuperset(manifest.checksums):
        raise ValueError(f"checksums are of {sorted(manifest.checksums)}; expected {ARRAYS}")
    if not -1.8e308 < float(manifest.minimum) <= float(manifest.maximum) < 1.8e308:
        raise ValueError("the range of ratings is not finite")


def _check_integers(what: str, values: Any, lowest: int, highest: int) -> None:
    for value in values:
        if type(value) is not int or not lowest <= value <= highest:
            raise ValueError(f"{what}: {value!r}; expected an integer from {lowest} to {highest}")
