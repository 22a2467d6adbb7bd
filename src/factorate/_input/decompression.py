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


def decompress(file: BinaryIO, compression: str, name: str) -> BinaryIO:
    """Return the decompressed content of a file.

    A file of 10 MB can expand to 10 GB, so the size of the content is limited: to 10**10 bytes, or
    to the value of the environment variable ``FACTORATE_MAX_DECOMPRESSED_BYTES``.

    Parameters
    ----------
    file : binary file
        The compressed file, which is closed with the content.
    compression : {"gzip", "bz2", "xz", "zstd"}
        How it is compressed.
    name : str
        Name of the file in errors.

    Returns
    -------
    binary file
        Reading beyond the limit, or damaged content, raises ValueError.

    Raises
    ------
    ValueError
        If the environment variable is not an integer ≥ 1.
    """
    return limit_bytes(OPENERS[compression](file), file, name)


def limit_bytes(content: Any, file: BinaryIO, name: str) -> BinaryIO:
    """Return decompressed content that raises ValueError beyond the limit, or where damaged.

    Parameters
    ----------
    content : binary file
        The content, which a library decompresses while it is read.
    file : binary file
        The compressed file, which is closed with the content.
    name : str
        Name of the file in errors.
    """
    return io.BufferedReader(_Bounded(content, file, name, maximum_bytes()), BUFFER_BYTES)


def maximum_bytes() -> int:
    """Return the number of bytes that a compressed file may expand to."""
    text = os.environ.get(LIMIT, str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise ValueError(f"{LIMIT} is {text!r}; expected an integer ≥ 1, a number of bytes")
    return int(text)


def too_large(name: str, limit: int) -> ValueError:
    """Return the error for a file that expands to more than `limit` bytes."""
    return ValueError(
        f"{name} expands to more than {limit:,} bytes; if you trust the file, decompress it, or "
        f"set the environment variable {LIMIT} to a larger number"
    )


class _Bounded(io.RawIOBase):
    """Decompressed content; reading more than `limit` bytes raises ValueError."""

    def __init__(self, content: Any, file: BinaryIO, name: str, limit: int) -> None:
        self.content, self.file, self.name = content, file, name
        self.limit, self.n_read = limit, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            n: int = self.content.readinto(buffer)
        except DAMAGED as error:
            if isinstance(error, OSError) and error.errno is not None:  # such as a broken disk
                raise
            raise ValueError(f"{self.name} is cut short or damaged: {escape(error)}") from None
        self.n_read += n
        if self.n_read > self.limit:
            raise too_large(self.name, self.limit)
        return n

    def close(self) -> None:
        if not self.closed:
            self.content.close()
            self.file.close()
        super().close()
