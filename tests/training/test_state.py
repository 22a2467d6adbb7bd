"""State: copies of the parameters during training."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from factorate._training.state import COPIED_BYTES, State, copy_state
from factorate._utils.workers import Workers


def make_state(n_users: int, n_items: int, n_factors: int) -> State:
    generator = np.random.default_rng(0)
    shapes: dict[str, Any] = {
        "P": (n_users, n_factors),
        "Q": (n_items, n_factors),
        "user_bias": n_users,
        "item_bias": n_items,
        "user_accumulators": (n_users, 2),
        "item_accumulators": (0, 2),
        "own_factors": (0, n_factors),
        "svdpp": (0, n_factors),
    }
    return State(
        **{name: generator.random(shape).astype(np.float32) for name, shape in shapes.items()}
    )


@pytest.mark.parametrize("n_threads", [1, 2, 4])
@pytest.mark.parametrize("n_users", [1, COPIED_BYTES // 64 + 1, COPIED_BYTES // 16])
@pytest.mark.parametrize("n_factors", [0, 16])
def test_a_copy_has_equal_arrays_of_its_own(n_threads: int, n_users: int, n_factors: int) -> None:
    state = make_state(n_users, 3, n_factors)
    workers = Workers(n_threads)
    new = copy_state(state, workers=workers)
    target = State(**{name: np.zeros_like(array) for name, array in vars(state).items()})
    assert copy_state(state, target, workers) is target
    for copied in (new, target):
        for field in dataclasses.fields(State):
            array, copy = getattr(state, field.name), getattr(copied, field.name)
            np.testing.assert_array_equal(copy, array)
            assert copy.dtype == array.dtype
            assert not np.shares_memory(copy, array)
