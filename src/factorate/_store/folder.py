"""open_folder: the folder of a store, on this machine or behind a URL that fsspec opens."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from factorate._input.find_sources import public_name

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray


def open_folder(path: str | os.PathLike[str]) -> Folder:
    """Return the folder that a path or a URL stands for; that of ``file://`` is on this machine.

    Raises
    ------
    ImportError
        If it is a URL, and fsspec or the library of its protocol is not installed.
    """
    if not isinstance(path, str) or "://" not in path:
        return Path(path)
    if path.startswith("file://"):
        return Path(path.removeprefix("file://"))
    name = public_name(path)
    try:
        import fsspec
    except ImportError:
        raise ImportError(
            f"a store at {name} needs fsspec: pip install 'factorate[urls]'; or choose a path on "
            f"this machine"
        ) from None
    with _explained(name, "opened"):
        files, root = fsspec.core.url_to_fs(path)
    files.invalidate_cache()  # of the names of files
    return RemotePath(name, str(root).rstrip("/"), files)


@dataclass(frozen=True)
class RemotePath:
    """A file or a folder behind a URL, with those methods of `Path` that a store needs.

    Attributes
    ----------
    url : str
        The URL, without passwords.
    path : str
        The path that it stands for in the file system.
    files : fsspec.AbstractFileSystem
        The file system.
    """

    url: str
    path: str
    files: Any

    def __truediv__(self, name: str) -> RemotePath:
        """Return a file of the folder."""
        return RemotePath(f"{self.url.rstrip('/')}/{name}", f"{self.path}/{name}", self.files)

    def __str__(self) -> str:
        """Return the URL, without passwords."""
        return self.url

    def exists(self) -> bool:
        """Return whether there is a file, or a folder with files."""
        with _explained(self, "read"):
            return bool(self.files.exists(self.path))

    def is_file(self) -> bool:
        """Return whether there is a file."""
        with _explained(self, "read"):
            return bool(self.files.isfile(self.path))

    def read_bytes(self) -> bytes:
        """Return the content of a file."""
        with _explained(self, "read"):
            content: bytes = self.files.cat_file(self.path)
        return content

    @contextmanager
    def open(self, mode: str) -> Iterator[BinaryIO]:
        """Open a file, usually to write it."""
        with _explained(self, "written"), self.files.open(self.path, mode) as file:
            yield file

    def unlink(self) -> None:
        """Delete a file."""
        with _explained(self, "deleted"):
            self.files.rm_file(self.path)

    def mkdir(self) -> None:
        """Make a folder, unless it exists or the file system has no folders."""
        with _explained(self, "written"), suppress(PermissionError):  # that of creating a bucket
            self.files.makedirs(self.path, exist_ok=True)


Folder = Path | RemotePath


def read_file(path: Folder) -> NDArray[np.uint8]:
    """Return the content of a file, which may be read-only.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    if isinstance(path, Path):
        return np.fromfile(path, np.uint8)
    return np.frombuffer(path.read_bytes(), np.uint8)


def file_sizes(folder: Folder) -> dict[str, int]:
    """Return the name and the size of each file in a folder; none if there is no folder."""
    if isinstance(folder, Path):
        if not folder.is_dir():
            return {}
        return {file.name: file.stat().st_size for file in folder.iterdir()}
    with _explained(folder, "read"):
        try:
            entries = folder.files.ls(folder.path, detail=True)
        except FileNotFoundError:
            return {}
    sizes = {}
    for entry in entries:
        path = entry["name"].rstrip("/")
        if path.strip("/") != folder.path.strip("/") or entry["type"] == "file":
            sizes[path.rsplit("/", 1)[-1]] = int(entry["size"] or 0)
    return sizes


@contextmanager
def _explained(path: object, what: str) -> Iterator[None]:
    """Raise OSError instead of the error of a protocol, whose message may hold passwords."""
    try:
        yield
    except (ImportError, MemoryError):  # the first names the library of the protocol to install
        raise
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {str(path)!r}") from None
    except Exception as error:
        raise OSError(f"{path} cannot be {what}: {type(error).__name__}") from None
