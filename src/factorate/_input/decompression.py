"""Decompress files up to a maximum size of their content."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from factorate._input.arrow import arrow
from factorate._utils.validation import escape

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LIMIT = "FACTORATE_MAX_DECOMPRESSED_BYTES"
DEFAULT_LIMIT = 10**10
BUFFER_BYTES = 1 << 20
SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
SIGNATURES = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": lambda file: arrow().CompressedInputStream(file, "zstd"),
}
# What the libraries raise for damaged content.
DAMAGED = (EOFError, OSError, RuntimeError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)


def find_compression(head: bytes) -> str | None:
    """Return the compression of a file that begins with these bytes, or None.

    Examples
    --------
    >>> find_compression(gzip.compress(b"user,item,rating")), find_compression(b"user,item,rating")
    ('gzip', None)
    """
    found = (name for name, signature in SIGNATURES.items() if signature.match(head))
    return next(found, None)


class Budget:
    """The number of bytes that a file, or the files in an archive together, may expand to.

    A file of 10 MB can expand to 10 GB, so the size of the content is limited: to 10**10 bytes, or
    to the value of the environment variable ``FACTORATE_MAX_DECOMPRESSED_BYTES``.

    Parameters
    ----------
    name : str
        Name of the file or archive in errors.

    Raises
    ------
    ValueError
        If the environment variable is not an integer ≥ 1.
    """

    def __init__(self, name: str) -> None:
        self.name, self.limit, self.used = name, maximum_bytes(), 0

    def use(self, n_bytes: int) -> None:
        """Raise ValueError if the files expand to `n_bytes` more, and the sum is too large."""
        self.used += n_bytes
        if self.used > self.limit:
            raise ValueError(
                f"{self.name} expands to more than {self.limit:,} bytes; if you trust the file, "
                f"decompress it, or set the environment variable {LIMIT} to a larger number"
            )


@dataclass
class Expansion:
    """What one file expands to, which is counted once however often the file is read.

    Parameters
    ----------
    name : str
        Name of the file in errors.
    budget : Budget
        What it may expand to, together with other files.
    n_counted : int, default=0
        The number of bytes that were counted.
    """

    name: str
    budget: Budget
    n_counted: int = 0

    def count(self, n_read: int) -> None:
        """Raise ValueError if the first `n_read` bytes of the content are too many."""
        self.budget.use(max(0, n_read - self.n_counted))
        self.n_counted = max(n_read, self.n_counted)


def decompress(file: BinaryIO, compression: str, expansion: Expansion) -> BinaryIO:
    """Return the decompressed content of a file.

    Parameters
    ----------
    file : binary file
        The compressed file, which is closed with the content, or if it cannot be decompressed.
    compression : {"gzip", "bz2", "xz", "zstd"}
        How it is compressed.
    expansion : Expansion
        Name of the file, and the limit of its content.

    Returns
    -------
    binary file
        Reading beyond the limit, or damaged content, raises ValueError.

    Raises
    ------
    ImportError
        If pyarrow, which decompresses zstd, is not installed.
    """
    try:
        content = OPENERS[compression](file)
    except BaseException:
        file.close()
        raise
    return limit_bytes(content, file, expansion)


def limit_bytes(content: Any, file: BinaryIO, expansion: Expansion) -> BinaryIO:
    """Return decompressed content that raises ValueError beyond the limit, or where damaged.

    Parameters
    ----------
    content : binary file
        The content, which a library decompresses while it is read.
    file : binary file
        The compressed file, which is closed with the content.
    expansion : Expansion
        Name of the file, and the limit of its content.
    """
    return io.BufferedReader(_Bounded(content, file, expansion), BUFFER_BYTES)


def maximum_bytes() -> int:
    """Return the number of bytes that a compressed file may expand to."""
    text = os.environ.get(LIMIT, str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise ValueError(f"{LIMIT} is {text!r}; expected an integer ≥ 1, a number of bytes")
    return int(text)


class _Bounded(io.RawIOBase):
    """Decompressed content, which counts the bytes that are read."""

    def __init__(self, content: Any, file: BinaryIO, expansion: Expansion) -> None:
        self.content, self.file, self.expansion = content, file, expansion
        self.n_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            n: int = self.content.readinto(buffer)
        except DAMAGED as error:
            if isinstance(error, OSError) and error.errno is not None:  # such as a broken disk
                raise
            name = self.expansion.name
            raise ValueError(f"{name} is cut short or damaged: {escape(error)}") from None
        self.n_read += n
        self.expansion.count(self.n_read)
        return n

    def close(self) -> None:
        if not self.closed:
            self.content.close()
            self.file.close()
        super().close()
