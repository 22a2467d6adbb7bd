"""Space: the settings that are searched, as points around the defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._training.per_kind import GROUPS
from factorate._tuning.auto import is_auto

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from factorate._training.per_kind import PerKind
    from factorate._training.settings import Settings

    Point = NDArray[np.float64]

SEARCHED = (
    "n_factors",
    "n_epochs",
    "learning_rate",
    "regularization",
    "shrinkage",
    "count_scale",
    "svdpp",
)
FACTOR_STEP = 16  # numbers of factors are multiples of it, because rows are padded to them
MIN_FACTORS, MAX_FACTORS = 32, 512
MIN_EPOCHS, MAX_EPOCHS = 5, 40


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A number, or the numbers of a dict in proportion to each other.

    Attributes
    ----------
    parameter : str
        Name of the parameter.
    defaults : dict
        Default value for each key of the dict; None is the key if the parameter is a number.
    low, high : float
        Range of the coordinate, which is the binary logarithm of value / default. For "svdpp" it
        is 0 for False and 1 for True.
    is_size : bool, default=False
        Whether a higher value takes more time; such dimensions are searched after the others.
    """

    parameter: str
    defaults: Mapping[str | None, float]
    low: float
    high: float
    is_size: bool = False


@dataclass(frozen=True)
class Space:
    """The dimensions of a search; a point has one coordinate for each.

    The coordinate of a learning rate is that of its product with the number of epochs: more epochs
    need a lower rate, so the two can be searched one after the other.
    """

    dimensions: tuple[Dimension, ...]

    def clip(self, point: Point) -> Point:
        """Move a point into the range of each dimension."""
        lows = [dimension.low for dimension in self.dimensions]
        return np.clip(point, lows, [dimension.high for dimension in self.dimensions])

    def parameters(self, point: Point) -> dict[str, Any]:
        """Return the parameters of a point, rounded to two digits."""
        found: dict[str, Any] = {}
        coordinates = list(zip(self.dimensions, point.tolist(), strict=True))
        n_doublings = sum(x for dimension, x in coordinates if dimension.parameter == "n_epochs")
        for dimension, coordinate in coordinates:
            name = dimension.parameter
            x = coordinate - n_doublings if name == "learning_rate" else coordinate
            for key, default in dimension.defaults.items():
                if key is None:
                    found[name] = number(name, default, x)
                else:
                    found.setdefault(name, {})[key] = number(name, default, x)
        return found


def make_space(parameters: Mapping[str, Any], settings: Settings) -> Space:
    """Return the dimensions of the parameters whose value is "auto".

    Parameters
    ----------
    parameters : mapping
        Parameters of the model that searches.
    settings : Settings
        Its settings, with the defaults for what is "auto".
    """
    n_factors, n_epochs = settings.n_factors, settings.n_epochs
    is_used = {"factors": n_factors > 0, "biases": settings.rule.fit_bias}
    groups = [group for group in GROUPS if is_used[group]]
    dimensions = [
        Dimension(parameter="svdpp", defaults={None: 1}, low=0, high=1, is_size=True),
        Dimension(
            parameter="n_factors",
            defaults={None: n_factors},
            low=logarithm(MIN_FACTORS, n_factors),
            high=logarithm(MAX_FACTORS, n_factors),
            is_size=True,
        ),
        Dimension(
            parameter="n_epochs",
            defaults={None: n_epochs},
            low=logarithm(MIN_EPOCHS, n_epochs),
            high=logarithm(MAX_EPOCHS, n_epochs),
            is_size=True,
        ),
        Dimension(
            parameter="count_scale", defaults={None: settings.count_scale}, low=-4.0, high=4.0
        ),
        *(
            Dimension(parameter=name, defaults=_defaults(values, group), low=low, high=high)
            for name, values, low, high in (
                ("learning_rate", settings.rates, -2.0, 2.0),
                ("regularization", settings.l2, -2.0, 2.0),
                ("shrinkage", settings.shrinkage, -6.0, 3.0),
            )
            for group in groups
            # With the shrinkage of biases, their regularization makes little difference.
            if (name, group) != ("regularization", "biases")
        ),
    ]
    return Space(
        tuple(
            dimension
            for dimension in dimensions
            if is_auto(parameters[dimension.parameter])
            and all(0 < default < math.inf for default in dimension.defaults.values())
        )
    )


def logarithm(bound: int, default: int) -> float:
    """Return the coordinate of a bound; a default of 0 is not searched."""
    return math.log2(bound / default) if default else 0.0


def _defaults(values: PerKind, group: str) -> dict[str | None, float]:
    """Return the default of a group, or of each kind in it if they differ."""
    of_kinds: dict[str | None, float] = {kind: getattr(values, kind) for kind in GROUPS[group]}
    distinct = set(of_kinds.values())
    return of_kinds if len(distinct) > 1 else {group: distinct.pop()}


def number(parameter: str, default: float, x: float) -> Any:
    """Return the value of a parameter at a coordinate, rounded unless it is the default."""
    if parameter == "svdpp":
        return x >= 0.5
    if x == 0:
        return default
    value = default * 2.0**x
    if parameter == "n_factors":
        return max(1, round(value / FACTOR_STEP)) * FACTOR_STEP
    return max(1, round(value)) if parameter == "n_epochs" else float(f"{value:.2g}")
