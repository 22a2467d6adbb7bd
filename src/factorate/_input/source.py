"""Source: the content of one file."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from factorate._input.arrow import arrow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEAD_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Source:
    """The content of one file, not compressed, which can be opened repeatedly.

    Parameters
    ----------
    name : str
        Name in errors.
    suffix : str
        Suffix in lower case, without that of a compression.
    open : callable
        Returns the content as a binary file.
    path : Path, optional
        Path of a file with exactly this content, which pyarrow reads faster.
    """

    name: str
    suffix: str
    open: Callable[[], BinaryIO]
    path: Path | None = None

    def head(self) -> bytes:
        """Return the first bytes."""
        with self.open() as file:
            return file.read(HEAD_BYTES)

    @contextlib.contextmanager
    def open_with_arrow(self) -> Iterator[Any]:
        """Open the content as a file of pyarrow that can seek, in memory if it has no path."""
        if self.path is not None:
            with arrow().OSFile(str(self.path)) as file:
                yield file
        else:
            with self.open() as file:
                content = file.read()
            yield arrow().BufferReader(content)
