"""ScratchFile: a temporary file of arrays, which disappears with the process."""

from __future__ import annotations

import contextlib
import errno
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._utils.byte_sizes import show_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FULL = errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)  # no space or quota is left


class ScratchFile:
    """A temporary file without a name, which several threads may read and write.

    Parameters
    ----------
    folder : Path
        Where its content is.
    n_bytes : int
        Size of the file, for errors.

    Raises
    ------
    OSError
        If it cannot be created; the message says what to do.
    """

    def __init__(self, folder: Path, n_bytes: int) -> None:
        import tempfile  # a slow import, which few need

        self._folder = folder
        self._n_bytes = n_bytes
        self._lock = threading.Lock()
        try:
            self._file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115
        except OSError as error:
            raise self._explained(error) from error

    def __del__(self) -> None:
        """Close the file, which frees its space, when it is no longer used."""
        if hasattr(self, "_file"):
            with contextlib.suppress(OSError):
                self._file.close()

    def write(self, offset: int, array: NDArray[Any]) -> None:
        """Write the bytes of a contiguous array at an offset.

        Raises
        ------
        OSError
            If that is not possible, such as on a full disk; the message says what to do.
        """
        rest = array.reshape(-1).view(np.uint8).data
        try:
            with self._lock:
                self._file.seek(offset)
                while len(rest):
                    rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._explained(error) from error

    def resize(self, n_bytes: int) -> None:
        """Cut the file off, or extend it by zeros, which take no space on most disks.

        Raises
        ------
        OSError
            If that is not possible; the message says what to do.
        """
        try:
            with self._lock:
                self._file.truncate(n_bytes)
        except OSError as error:
            raise self._explained(error) from error

    def read_into(self, offset: int, array: NDArray[Any]) -> None:
        """Fill a contiguous array with the bytes from an offset on.

        Raises
        ------
        OSError
            If they cannot be read.
        """
        rest = array.reshape(-1).view(np.uint8).data
        with self._lock:
            self._file.seek(offset)
            while len(rest):
                n_read = self._file.readinto(rest)
                if not n_read:
                    raise OSError(errno.EIO, "a temporary file was cut short", str(self._folder))
                rest = rest[n_read:]

    def _explained(self, error: OSError) -> OSError:
        if error.errno not in FULL:
            advice = f"{error.strerror}; set scratch to a folder for temporary files"
            return OSError(error.errno, advice, str(self._folder))
        advice = (
            f"{error.strerror}; training on a store needs {show_size(self._n_bytes)} for temporary "
            f"files there: free space, or set scratch to a folder on another disk"
        )
        return OSError(error.errno, advice, str(self._folder))
