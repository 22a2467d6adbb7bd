"""Synthetic ratings follow the documented model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from factorate.datasets import synthetic


def test_sizes_types_and_distinct_pairs() -> None:
    users, items, ratings = synthetic(5000, 200, 100, random_state=3)
    assert users.dtype == items.dtype == np.int32
    assert ratings.dtype == np.float32
    assert len(users) == len(items) == len(ratings) == 5000
    assert 0 <= users.min() <= users.max() < 200
    assert 0 <= items.min() <= items.max() < 100
    assert len(np.unique(users.astype(np.int64) * 100 + items)) == 5000


def test_popularity_is_skewed_and_the_order_random() -> None:
    users, items, _ = synthetic(100_000, 2000, 1000)
    for rows in (users, items):
        counts = np.sort(np.bincount(rows))[::-1]
        assert counts[: len(counts) // 10].sum() > 0.2 * len(rows)
        assert abs(rows[:50_000].mean() - rows[50_000:].mean()) < 0.02 * rows.max()


def test_the_noise_has_the_given_standard_deviation() -> None:
    clean = synthetic(20_000, 500, 300, noise=0.0)
    noisy = synthetic(20_000, 500, 300, noise=0.7)
    np.testing.assert_array_equal(clean[0], noisy[0])
    error = noisy[2] - clean[2]
    assert np.sqrt(np.mean(error**2)) == pytest.approx(0.7, rel=0.03)
    assert abs(error.mean()) < 0.03
    assert clean[2].std() == pytest.approx(np.sqrt(1 + 2 * 0.3**2), rel=0.15)


def test_the_seed_determines_the_ratings() -> None:
    for a, b in zip(synthetic(100, 50, 40), synthetic(100, 50, 40), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(synthetic(100, 50, 40)[2], synthetic(100, 50, 40, random_state=1)[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_ratings": 51, "n_users": 10, "n_items": 10}, "more than half of the 10 × 10 pairs"),
        ({"n_ratings": 0}, "n_ratings is 0"),
        ({"n_users": 0}, "n_users is 0"),
        ({"noise": -1.0}, r"noise is -1\.0"),
        ({"random_state": -1}, "random_state is -1"),
    ],
)
def test_errors_name_the_invalid_argument(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        synthetic(**arguments)
