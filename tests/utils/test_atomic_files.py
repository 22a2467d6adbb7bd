"""Files are replaced as a whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from factorate._utils.atomic_files import replacing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(os.name != "posix", reason="only POSIX systems can open a folder")
@pytest.mark.parametrize("failing", ["open", "fsync"])
def test_a_folder_that_cannot_be_synchronized_does_not_fail_the_save(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a folder may be writable but not readable."""
    folders: list[Any] = []
    real_open, real_fsync = os.open, os.fsync

    def open_or_raise(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if path == tmp_path:
            folders.append(path)
            if failing == "open":
                raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, flags, *more, **options)

    def fsync_or_raise(descriptor: int) -> None:
        if folders:
            raise OSError(22, "Invalid argument")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "open", open_or_raise)
    monkeypatch.setattr(os, "fsync", fsync_or_raise)
    target = tmp_path / "model.npz"
    target.write_bytes(b"old")
    with replacing(target) as file:
        file.write(b"new")
    assert folders == [tmp_path]
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "model.npz"
    target.write_bytes(b"old")

    def write_and_raise() -> None:
        with replacing(target) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_raise()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
