"""Files that are written whole or not at all."""

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
    """Open a file that takes the place of another once it is whole and on the disk."""
    if target.is_dir():
        raise IsADirectoryError(f"{str(target)!r} is a folder; expected the path of a file")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        try:
            file = temporary.open("xb")
        except OSError as error:  # the user gave no name but that of the target
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
                f"a file cannot be replaced while a model is mapped from it: let go of that model, "
                f"load it with mmap=False, or save under another name"
            ) from error
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
