"""find_sources: find the files that a path, folder, glob, archive, URL or open file stands for."""

from __future__ import annotations

import contextlib
import glob
import io
import logging
import os
import re
import stat
import sys
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from factorate._input import decompression
from factorate._input.converted_text import is_utf16, to_utf8
from factorate._input.decompression import Budget, Expansion
from factorate._input.file_formats import SUFFIXES, check_archive
from factorate._input.source import Source
from factorate._utils.validation import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger("factorate")

STANDARD_INPUT = "-"
MAX_LAYERS = 2  # of compression, such as a gzip file in a zip archive
ZIP_SIGNATURES = b"PK\3\4", b"PK\5\6"
DATA_SUFFIXES = frozenset({*SUFFIXES, ".dat", ".data"})  # of the files to read in a folder
MANIFEST = "store.json"  # of a `RatingStore`
RATINGS_NAME = re.compile(r"ratings\.[^/]+|u\.data", re.IGNORECASE)


def find_sources(data: object) -> list[Source]:
    """Find the files that `data` stands for, and decompress them.

    Parameters
    ----------
    data : str, path-like or file object
        A path, which may begin with ``~``; a folder, whose files are read; a glob; "-" for standard
        input; a URL, which fsspec reads; or an open file, binary or text, read from its position.

    Returns
    -------
    list of Source
        At least one.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or a folder or an archive holds no ratings.
    ValueError
        If `data` is not a path but text of several lines, or an archive is damaged.
    ImportError
        If `data` is a URL and fsspec is not installed.
    """
    if isinstance(data, str | os.PathLike):
        found = _find(os.fsdecode(data))
    else:
        found = [_read_stream(data, str(getattr(data, "name", f"<{type(data).__name__}>")))]
    return [inner for source in found for inner in _expand(source, MAX_LAYERS)]


def is_file_object(data: object) -> bool:
    """Return whether an object can be read like an open file."""
    return callable(getattr(data, "read", None))


def _find(text: str) -> list[Source]:
    if text == STANDARD_INPUT:
        if sys.stdin is None:
            raise OSError("standard input is closed; pass the path of a file")
        return [_read_stream(getattr(sys.stdin, "buffer", sys.stdin), "standard input")]
    if "://" in text:
        return _open_urls(text)
    if "\n" in text:
        raise ValueError("expected a path, got text of several lines; pass io.StringIO(text)")
    path = _path(text)
    if path.is_dir():
        return _list_folder(path)
    if path.exists():
        return [_local(path)]
    if glob.has_magic(text):
        files = [_local(match) for match in local_paths(text) if match.is_file()]
        if not files:
            raise FileNotFoundError(f"no file matches {text!r}")
        logger.info("%s: %s", text, _count_files(files))
        return files
    raise FileNotFoundError(f"no file {str(path)!r}")


def local_paths(text: str) -> list[Path]:
    """Return the existing files and folders that a path, a glob or a ``file://`` URL names."""
    path = _path(text.removeprefix("file://"))
    if path.exists():
        return [path]
    return sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111  (Path raises for an unknown user)


def _local(path: Path) -> Source:
    """Return a file of this machine; a pipe or a device is read into memory."""
    if not stat.S_ISREG(path.stat().st_mode):
        with path.open("rb") as file:
            return _read_stream(file, str(path))
    return Source(
        name=str(path), suffix=_suffix(path.name), open=partial(_open_path, path), path=path
    )


def _open_path(path: Path) -> BinaryIO:
    return path.open("rb")


def _list_folder(folder: Path) -> list[Source]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    chosen = _choose(str(folder), [name for name, path in files.items() if path.is_file()])
    return [_local(files[name]) for name in chosen]


def _read_stream(file: Any, name: str) -> Source:
    content = file.read()
    if isinstance(content, str):
        content = content.encode(errors="surrogateescape")
    if not isinstance(content, bytes):
        raise TypeError(f"reading {name} returned {type(content).__name__}; expected bytes or text")
    return Source(name=name, suffix=_suffix(name), open=partial(io.BytesIO, content))


def public_name(url: str) -> str:
    """Return a URL without user, password, query and fragment, which can hold secrets.

    Examples
    --------
    >>> public_name("https://ann:secret@example.org/ratings.csv?token=1")
    'https://example.org/ratings.csv'
    """
    parts = (re.sub(r"(?<=://)[^/]*@|(?<=\w)[?#].*", "", part) for part in url.split("::"))
    return "::".join(parts) if "://" in url else url


def _open_urls(url: str) -> list[Source]:
    name = public_name(url)
    try:
        import fsspec
    except ImportError:
        raise ImportError(
            f"reading {name} needs fsspec: pip install 'factorate[urls]'; or download the file"
        ) from None
    if "*" in url:
        with _explained(name):
            sources = [_remote(file.fs, file.path) for file in fsspec.open_files(url, "rb")]
        if not sources:
            raise FileNotFoundError(f"no file matches {name!r}")
        logger.info("%s: %s", name, _count_files(sources))
        return sources
    with _explained(name):
        content = _read_url(url, fsspec)
    if content is not None:
        source = _read_stream(content, name)
        return [replace(source, suffix=_suffix(urlsplit(name).path))]
    with _explained(name):
        files, paths = _list_url(url, fsspec)
    return [_remote(files, paths[chosen]) for chosen in _choose(name, list(paths))]


def _read_url(url: str, fsspec: Any) -> io.BytesIO | None:
    """Return the content of a file; None if there is none, or it is a folder."""
    with contextlib.suppress(FileNotFoundError, IsADirectoryError), fsspec.open(url, "rb") as file:
        return io.BytesIO(file.read())
    return None


def _list_url(url: str, fsspec: Any) -> tuple[Any, dict[str, str]]:
    """Return a file system and the paths of the files in a folder, by their names in it."""
    files, root = fsspec.core.url_to_fs(url)
    paths = {path.removeprefix(root).lstrip("/"): path for path in files.find(root)}
    if not paths:
        raise FileNotFoundError(url)
    return files, paths


def _remote(files: Any, path: str) -> Source:
    """Return a file of a file system of fsspec."""
    name = public_name(files.unstrip_protocol(path))
    opened = partial(_open_remote, files, path, name)
    return Source(name=name, suffix=_suffix(path), open=opened)


def _open_remote(files: Any, path: str, name: str) -> BinaryIO:
    with _explained(name):
        file: BinaryIO = files.open(path, "rb")
        if file.seekable():
            return file
        with file:
            return io.BytesIO(file.read())


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Raise errors that name a URL without secrets, instead of those of its protocol."""
    try:
        yield
    except ImportError:  # names the library of a protocol to install
        raise
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {name!r}") from None
    except Exception as error:
        raise OSError(f"{name} cannot be read: {type(error).__name__}") from None


def _expand(source: Source, layers: int, budget: Budget | None = None) -> list[Source]:
    """Decompress a file, and list the members of a zip archive, which share a budget of bytes."""
    head = source.head()
    if is_utf16(head):
        return [replace(source, open=partial(_open_utf16, source), path=None)]
    if head.startswith(ZIP_SIGNATURES):
        if layers < MAX_LAYERS:
            raise ValueError(
                f"{source.name} is a zip archive inside another file; extract it first"
            )
        members, shared = _list_zip(source), Budget(source.name)
        return [inner for member in members for inner in _expand(member, layers - 1, shared)]
    if not layers:
        return [source]
    compression = decompression.find_compression(head)
    if compression is None:
        return [source]
    expansion = Expansion(source.name, budget or Budget(source.name))
    opened = partial(_open_compressed, source, compression, expansion)
    return _expand(replace(source, open=opened, path=None), layers - 1)


def _open_utf16(source: Source) -> BinaryIO:
    return to_utf8(source.open(), source.name)


def _open_compressed(source: Source, compression: str, expansion: Expansion) -> BinaryIO:
    return decompression.decompress(source.open(), compression, expansion)


def _list_zip(source: Source) -> list[Source]:
    """Return the members of a zip archive that hold ratings."""
    try:
        with source.open() as file, zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    except decompression.DAMAGED as error:
        raise ValueError(f"{source.name} is cut short or damaged: {escape(error)}") from None
    check_archive(source.name, source.suffix, members)
    chosen = _choose(source.name, list(members))
    budget = Budget(source.name)
    Expansion(source.name, budget).count(sum(members[name].file_size for name in chosen))
    found = []
    for member in chosen:
        name = f"{source.name}/{escape(member)}"
        expansion = Expansion(name, budget, n_counted=members[member].file_size)
        opened = partial(_open_member, source, member, expansion)
        found.append(Source(name=name, suffix=_suffix(member), open=opened))
    return found


def _open_member(source: Source, member: str, expansion: Expansion) -> BinaryIO:
    file = source.open()
    try:
        content = zipfile.ZipFile(file).open(member)  # noqa: SIM115
    except (*decompression.DAMAGED, NotImplementedError) as error:
        file.close()
        raise ValueError(f"{expansion.name} cannot be decompressed: {escape(error)}") from None
    return decompression.limit_bytes(content, file, expansion)


def _choose(where: str, names: Sequence[str]) -> list[str]:
    """Return the names, sorted, of the files with ratings in a folder or an archive.

    That is the only file; the one named ratings.* or u.data, as those of MovieLens are, beside
    files of users and items; or all files with the suffix of a file format.
    """
    visible = sorted(name for name in names if not _is_hidden(name))
    usable = [name for name in visible if _suffix(name) in DATA_SUFFIXES]
    named = [name for name in usable if RATINGS_NAME.fullmatch(PurePosixPath(name).name)]
    chosen = next((found for found in (visible, named) if len(found) == 1), usable)
    if not chosen:
        expected = ", ".join(sorted(DATA_SUFFIXES))
        advice = "; it is a store: pass factorate.RatingStore(path)" if MANIFEST in names else ""
        raise FileNotFoundError(
            f"{where!r} holds no file of ratings; expected files {expected}{advice}"
        )
    logger.info("%s: %s", where, escape(chosen[0]) if len(chosen) == 1 else _count_files(chosen))
    return chosen


def _is_hidden(name: str) -> bool:
    """Return whether a file is not data, such as ``_SUCCESS`` of Spark and ``.DS_Store``."""
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _suffix(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    while suffixes and suffixes[-1] in decompression.SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _count_files(files: Sequence[object]) -> str:
    return f"{len(files):,} file{'s' if len(files) > 1 else ''}"
