"""Convert text while it is read: UTF-16 to UTF-8, or one separator to another."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    Convert = Callable[[bytes, bool], bytes]  # of a block, and whether it is the last

BLOCK_BYTES = 1 << 20
UTF16_MARKS = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


def is_utf16(head: bytes) -> bool:
    """Return whether a file that begins with these bytes has the byte order mark of UTF-16."""
    return head.startswith(UTF16_MARKS)


def to_utf8(file: BinaryIO, name: str, block_bytes: int = BLOCK_BYTES) -> BinaryIO:
    """Return the text of a file in UTF-16 with a byte order mark, as UTF-8.

    Reading text that is not UTF-16 raises ValueError, which begins with `name`.
    """
    decoder = codecs.getincrementaldecoder("utf-16")()

    def convert(block: bytes, final: bool) -> bytes:
        try:
            return decoder.decode(block, final).encode()
        except UnicodeError as error:
            raise ValueError(f"{name} is not UTF-16, as its first bytes say: {error}") from None

    return _converted(file, convert, block_bytes)


def replace_separator(
    file: BinaryIO, old: bytes, new: bytes, block_bytes: int = BLOCK_BYTES
) -> BinaryIO:
    """Return the text of a file with another separator.

    Examples
    --------
    >>> replace_separator(io.BytesIO(b"1::2::3"), b"::", b",", block_bytes=2).read()
    b'1,2,3'
    """
    pending = b""  # the beginning of a separator, at the end of a block

    def convert(block: bytes, final: bool) -> bytes:
        nonlocal pending
        text = (pending + block).replace(old, new)
        lengths = range(len(old) - 1, 0, -1)
        held = 0 if final else next((n for n in lengths if text.endswith(old[:n])), 0)
        pending = text[len(text) - held :]
        return text[: len(text) - held]

    return _converted(file, convert, block_bytes)


def _converted(file: BinaryIO, convert: Convert, block_bytes: int) -> BinaryIO:
    return io.BufferedReader(_Converted(file, convert, block_bytes), block_bytes)


class _Converted(io.RawIOBase):
    """The content of a file, converted in blocks."""

    def __init__(self, file: BinaryIO, convert: Convert, block_bytes: int) -> None:
        self.file, self.convert, self.block_bytes = file, convert, block_bytes
        self.ready = memoryview(b"")
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.ready and not self.ended:
            block = self.file.read(self.block_bytes)
            self.ended = not block
            self.ready = memoryview(self.convert(block, self.ended))
        n = min(len(buffer), len(self.ready))
        buffer[:n] = self.ready[:n]
        self.ready = self.ready[n:]
        return n

    def close(self) -> None:
        if not self.closed:
            self.file.close()
        super().close()
