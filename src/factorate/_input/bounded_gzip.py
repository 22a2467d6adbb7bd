"""Read gzip files up to a maximum size of their content."""

from __future__ import annotations

import gzip
import io
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

LIMIT = "FACTORATE_MAX_GZIP_BYTES"
DEFAULT_LIMIT = 10**10
BUFFER_BYTES = 1 << 20


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if its suffix is ``.gz``.

    A gzip file of 10 MB can expand to 10 GB, so the size of the content is limited: to 10**10
    bytes, or to the value of the environment variable ``FACTORATE_MAX_GZIP_BYTES``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    binary file
        Reading beyond the limit raises ValueError.

    Raises
    ------
    ValueError
        If the environment variable is not an integer ≥ 1.
    """
    if not is_gzip(path):
        return path.open("rb")
    return io.BufferedReader(_BoundedGzip(path, _limit()), BUFFER_BYTES)


def is_gzip(path: Path) -> bool:
    """Return whether the suffix of a path is ``.gz``."""
    return path.suffix.lower() == ".gz"


class _BoundedGzip(io.RawIOBase):
    """The content of a gzip file; reading more than `limit` bytes raises ValueError."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path, self.limit, self.n_read = path, limit, 0
        self.file = gzip.open(path)  # noqa: SIM115

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = self.file.readinto(buffer)
        self.n_read += n
        if self.n_read > self.limit:
            raise ValueError(
                f"{self.path} expands to more than {self.limit:,} bytes; if you trust the file, "
                f"decompress it, or set the environment variable {LIMIT} to a larger number"
            )
        return n

    def close(self) -> None:
        self.file.close()
        super().close()


def _limit() -> int:
    text = os.environ.get(LIMIT, str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise ValueError(f"{LIMIT} is {text!r}; expected an integer ≥ 1, a number of bytes")
    return int(text)
