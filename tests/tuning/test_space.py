"""Space: points around the defaults, and the parameters that they stand for."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factorate as ft
from factorate._training.settings import check_settings
from factorate._tuning.auto import is_auto
from factorate._tuning.space import SEARCHED, Space, make_space

DEFAULTS = ft.MatrixFactorization().get_params()


def space(**changes: Any) -> Space:
    parameters = {**DEFAULTS, **dict.fromkeys(SEARCHED, "auto"), **changes}
    values = {name: DEFAULTS[name] if is_auto(x) else x for name, x in parameters.items()}
    return make_space(parameters, check_settings(values, 0))


def names(found: Space) -> list[str]:
    return sorted({dimension.parameter for dimension in found.dimensions})


def test_the_origin_is_the_default_settings() -> None:
    found = space()
    parameters = found.parameters(np.zeros(len(found.dimensions)))
    assert sorted(parameters) == sorted(SEARCHED)
    expected = check_settings(DEFAULTS, 0)
    assert check_settings({**DEFAULTS, **parameters}, 0) == expected


@given(st.lists(st.floats(-10, 10), min_size=20, max_size=20))
def test_every_point_in_range_is_valid_settings(coordinates: list[float]) -> None:
    found = space()
    point = found.clip(np.array(coordinates[: len(found.dimensions)]))
    parameters = found.parameters(point)
    settings = check_settings({**DEFAULTS, **parameters}, 0)
    assert 32 <= settings.n_factors <= 512
    assert settings.n_factors % 16 == 0
    assert 5 <= settings.n_epochs <= 40
    np.testing.assert_array_equal(found.clip(point), point)


def test_twice_the_epochs_have_half_the_learning_rate() -> None:
    found = space()
    longer = [dimension.parameter == "n_epochs" for dimension in found.dimensions]
    default = found.parameters(np.zeros(len(longer)))
    parameters = found.parameters(np.array(longer, float))
    assert parameters["n_epochs"] == 2 * default["n_epochs"]
    for key, rate in default["learning_rate"].items():
        assert parameters["learning_rate"][key] == pytest.approx(rate / 2, rel=0.05)
    unchanged = set(default) - {"n_epochs", "learning_rate"}
    assert {name: parameters[name] for name in unchanged} == {
        name: default[name] for name in unchanged
    }


def test_numbers_have_two_digits() -> None:
    found = space()
    parameters = found.parameters(np.full(len(found.dimensions), 0.3))
    assert parameters["count_scale"] == float(f"{parameters['count_scale']:.2g}")
    assert len(f"{parameters['regularization']['factors']:g}") <= len("0.025")


@pytest.mark.parametrize("name", SEARCHED)
def test_parameters_that_are_set_have_no_dimension(name: str) -> None:
    assert name not in names(space(**{name: DEFAULTS[name]}))
    assert (
        names(
            space(**dict.fromkeys(SEARCHED, None) | {"n_factors": 3, "n_epochs": 2, "svdpp": False})
        )
        == []
    )


def test_what_the_model_does_not_use_is_not_searched() -> None:
    without_biases = space(fit_bias=False)
    keys = {key for dimension in without_biases.dimensions for key in dimension.defaults}
    assert not keys & {"biases", "user_bias", "item_bias"}
    assert "count_scale" not in names(space(learning_rate_schedule="adagrad"))
    assert "shrinkage" not in names(space(nonnegative=True))
    assert all(math.isfinite(d.low) and math.isfinite(d.high) for d in space().dimensions)


def test_dimensions_are_values_that_are_compared() -> None:
    assert space() == space()
    first = space().dimensions[0]
    assert dataclasses.replace(first, low=first.low - 1) != first
