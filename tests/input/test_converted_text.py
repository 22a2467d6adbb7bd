"""Text is converted in blocks of any size as it is as a whole."""

from __future__ import annotations

import io

import pytest

from factorate._input.converted_text import replace_separator, to_utf8

TEXT = "1::2::3\r\na:b::c:::d\n:::ä\U0001f375::\n"


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 1 << 20])
def test_blocks_of_any_size_give_the_same_text(block_bytes: int) -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
        file = io.BytesIO(mark + TEXT.encode(encoding))
        assert to_utf8(file, "a.csv", block_bytes).read().decode() == TEXT
    for old in (b"::", b":::", b"\xc3\xa4", b"\n:"):
        file = io.BytesIO(TEXT.encode())
        expected = TEXT.encode().replace(old, b"\x1f")
        assert replace_separator(file, old, b"\x1f", block_bytes).read() == expected


def test_damaged_utf16_raises() -> None:
    with pytest.raises(ValueError, match=r"a\.csv is not UTF-16, as its first bytes say: .*trunc"):
        to_utf8(io.BytesIO(b"\xff\xfea"), "a.csv").read()
