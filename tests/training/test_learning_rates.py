"""Learning-rate schedules, epoch by epoch."""

from __future__ import annotations

import math

import pytest

from factorate._training.learning_rates import (
    DEFAULT_RATES,
    LEARNING_RATE_SCHEDULES,
    learning_rate_factor,
)


def test_factors_agree_with_calculation_by_hand() -> None:
    assert [learning_rate_factor("constant", epoch, 4) for epoch in (1, 4)] == [1, 1]
    assert [learning_rate_factor("linear", epoch, 4) for epoch in (1, 2, 4)] == [1, 0.75, 0.25]
    assert learning_rate_factor("cosine", 3, 4) == pytest.approx((1 + math.cos(math.pi / 2)) / 2)
    assert learning_rate_factor("inverse", 4, 10) == 0.5


@pytest.mark.parametrize("learning_rate_schedule", LEARNING_RATE_SCHEDULES)
def test_rates_never_rise_and_stay_above_zero(learning_rate_schedule: str) -> None:
    factors = [learning_rate_factor(learning_rate_schedule, epoch, 20) for epoch in range(1, 21)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] > 0
    assert learning_rate_schedule in DEFAULT_RATES
