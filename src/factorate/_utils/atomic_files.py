"""Replace a file atomically: readers never see it half written."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `target` when the block ends without an error.

    Parameters
    ----------
    target : Path
        The file to replace or create.

    Yields
    ------
    BinaryIO
        The temporary file, in the same folder. It is flushed to the disk before it replaces
        `target`, and removed after an error.

    Raises
    ------
    IsADirectoryError
        If `target` is a folder.
    OSError
        If the file cannot be written or replaced.
    """
    if target.is_dir():
        raise IsADirectoryError(f"{str(target)!r} is a folder; expected the path of a file")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        try:
            file = temporary.open("xb")
        except OSError as error:  # name the target, not the temporary file
            raise OSError(error.errno, error.strerror, str(target)) from None
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        try:
            temporary.replace(target)
        except PermissionError as error:
            raise PermissionError(
                f"{str(target)!r} is in use or protected and stays as it was ({error}); on Windows "
                f"a file cannot be replaced while a model is mapped from it: delete that model, "
                f"load it with mmap=False, or save under another name"
            ) from error
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        # The file is in place. That the folder cannot be synchronized, because it may be written
        # but not read or the file system has no such operation, is no failure.
        with contextlib.suppress(OSError):
            _synchronize(target.parent)


def _synchronize(folder: Path) -> None:
    """Write the entries of a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
