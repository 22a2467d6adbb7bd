"""Write small stores of ratings for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import factorate as ft
from factorate._store.batches import open_batches
from factorate._store.ingest import ingest

if TYPE_CHECKING:
    from pathlib import Path


def write_store(path: Path, source: Any, *, chunk_ratings: int = 1000, **options: Any) -> Any:
    """Write a store with files of few ratings, and open it."""
    ingest(path, open_batches(source, None), chunk_ratings=chunk_ratings)
    return ft.RatingStore(path, **options)
