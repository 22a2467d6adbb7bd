"""A step changes a state once, and never the state as it is between epochs."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from training_cases import make_settings

from factorate._cluster.group_state import (
    GroupState,
    StaleError,
    begin_epoch,
    begin_step,
    end_epoch,
)

SETTINGS = make_settings()


def make_state(**changes: Any) -> GroupState:
    generator = np.random.default_rng(0)
    values: dict[str, Any] = {
        "side": 0,
        "factors": generator.random((5, 8), np.float32),
        "bias": generator.random(5, np.float32),
        "accumulators": np.empty((0, 2), np.float32),
        "counts": np.arange(1.0, 6.0),
        "scales": np.empty(0),
        "highest_scale": 1.0,
        "columns": np.empty((0, 4), np.float32),
    }
    return GroupState(**(values | changes))


@pytest.mark.parametrize("general", [False, True])
def test_an_epoch_works_on_a_copy(general: bool) -> None:
    state = make_state()
    before = state.factors.copy(), state.bias.copy()
    changed = begin_step(begin_epoch(state, SETTINGS, 0.5, general=general), 0)
    changed.factors += 1
    changed.bias += 1
    changed.columns += 1
    np.testing.assert_array_equal(state.factors, before[0])
    np.testing.assert_array_equal(state.bias, before[1])
    assert state.n_steps == 0


def test_the_plain_kernel_has_the_biases_in_a_column() -> None:
    state = make_state()
    changed = begin_epoch(state, SETTINGS, 0.5, general=False)
    np.testing.assert_array_equal(changed.columns[:, 0], state.bias)
    changed.columns[:, 0] += 1
    ended = end_epoch(changed, general=False)
    np.testing.assert_array_equal(ended.bias, state.bias + 1)
    assert ended.columns.shape == (0, 4)


def test_a_step_that_runs_again_raises() -> None:
    state = begin_epoch(make_state(), SETTINGS, 0.5, general=False)
    begin_step(state, 0)
    with pytest.raises(StaleError, match="-1 steps changed a state; expected 0"):
        begin_step(state, 0)
    state.n_steps = 2
    with pytest.raises(StaleError, match="2 steps changed a state; expected 1"):
        begin_step(state, 1)
    assert begin_step(state, 2).factors is state.factors


def test_arrays_that_cannot_be_changed_are_copied() -> None:
    state = begin_epoch(make_state(), SETTINGS, 0.5, general=False)
    state.factors.flags.writeable = False
    changed = begin_step(state, 0)
    assert changed.factors.flags.writeable
    np.testing.assert_array_equal(changed.factors, state.factors)


def test_dask_sees_the_size_of_the_arrays() -> None:
    assert sys.getsizeof(make_state()) >= 5 * 8 * 4 + 5 * 4 + 5 * 8
