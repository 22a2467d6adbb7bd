"""cluster_of: workers of Dask as processes of this machine, and ratings to train on."""

from __future__ import annotations

import hashlib
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BATCH = 1 << 20
FACTORS = 32


@contextmanager
def cluster_of(n_workers: int, n_threads: int = 1) -> Iterator[Any]:
    """Start workers as processes, and give a client."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=n_threads,
            dashboard_address=":0",
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def make_store(path: Path, n_ratings: int, *, are_counts: bool = False) -> ft.RatingStore:
    """Write synthetic ratings, or counts of interactions, to a store, unless it exists."""
    if path.exists():
        return ft.RatingStore(path)
    n_users, n_items = max(1000, n_ratings // 100), max(500, n_ratings // 1000)
    users, items, ratings = ft.datasets.synthetic(n_ratings, n_users, n_items)
    values: Any = np.ceil(np.abs(ratings)) + 1 if are_counts else np.round(2 * ratings) / 2
    batches = (slice(first, first + BATCH) for first in range(0, n_ratings, BATCH))
    source = ((users[b], items[b], values[b]) for b in batches)
    return ft.RatingStore.create(path, source)


def fingerprint(model: ft.MatrixFactorization | ft.ImplicitMatrixFactorization) -> str:
    """Return a hash of the factors, and of the biases if there are any."""
    arrays = [model.user_factors_, model.item_factors_]
    if isinstance(model, ft.MatrixFactorization):
        arrays += [model.user_bias_, model.item_bias_]
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
