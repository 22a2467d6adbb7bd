"""open_output: the file, device or standard output that a command writes to."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from factorate._input.find_sources import local_paths
from factorate._utils.atomic_files import replacing, status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from factorate.base import FactorModel

STANDARD_OUTPUT = ("-", "/dev/stdout")
# Suffixes by which other programs, or users, would take a model for something else.
OTHER_FORMATS = re.compile(
    r"\.(arrow|bz2|csv|dat|data|db|dill|feather|gz|h5|hdf5|joblib|json|jsonl|ndjson|npy|parquet|pickle"
    r"|pkl|pq|pt|pth|tsv|txt|xlsx?|xml|xz|ya?ml|zip|zst)",
    re.IGNORECASE,
)


@contextlib.contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Open an output; a file appears, or is replaced, when the block ends without an error.

    Parameters
    ----------
    path : str
        Path of a file or device; "-" is standard output.

    Yields
    ------
    BinaryIO
        A file to write to; standard output may be a pipe.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if path in STANDARD_OUTPUT:
        yield _standard_output()
        return
    with replacing(path) as file:
        yield file


def save_model(model: FactorModel, path: str) -> None:
    """Save a model to a file, a device or standard output."""
    if path not in STANDARD_OUTPUT:
        model.save(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        complete = Path(folder, "model.npz")
        model.save(complete)
        with complete.open("rb") as file:
            shutil.copyfileobj(file, _standard_output())


def check_output(path: str, inputs: Iterable[str]) -> None:
    """Raise an error, before any work, if an output cannot be written or is one of the inputs.

    Parameters
    ----------
    path : str
        The output; "-" is standard output.
    inputs : iterable of str
        Paths of files and folders, patterns such as ``"*.csv"``, and "-" for standard input.

    Raises
    ------
    OSError
        If the output is a folder, or in a folder that does not exist or may not be written.
    ValueError
        If the output is an input, also by another name.
    """
    output = _descriptor_status(1) if path in STANDARD_OUTPUT else _checked_status(path)
    if output is None or not stat.S_ISREG(output.st_mode):
        return
    for name in inputs:
        for source, found in _files(name):
            if os.path.samestat(found, output):
                shown = "standard output" if path in STANDARD_OUTPUT else repr(path)
                raise ValueError(
                    f"the output, {shown}, is the input {source!r} and would replace it: write to "
                    f"another file"
                )


def check_model_path(path: str) -> None:
    """Raise ValueError if the suffix of a path is that of another format, or it is a terminal.

    Examples
    --------
    >>> check_model_path("model.npz")
    >>> check_model_path("model.pkl")
    Traceback (most recent call last):
        ...
    ValueError: 'model.pkl' would be a NumPy archive, not a .pkl file: write 'model.npz'
    """
    if path in STANDARD_OUTPUT and sys.stdout is not None and sys.stdout.isatty():
        raise ValueError("a model is binary: redirect standard output to a file or a command")
    suffix = Path(path).suffix
    if OTHER_FORMATS.fullmatch(suffix):
        name = str(Path(path).with_suffix("")).removesuffix(".npz")
        raise ValueError(
            f"{path!r} would be a NumPy archive, not a {suffix} file: write {f'{name}.npz'!r}"
        )


def _standard_output() -> BinaryIO:
    if sys.stdout is None:
        raise OSError("standard output is closed; write to a file with -o")
    return sys.stdout.buffer


def _descriptor_status(descriptor: int) -> os.stat_result | None:
    with contextlib.suppress(OSError):  # it may be closed
        return os.fstat(descriptor)
    return None


def _checked_status(path: str) -> os.stat_result | None:
    """Return the status of an output, or None if it does not exist; raise OSError if it cannot."""
    found = status(path)
    target = Path(path)
    replaced = found is None or stat.S_ISREG(found.st_mode)
    written = target.resolve().parent if replaced else target
    if not written.exists():
        raise FileNotFoundError(f"no folder {str(target.parent)!r} to save {target.name!r} in")
    if not os.access(written, os.W_OK):
        raise PermissionError(f"this user may not write to {str(written)!r}")
    return found


def _files(name: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the existing files that an input stands for, with their status."""
    if name == "-":
        found = _descriptor_status(0)
        if found is not None:
            yield "standard input", found
        return
    for path in local_paths(name):
        for source in (path, *path.rglob("*")) if path.is_dir() else (path,):
            with contextlib.suppress(OSError):
                yield str(source), source.stat()
