"""Settings: the parameters of a model are checked, and errors name them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate._training.settings import check_settings


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"learning_rate_schedule": "slow"}, ValueError, "learning_rate_schedule is 'slow'; .*cos"),
        ({"loss": "l2"}, ValueError, "loss is 'l2'; expected one of squared, absolute"),
        ({"loss": ["squared"]}, ValueError, "loss is .*expected one of"),
        ({"loss": "kullback_leibler"}, ValueError, "set nonnegative=True as well"),
        ({"huber_delta": 0}, ValueError, "huber_delta is 0"),
        ({"nonnegative": 1}, TypeError, "nonnegative is 1; expected True or False"),
        ({"l1_regularization": -1}, ValueError, "l1_regularization is -1"),
        ({"regularization": {"factors": -1}}, ValueError, r"regularization\['factors'\] is -1"),
        ({"shrinkage": -1}, ValueError, "shrinkage is -1; expected a finite number ≥ 0"),
        ({"shrinkage": "x"}, TypeError, "shrinkage is 'x'"),
        ({"shrinkage": float("nan")}, ValueError, "shrinkage is nan"),
        ({"shrinkage": {"user_bias": -2}}, ValueError, r"shrinkage\['user_bias'\] is -2"),
        ({"shrinkage": {"user": 1}}, ValueError, "shrinkage has the key 'user'; .* user_factors"),
        ({"count_scale": 0}, ValueError, "count_scale is 0; expected a finite number > 0"),
        ({"count_scale": float("inf")}, ValueError, "count_scale is inf"),
        ({"count_scale": True}, TypeError, "count_scale is True"),
        ({"count_scale": "auto"}, TypeError, "count_scale is 'auto'"),
        ({"early_stopping": "yes"}, TypeError, "early_stopping is 'yes'"),
        ({"early_stopping": True, "patience": 0}, ValueError, "patience is 0"),
        ({"early_stopping": True, "validation_fraction": 1.0}, ValueError, "> 0 and < 1"),
        ({"warm_start": None}, TypeError, "warm_start is None"),
        ({"verbose": "no"}, TypeError, "verbose is 'no'"),
        ({"patience": "x"}, TypeError, "patience is 'x'"),
        ({"validation_fraction": 7}, ValueError, "validation_fraction is 7"),
        ({"partial_learning_rate": 0}, ValueError, "partial_learning_rate is 0"),
        (
            {"loss": "hinge", "nonnegative": True},
            ValueError,
            "cannot be combined with nonnegative=True",
        ),
        ({"clip": 1}, TypeError, "clip is 1"),
    ],
)
def test_an_invalid_parameter_raises_and_leaves_the_model(
    columns: Any, parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    model = ft.MatrixFactorization(5, 4, random_state=0).fit(columns)
    before = model.user_factors_
    with pytest.raises(error, match=message):
        model.set_params(**parameters).fit(columns)
    assert model.user_factors_ is before


def test_parameters_missing_from_a_mapping_have_the_default_regularization() -> None:
    parameters = ft.MatrixFactorization(regularization={"factors": 0.1}).get_params()
    assert check_settings(parameters, 0).l2 == (0.1, 0.1, 0.004, 0.004)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, (4.5, 4.5, 3.3, 2.2)),
        ({"shrinkage": {"biases": 1, "item_bias": 2}}, (4.5, 4.5, 1, 2)),
        ({"shrinkage": 3}, (3, 3, 3, 3)),
        ({"loss": "absolute"}, (4.5, 4.5, 3.3, 2.2)),
        ({"fit_mean": False}, (0, 0, 0, 0)),
        ({"nonnegative": True}, (0, 0, 0, 0)),
        ({"loss": "logistic"}, (0, 0, 0, 0)),
        ({"fit_mean": False, "shrinkage": {"factors": 1}}, (1, 1, 0, 0)),
    ],
)
def test_the_default_shrinkage_is_for_centred_ratings(parameters: Any, expected: Any) -> None:
    model = ft.MatrixFactorization(**parameters)
    assert check_settings(model.get_params(), 0).shrinkage == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, 150.0),
        ({"count_scale": 2}, 2.0),
        ({"count_scale": None}, np.inf),
        ({"learning_rate_schedule": "adagrad"}, np.inf),
    ],
)
def test_without_a_count_scale_and_with_adagrad_rates_do_not_depend_on_counts(
    parameters: Any, expected: float
) -> None:
    model = ft.MatrixFactorization(**parameters)
    assert check_settings(model.get_params(), 0).count_scale == expected


def test_only_fit_advances_a_generator(columns: Any) -> None:
    """Regression: other methods do not advance the generator, and a later fit is the same."""
    generator = np.random.default_rng(0)
    model = ft.MatrixFactorization(2, 1, random_state=generator).fit(columns)
    before = generator.bit_generator.state
    model.recommend_for({3: 5.0})
    model.add_users(([777], [3], [5.0])).add_items(([7], [888], [5.0]))
    model.partial_fit(([7], [3], [5.0]))
    assert generator.bit_generator.state == before
    model.fit(columns)
    assert generator.bit_generator.state != before


def test_invalid_parameters_do_not_advance_a_generator() -> None:
    """Regression: parameters are checked before the seed is drawn."""
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    with pytest.raises(ValueError, match="huber_delta"):
        ft.MatrixFactorization(huber_delta=-1, random_state=generator).fit(([1], [1], [1.0]))
    assert generator.bit_generator.state == before


def test_a_column_named_twice_raises() -> None:
    with pytest.raises(ValueError, match=r"columns names 'a' twice"):
        ft.MatrixFactorization(columns=("a", "a", "c")).fit(([1], [1], [1.0]))
