"""Space: the settings that are searched, as points around the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from factorate._training.settings import Settings

    Point = NDArray[np.float64]

AUTO = "auto"  # the value of a parameter that is searched
SEARCHED = ("n_factors", "n_epochs", "learning_rate", "regularization", "svdpp")
FACTOR_STEP = 16  # numbers of factors are multiples of it, because rows are padded to them


def is_auto(value: object) -> bool:
    """Return whether a parameter is to be searched."""
    return isinstance(value, str) and value == AUTO


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One number that is searched.

    Attributes
    ----------
    parameter : str
        Name of the parameter.
    key : str or None
        Key in the dict of the parameter; None if the parameter is a number.
    default : float
        Default value, where the coordinate is 0.
    low, high : float
        Range of the coordinate, which is the binary logarithm of value / default. For "svdpp", it
        is the value: False is below ½.
    """

    parameter: str
    key: str | None
    default: float
    low: float
    high: float

    step: float = 1.0

    @property
    def is_size(self) -> bool:
        """Whether more of it takes more time: it is searched after the other dimensions."""
        return self.key is None


@dataclass(frozen=True)
class Space:
    """The dimensions of a search; a point has one coordinate for each.

    The coordinate of a learning rate is that of its product with the number of epochs: more epochs
    at a lower rate move parameters as far, so the two can be searched independently.
    """

    dimensions: tuple[Dimension, ...]

    def clip(self, point: Point) -> Point:
        """Move a point into the range of each dimension."""
        lows = [dimension.low for dimension in self.dimensions]
        return np.clip(point, lows, [dimension.high for dimension in self.dimensions])

    def parameters(self, point: Point) -> dict[str, Any]:
        """Return the parameters of a point, rounded to two digits as a user would write them."""
        found: dict[str, Any] = {}
        coordinates = point.tolist()
        longer = sum(
            x
            for dimension, x in zip(self.dimensions, coordinates, strict=True)
            if dimension.parameter == "n_epochs"
        )
        for dimension, x in zip(self.dimensions, coordinates, strict=True):
            is_rate = dimension.parameter == "learning_rate"
            value = _value(dimension, x - longer if is_rate else x)
            if dimension.key is None:
                found[dimension.parameter] = value
            else:
                found.setdefault(dimension.parameter, {})[dimension.key] = value
        return found


def make_space(parameters: Mapping[str, Any], settings: Settings) -> Space:
    """Return the dimensions of the parameters whose value is "auto".

    Parameters
    ----------
    parameters : mapping
        Parameters of the model that searches.
    settings : Settings
        The default settings, for the other parameters of this model.
    """
    kinds = {"factors": "user_factors", "biases": "user_bias"}
    if not settings.rule.fit_bias:
        del kinds["biases"]
    numbers = {
        ("n_factors", None): (settings.n_factors, -2.0, 2.0),
        ("n_epochs", None): (settings.n_epochs, -1.0, 2.0),
        ("svdpp", None): (1.0, 0.0, 1.0),
        **{
            ("learning_rate", key): (getattr(settings.rates, kind), -3.0, 1.0)
            for key, kind in kinds.items()
        },
        **{
            ("regularization", key): (getattr(settings.l2, kind), -3.0, 3.0)
            for key, kind in kinds.items()
        },
    }
    return Space(
        tuple(
            Dimension(parameter=name, key=key, default=default, low=low, high=high)
            for (name, key), (default, low, high) in numbers.items()
            if is_auto(parameters[name]) and default > 0
        )
    )


def _value(dimension: Dimension, x: float) -> Any:
    if dimension.parameter == "svdpp":
        return x >= 0.5
    value = dimension.default * 2.0**x
    if dimension.parameter == "n_factors":
        return max(1, round(value / FACTOR_STEP) * FACTOR_STEP)
    return round(value) if dimension.key is None else float(f"{value:.2g}")
