"""PerKind: a number for each kind of parameter, from one number or a mapping."""

from __future__ import annotations

from typing import Any

import pytest

from factorate._training.per_kind import check_per_kind

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
def test_one_number_or_a_mapping_gives_four_numbers(value: Any, expected: Any) -> None:
    assert check_per_kind("learning_rate", value, DEFAULT) == expected


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
def test_errors_name_the_key(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_per_kind("learning_rate", value, DEFAULT, above=0)
