"""Run the command line; write its input and a model."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from typing import TYPE_CHECKING, Any

from optional import pandas as pd

from factorate import cli

if TYPE_CHECKING:
    from pathlib import Path

EXECUTABLE = str(shutil.which("factorate", path=sysconfig.get_path("scripts")))


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``factorate`` with these arguments and capture its output."""
    return subprocess.run(
        [EXECUTABLE, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **options,
    )


def call(*arguments: str | Path) -> int:
    """Run the command line in this process, in a fraction of the time, and return its exit code."""
    try:
        return cli.main([*map(str, arguments)])
    except SystemExit as error:  # of wrong usage
        return int(error.code or 0)


def write_ratings(columns: Any, path: Path) -> Path:
    """Write ratings to a CSV file."""
    names = "userId", "movieId", "rating"
    pd.DataFrame(dict(zip(names, columns, strict=True))).to_csv(path, index=False)
    return path


def write_model(ratings: Path, path: Path) -> Path:
    """Fit a small model to a file of ratings."""
    options = "--factors", "4", "--epochs", "3", "--seed", "1", "-q"
    assert cli.main(["fit", str(ratings), "-o", str(path), *options]) == 0
    return path
