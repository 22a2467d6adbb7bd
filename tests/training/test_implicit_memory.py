"""The memory plan of a fit to the interactions of a store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stores import in_store, write_store
from test_stored_interactions import make_settings

from factorate._training.implicit_memory import (
    ARENA_BYTES,
    MIN_BAND_PAIRS,
    plan_implicit_memory,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Any:
    return write_store(tmp_path / "a.store", ([0, 1], [0, 1], [1.0, 2.0]))


FEW = np.full(1000, 500), np.full(5000, 100)


def needed_megabytes(store: Any, counts: Any = FEW, **options: Any) -> float:
    """Return the memory that a fit needs, from the error of one that may take 1 MB."""
    settings = make_settings(n_factors=options.pop("n_factors", 8))
    with pytest.raises(ValueError, match=r"needs .* of memory") as raised:
        plan_implicit_memory(in_store(store, memory=10**6), settings, counts, **options)
    size, unit = re.findall(r"needs ([\d.]+) (MB|GB) of", str(raised.value))[0]
    return float(size) * (1000 if unit == "GB" else 1)


def test_the_largest_row_is_sorted_in_memory(store: Any) -> None:
    assert needed_megabytes(store) < 110
    many = np.array([500_000, 20_000_000])
    assert 88 * 20 <= needed_megabytes(store, (many, FEW[1])) <= 88 * 20 + 200
    assert 44 * 20 <= needed_megabytes(store, (FEW[0], many)) <= 44 * 20 + 600


def test_factors_and_validation_take_memory(store: Any) -> None:
    counts = np.full(300_000, 10), np.full(1000, 3000)
    small, large = (needed_megabytes(store, counts, n_factors=K) for K in (32, 320))
    assert large - small == pytest.approx(8 * 0.301 * 288, rel=0.06)
    n_validated = 10_000_000
    validated = needed_megabytes(store, counts, n_factors=32, n_validated=n_validated)
    assert validated - small == pytest.approx(4 * 10 + 16 * 0.3, rel=0.03)


def test_threads_sort_bands_at_the_same_time_if_there_is_memory(store: Any) -> None:
    settings = make_settings(n_threads=4)
    unlimited = plan_implicit_memory(in_store(store), settings, FEW)
    assert (unlimited.n_bands, unlimited.n_chunks) == (4, 4)
    assert unlimited.band_pairs > MIN_BAND_PAIRS
    little = int(1e6 * (needed_megabytes(store) + 2))
    plans = [
        plan_implicit_memory(in_store(store, memory=memory), settings, FEW)
        for memory in (little, little + 4 * ARENA_BYTES)
    ]
    assert [plan.n_bands for plan in plans] == [1, 4]
    assert plans[0].band_pairs >= MIN_BAND_PAIRS
    assert 0 < plans[0].ahead_bytes < plans[1].ahead_bytes <= unlimited.ahead_bytes
