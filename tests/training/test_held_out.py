"""hold_out: a fraction of the ratings, chosen by user and item."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from factorate._training.held_out import hold_out


@given(n=st.integers(2, 300), fraction=st.floats(0.01, 0.9), seed=st.integers(0, 2**64))
def test_the_fraction_is_held_out_in_any_order_of_the_ratings(
    n: int, fraction: float, seed: int
) -> None:
    users, items = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)
    assume(round(fraction * n) < n)
    held = hold_out(users, items, fraction, seed)
    assert held.sum() == max(1, round(fraction * n))
    back = hold_out(users[::-1], items, fraction, seed)
    np.testing.assert_array_equal(back[::-1], held)


def test_all_ratings_of_one_pair_are_treated_alike() -> None:
    generator = np.random.default_rng(0)
    users, items = generator.integers(0, 8, (2, 500)).astype(np.int32)
    held = hold_out(users, items, 0.3, seed=1)
    pairs = users * 8 + items
    assert not set(pairs[held]) & set(pairs[~held])
    assert 0 < held.sum() < 500


def test_holding_out_all_ratings_raises() -> None:
    with pytest.raises(ValueError, match="holds out 3 of 3 entries, which leaves none"):
        hold_out(np.zeros(3, np.int32), np.ones(3, np.int32), 0.1, seed=0)
