"""Learning rates: one for each kind of parameter, epoch by epoch."""

from __future__ import annotations

import math
from typing import Any

import pytest

from factorate._training.learning_rates import DEFAULTS, SCHEDULES, check_each, share


def test_schedules_by_hand() -> None:
    assert [share("constant", epoch, 4) for epoch in (1, 4)] == [1, 1]
    assert [share("linear", epoch, 4) for epoch in (1, 2, 4)] == [1, 0.75, 0.25]
    assert share("cosine", 3, 4) == pytest.approx((1 + math.cos(math.pi / 2)) / 2)
    assert share("inverse", 4, 10) == 0.5


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_rate_never_rises_and_never_reaches_zero(schedule: str) -> None:
    shares = [share(schedule, epoch, 20) for epoch in range(1, 21)]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] > 0
    assert schedule in DEFAULTS


DEFAULT = {"factors": 0.1, "biases": 0.2}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (0.1, 0.1, 0.2, 0.2)),
        (3, (3, 3, 3, 3)),
        ({}, (0.1, 0.1, 0.2, 0.2)),
        ({"factors": 1}, (1, 1, 0.2, 0.2)),
        ({"item_bias": 1}, (0.1, 0.1, 0.2, 1)),
        ({"biases": 1, "user_bias": 2}, (0.1, 0.1, 2, 1)),
        ({"user_bias": 2, "biases": 1}, (0.1, 0.1, 2, 1)),
    ],
)
def test_one_number_or_some_of_four(value: Any, expected: Any) -> None:
    assert check_each("learning_rate", value, DEFAULT) == expected


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, r"learning_rate is 0; expected a finite number > 0"),
        ({"factors": -1}, ValueError, r"learning_rate\['factors'\] is -1; expected .* > 0"),
        ({"users": 1}, ValueError, r"has the key 'users'; expected some of factors, biases, user_"),
        ("fast", TypeError, "learning_rate is 'fast'"),
        ([1, 2], TypeError, r"learning_rate is \[1, 2\]"),
    ],
)
def test_errors_name_the_entry(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_each("learning_rate", value, DEFAULT, above=0)
