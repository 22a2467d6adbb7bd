"""drop_files: remove the pages of files from memory, so that they are read from the disk again."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import NamedTuple

REQUEST_BYTES = 1 << 23


class Traffic(NamedTuple):
    """Bytes that this process has read from the disk and written to it, or caused to be."""

    n_read: int
    n_written: int


def drop_files(folder: Path) -> None:
    """Remove the pages of all files of a folder from memory."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        drop(descriptor)
        os.close(descriptor)


def drop(descriptor: int) -> None:
    """Remove the pages of an open file from memory; unwritten pages are written first."""
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def read_alone(descriptor: int) -> float:
    """Return the seconds to read an open file from the disk, from its beginning to its end.

    It is read in requests of 8 MB that bypass the page cache, or, where the file system does not
    offer this, through the page cache, from which the file is removed before.
    """
    path = f"/proc/self/fd/{descriptor}"
    try:
        alone = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError:
        drop(descriptor)
        alone = os.open(path, os.O_RDONLY)
    with mmap.mmap(-1, REQUEST_BYTES) as buffer:
        offset, start = 0, time.perf_counter()
        while n_read := os.preadv(alone, [buffer], offset):
            offset += n_read
        seconds = time.perf_counter() - start
    os.close(alone)
    return seconds


def traffic() -> Traffic:
    """Return what this process has read and written so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    numbers = {name: int(number) for name, number in (line.split(": ") for line in lines)}
    return Traffic(numbers["read_bytes"], numbers["write_bytes"])
