"""A step changes a part once, and never the part as it is between epochs."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from training_cases import make_settings

from factorate._cluster.part import Part, StaleError, begin_epoch, begin_step, end_epoch

SETTINGS = make_settings()


def make_part(**changes: Any) -> Part:
    generator = np.random.default_rng(0)
    values: dict[str, Any] = {
        "side": 0,
        "factors": generator.random((5, 8), np.float32),
        "bias": generator.random(5, np.float32),
        "accumulators": np.empty((0, 2), np.float32),
        "counts": np.arange(1.0, 6.0),
        "columns": np.empty((0, 4), np.float32),
    }
    return Part(**(values | changes))


@pytest.mark.parametrize("general", [False, True])
def test_an_epoch_works_on_a_copy(general: bool) -> None:
    part = make_part()
    before = part.factors.copy(), part.bias.copy()
    changed = begin_step(begin_epoch(part, SETTINGS, 0.5, general=general), 0)
    changed.factors += 1
    changed.bias += 1
    changed.columns += 1
    np.testing.assert_array_equal(part.factors, before[0])
    np.testing.assert_array_equal(part.bias, before[1])
    assert part.n_steps == 0


def test_the_plain_kernel_has_the_biases_in_a_column() -> None:
    part = make_part()
    changed = begin_epoch(part, SETTINGS, 0.5, general=False)
    np.testing.assert_array_equal(changed.columns[:, 0], part.bias)
    changed.columns[:, 0] += 1
    ended = end_epoch(changed, general=False)
    np.testing.assert_array_equal(ended.bias, part.bias + 1)
    assert ended.columns.shape == (0, 4)


def test_a_step_that_runs_again_raises() -> None:
    part = begin_epoch(make_part(), SETTINGS, 0.5, general=False)
    begin_step(part, 0)
    with pytest.raises(StaleError, match="-1 steps changed a part; expected 0"):
        begin_step(part, 0)
    part.n_steps = 2
    with pytest.raises(StaleError, match="2 steps changed a part; expected 1"):
        begin_step(part, 1)
    assert begin_step(part, 2).factors is part.factors


def test_arrays_that_cannot_be_changed_are_copied() -> None:
    part = begin_epoch(make_part(), SETTINGS, 0.5, general=False)
    part.factors.flags.writeable = False
    changed = begin_step(part, 0)
    assert changed.factors.flags.writeable
    np.testing.assert_array_equal(changed.factors, part.factors)


def test_dask_sees_the_size_of_the_arrays() -> None:
    assert sys.getsizeof(make_part()) >= 5 * 8 * 4 + 5 * 4 + 5 * 8
