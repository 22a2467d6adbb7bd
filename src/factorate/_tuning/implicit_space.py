"""ImplicitSpace: the settings for implicit feedback that are searched, around the defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._training.implicit_settings import TOO_LARGE
from factorate._tuning.auto import is_auto
from factorate._tuning.space import MAX_FACTORS, MIN_FACTORS, Dimension, Space, logarithm, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._training.interactions import Interactions
    from factorate._tuning.space import Point

IMPLICIT_SEARCHED = ("n_factors", "n_epochs", "regularization", "unobserved_weight", "alpha")
MIN_EPOCHS, MAX_EPOCHS = 4, 64
# The coordinate of `alpha`: at 0 it is None, of which high values are the limit, at −HIGH_ALPHA a
# mean count weighs as much as the constant 1, and at twice that the counts hardly matter.
HIGH_ALPHA = 6.0
RANGE = 5.0  # of other numbers, in doublings
# Coordinates to try first: counts can be of less use than the pairs alone.
IMPLICIT_STARTS = (("alpha", -HIGH_ALPHA), ("alpha", -2 * HIGH_ALPHA))


@dataclass(frozen=True)
class ImplicitSpace(Space):
    """The dimensions of a search.

    Some coordinates allow for other parameters, so that these can be searched one after the other.
    That of the weight of unobserved pairs is its ratio to the default, which is proportional to the
    mean weight of an interaction. That of the regularization λ is λ · K^⅓, because more factors
    need less of it. The unit of the weights is in the objective already, so that λ allows for
    `alpha` as it is.

    Attributes
    ----------
    dimensions : tuple of Dimension
        The dimensions.
    mean_count : float
        The mean count of a pair.
    """

    mean_count: float

    def parameters(self, point: Point) -> dict[str, Any]:
        """Return the parameters of a point, rounded to two digits."""
        found: dict[str, Any] = {}
        coordinates = {
            dimension.parameter: (dimension.defaults[None], x)
            for dimension, x in zip(self.dimensions, point.tolist(), strict=True)
        }
        of_weight, of_factors = 0.0, coordinates.get("n_factors", (0, 0.0))[1]  # doublings
        _, x = coordinates.pop("alpha", (None, None))
        if x is not None:
            alpha = number("alpha", 2**HIGH_ALPHA / self.mean_count, x) if x < 0 else None
            found["alpha"] = alpha
            if alpha is not None:
                of_weight = math.log2((1 + alpha * self.mean_count) / self.mean_count)
        shifts = {
            "regularization": -of_factors / 3,
            "unobserved_weight": of_weight,
        }
        for name, (default, x) in coordinates.items():
            found[name] = number(name, default, x + shifts.get(name, 0.0))
            if name == "unobserved_weight" and x == 0:
                found[name] = None  # the default, for any interactions
        return found


def make_implicit_space(
    parameters: Mapping[str, Any], settings: ImplicitSettings, interactions: Interactions
) -> ImplicitSpace:
    """Return the dimensions of the parameters whose value is "auto".

    Parameters
    ----------
    parameters : mapping
        Parameters of the model that searches.
    settings : ImplicitSettings
        Its settings, with the defaults for what is "auto".
    interactions : Interactions
        The interactions, with their counts. If all counts are 1, `alpha` is not searched.
    """
    als = settings.als
    counts = interactions.user_weights
    mean_count = float(counts.mean(dtype=np.float64)) if len(counts) else 1.0
    weight = settings.complete(settings.weigh(interactions)).unobserved_weight
    dimensions = [
        Dimension(
            parameter="n_factors",
            defaults={None: als.n_factors},
            low=logarithm(MIN_FACTORS, als.n_factors),
            high=logarithm(MAX_FACTORS, als.n_factors),
            is_size=True,
        ),
        Dimension(
            parameter="n_epochs",
            defaults={None: als.n_epochs},
            low=logarithm(MIN_EPOCHS, als.n_epochs),
            high=logarithm(MAX_EPOCHS, als.n_epochs),
            is_size=True,
        ),
        Dimension(
            parameter="regularization",
            defaults={None: als.regularization},
            low=-RANGE,
            high=min(RANGE, _highest(als.regularization)),
        ),
        Dimension(
            parameter="unobserved_weight",
            defaults={None: weight},
            low=-RANGE,
            high=min(RANGE, _highest(weight)),
        ),
    ]
    if len(counts) and _highest(1 / mean_count) > HIGH_ALPHA:
        low = -2 * HIGH_ALPHA
        dimensions.append(Dimension(parameter="alpha", defaults={None: 1.0}, low=low, high=0.0))
    return ImplicitSpace(
        tuple(
            dimension
            for dimension in dimensions
            if is_auto(parameters[dimension.parameter]) and dimension.low <= 0 <= dimension.high
        ),
        mean_count,
    )


def _highest(default: float) -> float:
    """Return the coordinate of the highest value that a parameter may have, rounded down."""
    return math.floor(math.log2(TOO_LARGE / default))
