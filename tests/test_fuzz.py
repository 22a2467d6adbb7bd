"""The fuzz targets accept some hundred damaged files each: no error that is not documented."""

from __future__ import annotations

import fuzz
import pytest
from optional import present
from optional import pyarrow as pa


@pytest.mark.parametrize("target", [*fuzz.TARGETS, "grammar"])
def test_damaged_files_raise_documented_errors(target: str) -> None:
    if target in ("csv", "jsonl", "parquet", "arrow"):
        present(pa)
    outcomes = fuzz.run(target, files=200, seconds=60, seed=0)
    for outcome in ("loaded", "rejected") if target == "grammar" else ("files",):
        assert outcomes[outcome] > 0
