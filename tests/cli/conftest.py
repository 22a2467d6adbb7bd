"""A file of ratings and a model fitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from optional import pandas as pd

from factorate import cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ratings(columns: Any, tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    names = "userId", "movieId", "rating"
    pd.DataFrame(dict(zip(names, columns, strict=True))).to_csv(path, index=False)
    return path


@pytest.fixture
def model(ratings: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.npz"
    options = "--factors", "4", "--epochs", "3", "--seed", "1", "-q"
    assert cli.main(["fit", str(ratings), "-o", str(path), *options]) == 0
    return path
