"""Replace a file atomically: readers never see it half written."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NAME_BYTES = 255  # of a file, on most file systems


@contextlib.contextmanager
def replacing(target: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `target` when the block ends without an error.

    Symbolic links stay: the file that they lead to is replaced. The new file has the permissions of
    the old one, and its owner and group where the process may set them. A device or a FIFO is not
    replaced; the content is copied into it.

    Parameters
    ----------
    target : str or path-like
        The file to replace or create.

    Yields
    ------
    BinaryIO
        The temporary file. One that replaces `target` is in the same folder and is flushed to the
        disk before. After an error the temporary file is removed, and `target` stays as it was.

    Raises
    ------
    IsADirectoryError
        If `target` is a folder, or ends in a slash.
    OSError
        If the file cannot be written or replaced.
    """
    path = Path(target)
    old = status(target)
    if old is None or stat.S_ISREG(old.st_mode):
        opened = _replacement(path.resolve(), old)
    else:
        opened = _copied_into(path)
    with opened as file:
        yield file


def status(target: str | os.PathLike[str]) -> os.stat_result | None:
    """Return the status of the file that a path leads to, or None if there is no such file.

    Raises
    ------
    IsADirectoryError
        If `target` is a folder, or ends in a slash.
    OSError
        If its status cannot be read.
    """
    path = Path(target)
    if path.is_dir() or os.fspath(target).endswith(("/", os.sep)):
        raise IsADirectoryError(f"{os.fspath(target)!r} is a folder; expected the path of a file")
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _replacement(target: Path, old: os.stat_result | None) -> Iterator[BinaryIO]:
    """Open a temporary file beside `target`, whose status is `old`, and move it there."""
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}")
    if len(os.fsencode(temporary.name)) > MAX_NAME_BYTES:
        temporary = target.with_name(f".{os.urandom(6).hex()}")
    try:
        try:
            file = _create(temporary, old)
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
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
    if os.name == "posix":
        # The file is in place. That the folder cannot be synchronized, because it may be written
        # but not read or the file system has no such operation, is no failure.
        with contextlib.suppress(OSError):
            _synchronize(target.parent)


@contextlib.contextmanager
def _copied_into(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file, and copy it into a device or FIFO when it is complete."""
    import tempfile  # a slow import, which few need

    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        try:
            with target.open("wb") as device:
                shutil.copyfileobj(file, device)
        except OSError as error:  # errors of writing do not name the file
            raise OSError(error.errno, error.strerror, str(target)) from None


def _create(path: Path, old: os.stat_result | None) -> BinaryIO:
    """Create a file with the permissions, owner and group of an old one, or those of a new file.

    If the group cannot be set, the file has no permissions for its group, which is another one.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666 if old is None else 0o600)
    if old is not None and hasattr(os, "fchown"):  # not on Windows
        # Only root may change the owner, and some file systems have no owners or permissions.
        mode = old.st_mode & 0o777
        try:
            os.fchown(descriptor, -1, old.st_gid)
        except OSError:
            if os.fstat(descriptor).st_gid != old.st_gid:
                mode &= ~stat.S_IRWXG
        with contextlib.suppress(OSError):
            os.fchown(descriptor, old.st_uid, -1)
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, mode)
    return os.fdopen(descriptor, "wb")


def _synchronize(folder: Path) -> None:
    """Write the entries of a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
