"""Write small stores of ratings for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import factorate as ft
from factorate._input.levels import MAX_LEVELS
from factorate._store.batches import open_batches
from factorate._store.ingest import ingest

if TYPE_CHECKING:
    from pathlib import Path


def write_store(
    path: Path,
    source: Any,
    *,
    chunk_ratings: int = 1000,
    max_levels: int = MAX_LEVELS,
    **options: Any,
) -> Any:
    """Write a store with files of few ratings, and open it."""
    batches = open_batches(source, None)
    ingest(path, batches, chunk_ratings=chunk_ratings, max_levels=max_levels)
    return ft.RatingStore(path, **options)
