"""Interactions are sorted by user and by item, whatever the order of the input."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._training.interactions import Interactions, make_interactions

FLOAT64 = np.dtype("float64")
PAIRS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.floats(0.125, 8, width=16)), max_size=40
)


def make(entries: list[tuple[int, int, float]], weighted: bool = True) -> Interactions:
    users, items, weights = zip(*entries, strict=True) if entries else ((), (), ())
    rows = np.array(users, np.int32), np.array(items, np.int32)
    return make_interactions(*rows, np.array(weights) if weighted else None, (5, 7), FLOAT64)


def as_dict(starts: object, others: object, weights: object) -> dict[tuple[int, int], float]:
    starts, others, weights = np.asarray(starts), np.asarray(others), np.asarray(weights)
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    if not len(weights):
        weights = np.ones(len(others))
    pairs = list(zip(rows.tolist(), others.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    return dict(zip(pairs, weights.tolist(), strict=True))


@given(entries=PAIRS)
def test_weights_of_repeated_pairs_add_up(entries: list[tuple[int, int, float]]) -> None:
    expected: defaultdict[tuple[int, int], float] = defaultdict(float)
    for u, i, w in entries:
        expected[u, i] += w
    got = make(entries)
    assert got.shape == (5, 7)
    assert got.n_pairs == len(expected)
    by_user = as_dict(got.user_starts, got.user_items, got.user_weights)
    by_item = as_dict(got.item_starts, got.item_users, got.item_weights)
    assert by_user == expected
    assert by_item == {(i, u): w for (u, i), w in expected.items()}


@given(entries=PAIRS)
def test_without_weights_a_pair_weighs_its_number_of_interactions(
    entries: list[tuple[int, int, float]],
) -> None:
    got, expected = make(entries, weighted=False), make([(u, i, 1.0) for u, i, _ in entries])
    assert as_dict(got.user_starts, got.user_items, got.user_weights) == as_dict(
        expected.user_starts, expected.user_items, expected.user_weights
    )


def test_equal_weights_of_one_are_empty() -> None:
    got = make([(0, 1, 1.0), (1, 1, 1.0)])
    assert len(got.user_weights) == len(got.item_weights) == 0


def test_the_order_of_interactions_does_not_change_a_bit() -> None:
    generator = np.random.default_rng(0)
    users, items = generator.integers(0, 5, 300, np.int32), generator.integers(0, 7, 300, np.int32)
    weights, order = generator.uniform(1e-3, 1, 300), generator.permutation(300)
    one = make_interactions(users, items, weights, (5, 7), FLOAT64)
    other = make_interactions(users[order], items[order], weights[order], (5, 7), FLOAT64)
    for name in ("user_items", "user_weights", "item_users", "item_weights"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_more_interactions_than_can_be_numbered_are_an_error() -> None:
    rows = np.broadcast_to(np.int32(0), 2**31)  # takes no memory
    with pytest.raises(
        ValueError, match=r"2,147,483,648 interactions; expected at most 2,147,483,"
    ):
        make_interactions(rows, rows, None, (1, 1), FLOAT64)
