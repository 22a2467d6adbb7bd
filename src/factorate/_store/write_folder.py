"""write_folder: a new folder for a store, which is complete or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

from factorate._store.folder import RemotePath, file_sizes
from factorate._store.manifest import NAME, is_file_of_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from factorate._store.folder import Folder

LOCK = "writing.lock"
SUFFIX = ".partial"  # of the name of a store that is being written


@contextlib.contextmanager
def write_folder(path: Folder) -> Iterator[Folder]:
    """Give an empty folder for the files of a store, of which the manifest is written last.

    On this machine, the folder has another name, which ends in ".partial", and appears at `path`
    when the block ends without an error. Behind a URL, where files cannot be renamed together, it
    is at `path` from the beginning, and a store when it has a manifest. What a call that was killed
    left is removed first; after an error, nothing is left.

    Parameters
    ----------
    path : Path or RemotePath
        Where the store is to be.

    Raises
    ------
    FileExistsError
        If `path` exists, or another process of this machine is writing it.
    OSError
        If the files cannot be written.
    """
    write = _write_remote(path) if isinstance(path, RemotePath) else _write_local(path)
    with write as folder:
        yield folder


def flush_to_disk(file: Path) -> None:
    """Wait until a file is on the disk."""
    with file.open("r+b") as opened:
        os.fsync(opened.fileno())


@contextlib.contextmanager
def _write_remote(path: RemotePath) -> Iterator[RemotePath]:
    names = file_sizes(path)
    if NAME in names:
        raise FileExistsError(f"{str(path)!r} exists; delete it first, or choose another path")
    others = [name for name in names if not is_file_of_store(name)]
    if others:
        raise FileExistsError(
            f"{str(path)!r} exists and is not an unfinished store, because it has {others[0]!r}; "
            f"choose another path"
        )
    try:
        _delete_files(path)
        path.mkdir()
        yield path
    except BaseException:
        with contextlib.suppress(OSError):
            _delete_files(path)
        raise


def _delete_files(folder: RemotePath) -> None:
    """Delete the files of a store."""
    folder.files.invalidate_cache()
    for name in filter(is_file_of_store, file_sizes(folder)):
        (folder / name).unlink()


@contextlib.contextmanager
def _write_local(path: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `path` when the block ends without an error."""
    _check_new(path)
    folder = path.with_name(path.name + SUFFIX)
    if not path.parent.exists():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} in")
    if folder.exists():
        _check_unfinished(folder)
    folder.mkdir(exist_ok=True)
    with (folder / LOCK).open("ab") as lock:
        _lock(lock.fileno(), folder)
        try:
            _check_new(path)  # another process may have finished meanwhile
            for file in folder.iterdir():
                if file.name != LOCK:
                    file.unlink()
            yield folder
            for file in folder.iterdir():
                flush_to_disk(file)
            if sys.platform == "win32":  # which does not move or delete open files
                lock.close()
            folder.rename(path)
            (path / LOCK).unlink()
        except BaseException as error:
            if sys.platform == "win32":
                lock.close()
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and error.filename is None and error.errno is not None:
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise


def _check_new(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{str(path)!r} exists; delete it first, or choose another path")


def _check_unfinished(folder: Path) -> None:
    """Raise FileExistsError unless a folder is what a call that was killed has left."""
    names = {file.name for file in folder.iterdir()} if folder.is_dir() else None
    is_foreign = names is None or not all(name == LOCK or is_file_of_store(name) for name in names)
    if is_foreign or (names and LOCK not in names):
        raise FileExistsError(
            f"{str(folder)!r} exists and is not an unfinished store; move it, because the store is "
            f"written there"
        )


def _lock(descriptor: int, folder: Path) -> None:
    """Raise FileExistsError if another process is writing a store; it keeps the lock until then."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_there = os.path.samestat(os.fstat(descriptor), (folder / LOCK).stat())
    except OSError:
        is_there = False
    if not is_there:  # locked, or moved or deleted by the process that had locked it
        raise FileExistsError(f"another process is writing {str(folder)!r}")
