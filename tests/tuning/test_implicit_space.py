"""ImplicitSpace: points around the defaults for implicit feedback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factorate as ft
from factorate._training.als_weights import default_unobserved_weight
from factorate._training.implicit_settings import check_implicit_settings
from factorate._training.interactions import Interactions, make_interactions
from factorate._tuning.auto import is_auto
from factorate._tuning.implicit_space import (
    IMPLICIT_SEARCHED,
    IMPLICIT_STARTS,
    ImplicitSpace,
    make_implicit_space,
)

DEFAULTS = ft.ImplicitMatrixFactorization().get_params()


def interactions(counts: float | None = None) -> Interactions:
    """Return 50 pairs, with this mean count if it is given."""
    users, items = np.divmod(np.arange(50, dtype=np.int32), 5)
    weights = None if counts is None else np.tile([0.5 * counts, 1.5 * counts], 25)
    return make_interactions(users, items, weights, (10, 9), np.dtype(np.float32))


def space(counts: float | None = None, **changes: Any) -> ImplicitSpace:
    parameters = {**DEFAULTS, **dict.fromkeys(IMPLICIT_SEARCHED, "auto"), **changes}
    values = {name: DEFAULTS[name] if is_auto(x) else x for name, x in parameters.items()}
    settings = check_implicit_settings(values, 0)
    return make_implicit_space(parameters, settings, interactions(counts))


def at(found: ImplicitSpace, **coordinates: float) -> dict[str, Any]:
    """Return the parameters of a point with these coordinates, and 0 elsewhere."""
    names = [dimension.parameter for dimension in found.dimensions]
    return found.parameters(np.array([coordinates.get(name, 0.0) for name in names]))


@pytest.mark.parametrize("counts", [None, 20.0])
def test_the_origin_is_the_default_settings(counts: float | None) -> None:
    expected = {name: DEFAULTS[name] for name in IMPLICIT_SEARCHED}
    if counts is None:
        del expected["alpha"]
    assert at(space(counts)) == expected


@given(
    st.lists(st.floats(-60, 60), min_size=5, max_size=5),
    st.one_of(st.none(), st.floats(1e-9, 1e20)),
)
def test_every_point_in_range_is_valid_settings(
    coordinates: list[float], counts: float | None
) -> None:
    found = space(counts)
    point = found.clip(np.array(coordinates[: len(found.dimensions)]))
    parameters = found.parameters(point)
    settings = check_implicit_settings({**DEFAULTS, **parameters}, 0)
    assert 32 <= settings.als.n_factors <= 512
    assert settings.als.n_factors % 16 == 0
    assert 4 <= settings.als.n_epochs <= 64


def test_the_weight_of_unobserved_pairs_is_a_multiple_of_the_default() -> None:
    default = default_unobserved_weight(interactions())
    assert at(space(), unobserved_weight=1)["unobserved_weight"] == float(f"{2 * default:.2g}")


def test_weights_from_counts_keep_the_ratios_of_the_terms_of_the_objective() -> None:
    """With alpha = 1 / mean count, the mean weight is 2."""
    found = space(200.0)
    parameters = at(found, alpha=-6, unobserved_weight=1e-9)
    assert parameters["alpha"] == 0.005
    weighed = check_implicit_settings({**DEFAULTS, "alpha": 0.005}, 0).weigh(interactions(200.0))
    default = default_unobserved_weight(weighed)
    assert parameters["unobserved_weight"] == pytest.approx(default, rel=0.05)
    assert parameters["regularization"] == DEFAULTS["regularization"]
    assert at(found, alpha=-12)["alpha"] == pytest.approx(0.005 / 64, rel=0.05)


def test_more_factors_have_less_regularization() -> None:
    default, more = at(space()), at(space(), n_factors=3)
    assert more["n_factors"] == 8 * default["n_factors"]
    expected = default["regularization"] / 2
    assert more["regularization"] == pytest.approx(expected, rel=0.05)
    assert more["unobserved_weight"] == default["unobserved_weight"]


def test_the_scale_of_the_counts_changes_alpha_alone() -> None:
    point = {"regularization": 2.0, "unobserved_weight": 1.0, "alpha": -6.0}
    small, large = at(space(1.0), **point), at(space(64.0), **point)
    assert small["regularization"] == large["regularization"] == 4 * DEFAULTS["regularization"]
    assert small["unobserved_weight"] == pytest.approx(large["unobserved_weight"], rel=0.05)
    assert small["alpha"] == pytest.approx(64 * large["alpha"], rel=0.05)


def test_the_starts_are_weaker_counts() -> None:
    found = space(64.0)
    assert [at(found, **dict([start]))["alpha"] for start in IMPLICIT_STARTS] == [0.016, 0.00024]


@pytest.mark.parametrize("name", IMPLICIT_SEARCHED)
def test_parameters_that_are_set_have_no_dimension(name: str) -> None:
    found = space(20.0, **{name: DEFAULTS[name]})
    expected = set(IMPLICIT_SEARCHED) - {name}
    assert {dimension.parameter for dimension in found.dimensions} == expected


def test_alpha_has_no_dimension_without_counts_or_with_tiny_ones() -> None:
    for counts in (None, 1e-9):
        names = {dimension.parameter for dimension in space(counts).dimensions}
        assert "alpha" not in names
