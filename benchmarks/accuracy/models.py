"""Fits of factorate with one thread, predictions clipped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import factorate as ft

if TYPE_CHECKING:
    from benchmarks.accuracy.data import Ratings


def fit(training: Ratings, seed: int, **settings: Any) -> ft.MatrixFactorization:
    """Fit a model; settings that are not given have their defaults."""
    model = ft.MatrixFactorization(random_state=seed, n_threads=1, clip=True, **settings)
    return model.fit(training.columns)


def error(model: Any, test: Ratings) -> float:
    """Return the RMSE on all ratings, those of unknown users and items included."""
    return float(model.evaluate(test.columns, unknown="ignore")["rmse"])


def timed_fit(model: Any, training: Ratings) -> float:
    """Fit a model and return the seconds."""
    start = time.perf_counter()
    model.fit(training.columns)
    return time.perf_counter() - start
