"""Errors of temporary files say what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from factorate._utils.scratch_file import FULL, ScratchFile

if TYPE_CHECKING:
    from pathlib import Path


class Failing:
    """A file that cannot be written."""

    def __init__(self, number: int) -> None:
        self.number = number

    def seek(self, _: int) -> None:
        raise OSError(self.number, os.strerror(self.number))

    def close(self) -> None:
        pass


@pytest.mark.parametrize("number", [*FULL, errno.EIO])
def test_only_a_full_disk_needs_space(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: every error asked for free space."""
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Failing(number))
    with pytest.raises(OSError, match="; ") as caught:
        ScratchFile(tmp_path, 1 << 30).write(0, np.arange(3))
    error: Any = caught.value
    assert (error.errno, error.filename) == (number, str(tmp_path))
    assert error.strerror.startswith(os.strerror(number))
    assert "set scratch to a folder" in error.strerror
    assert ("free space" in error.strerror) == (number != errno.EIO)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="set scratch to a folder for temporary files"):
        ScratchFile(tmp_path / "missing", 8)
